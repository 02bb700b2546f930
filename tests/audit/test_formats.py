"""Every machine format of a report against its judge, and against what its judge does not see."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import cmarkgfm
import jsonschema
import pytest
from botocore.loaders import Loader
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding

from modelwarden.audit.formats import oscal, sarif, writer
from modelwarden.audit.formats.csv import cell
from modelwarden.audit.formats.oscal_parts import token
from modelwarden.audit.framework import framework
from modelwarden.audit.history import Before, history_of
from modelwarden.audit.report import Report, report_of
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record
from tests.render.conftest import Judge, junit_judge, sarif_judge
from tests.render.test_scan_page import DARK, HOSTILE, ONE, TWO, scan

from .test_report import records, recount

__all__ = ["junit_judge", "sarif_judge"]

NASTY = '=cmd|"/c calc"!A1\t\r\n;"+1,@x`[a](http://evil)` ::error::x ##[x] ]]>&\x1b[2J\u202e{0}\x00' + HOSTILE
KINDS = ("incomplete", "hostile", "whole")
Written = Callable[[str, str], str]
Shape = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A scan and the report on it, made once for all formats."""

    folder: Folder
    source: Source
    report: Report


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Made]]:
    folder = tmp_path_factory.mktemp("formats")
    with ExitStack() as stack:
        yield {
            "incomplete": made(scan(folder / "a"), stack),
            "hostile": made(scan(folder / "b", text=NASTY), stack),
            "whole": made(scan(folder / "c", dark=False), stack),
        }


def made(folder: Folder, stack: ExitStack, scope: Scope | None = None) -> Made:
    source = stack.enter_context(Source(folder, scope or Scope()))
    known = [framework("nist-800-53"), framework("nist-ai-rmf")]
    told = report_of(source, known, history_of(source, Before()), title="Report", generated_at="2026-11-22T03:00:00Z")
    return Made(folder, source, told)


@pytest.fixture(scope="module")
def written(scans: dict[str, Made]) -> Written:
    """`written(format, scan)`; each is written once."""
    kept: dict[tuple[str, str], str] = {}

    def get(format_: str, which: str) -> str:
        if (format_, which) not in kept:
            kept[format_, which] = write(scans[which], format_)[0]
        return kept[format_, which]

    return get


def write(one: Made, format_: str) -> tuple[str, tuple[str, ...]]:
    out = io.BytesIO()
    notices = tuple(writer(format_)(one.source, one.report, out))
    return out.getvalue().decode(), notices


def outcomes(folder: Folder) -> Counter[str]:
    counted: Counter[str] = Counter(recount(folder)["findings"])
    return counted


def undecided(folder: Folder) -> int:
    return sum(record.role == "unmapped" for record in records(folder))


def of_record(record: Record) -> list[tuple[str, str]]:
    rulings = record.decision.rulings if record.decision else ()
    return [(record.package, ruling.finding.control) for ruling in rulings]


# SARIF


@pytest.mark.parametrize("which", KINDS)
def test_sarif_fits_the_schema_and_says_what_it_lacks(
    written: Written, scans: dict[str, Made], sarif_judge: Judge, which: str
) -> None:
    text = written("sarif", which)
    assert sarif_judge(text) == []
    run = json.loads(text)["runs"][0]
    kinds = {"fail": "fail", "unknown": "open", "pass": "pass", "not-applicable": "notApplicable"}
    assert Counter(one["kind"] for one in run["results"]) == {
        kinds[outcome]: count for outcome, count in outcomes(scans[which].folder).items()
    }
    assert all(run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    assert len({one["partialFingerprints"]["modelwarden/v1"] for one in run["results"]}) == len(run["results"])
    told = run["invocations"][0]
    assert told["executionSuccessful"] is (which == "whole")
    said = [one["message"]["text"] for one in told["toolExecutionNotifications"] if one["level"] == "error"]
    assert [one.startswith("NOT COMPLETE: 1 of 3") for one in said] == (
        [] if which == "whole" else [True, False, False]
    )
    if which == "incomplete":
        assert said[1:] == [
            f"{DARK}/eu-west-1 not read: sts:AssumeRole: AccessDenied: not allowed",
            f"{TWO}/eu-west-1 partly read: kms:DescribeKey: denied: AccessDenied: no grant",
        ]


@pytest.mark.parametrize(("most", "columns"), [(6, "control and account"), (1, "control")])
def test_sarif_beyond_what_github_shows_is_grouped_and_says_so(
    scans: dict[str, Made], sarif_judge: Judge, monkeypatch: pytest.MonkeyPatch, most: int, columns: str
) -> None:
    monkeypatch.setattr(sarif, "SHOWN", most + 1)
    count = outcomes(scans["incomplete"].folder).total()
    monkeypatch.setattr(
        "modelwarden.audit.grouped.FINEST", (("control", "account"), ("control",))[columns == "control" :]
    )
    text, notices = write(scans["incomplete"], "sarif")
    assert sarif_judge(text) == []
    run = json.loads(text)["runs"][0]
    assert sum(one["occurrenceCount"] for one in run["results"]) == count
    assert f"{count} findings stand as {len(run['results'])} results, one by " in notices[0]
    said = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert notices[0] in said
    waived = [one for one in run["results"] if "suppressions" in one]
    assert {one["ruleId"] for one in waived} == {"CARD-04", "CARD-07"}
    assert len({one["partialFingerprints"]["modelwarden/v1"] for one in run["results"]}) == len(run["results"])


# JUnit


@pytest.mark.parametrize("which", KINDS)
def test_junit_fits_the_schema_and_nothing_unread_is_green(
    written: Written, scans: dict[str, Made], junit_judge: Judge, which: str
) -> None:
    text = written("junit", which)
    assert junit_judge(text) == []
    root = ET.fromstring(text)
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        for plural, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if suite.get(plural) is not None:
                assert int(suite.get(plural, "")) == sum(case.find(kind) is not None for case in cases), suite.get(
                    "name"
                )
    for plural in ("tests", "failures", "errors"):
        assert int(root.get(plural, "")) == sum(int(suite.get(plural, "0")) for suite in root)
    counts = outcomes(scans[which].folder)
    assert (
        int(root.get("tests", ""))
        == counts.total() + undecided(scans[which].folder) + (1 if which == "whole" else 3) + 1
    )
    if which == "incomplete":
        green = {suite.get("name"): suite.get("errors") == "0" for suite in root}
        assert green == {"scan": False, ONE: True, TWO: False, DARK: False, "999900001111": True}
        assert {case.get("type") for case in root.iter("skipped")} == {"waived", "skipped"}


# OCSF


@pytest.fixture(scope="module")
def ocsf_judge() -> Callable[[Shape], list[str]]:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.5.0"))
    found = schema.get_class_schema(class_name="compliance_finding", profiles=["cloud"])
    validator = jsonschema.Draft202012Validator(found)

    def judge(event: Shape) -> list[str]:
        ComplianceFinding.model_validate(event)
        said = [error.message[:200] for error in validator.iter_errors(event)]
        said += ["type_uid"] if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"] else []
        return said + ([] if event["compliance"] else ["compliance is empty"])

    return judge


@pytest.mark.parametrize("which", KINDS)
def test_ocsf_fits_both_judges_and_their_gaps(
    written: Written, scans: dict[str, Made], ocsf_judge: Callable[[Shape], list[str]], which: str
) -> None:
    events = [json.loads(line) for line in written("ocsf", which).splitlines()]
    assert [said for event in events if (said := ocsf_judge(event))] == []
    assert {event["unmapped"]["run_complete"] for event in events} == {which == "whole"}
    by_control = [event for event in events if event["compliance"]["control"] not in ("coverage", "decision")]
    words = {1: "pass", 2: "unknown", 3: "fail", 99: "not-applicable"}
    assert Counter(words[event["compliance"]["status_id"]] for event in by_control) == outcomes(scans[which].folder)
    assert len({event["finding_info"]["uid"] for event in events}) == len(events)
    if which == "incomplete":
        holes = [event for event in events if event["compliance"]["control"] == "coverage"]
        assert [(one["resources"][0]["uid"], one["compliance"]["status_id"]) for one in holes[:2]] == [
            (DARK, 2),
            (TWO, 2),
        ]
        assert holes[0]["finding_info"]["desc"].endswith("not read: sts:AssumeRole: AccessDenied: not allowed")


@pytest.mark.parametrize(
    "change",
    [{"type_uid": 200302}, {"time": "2026"}, {"class_uid": 2001}, {"compliance": {}}, {"more": 1}, {"severity_id": 9}],
)
def test_the_judges_of_ocsf_refuse(
    written: Written, ocsf_judge: Callable[[Shape], list[str]], change: dict[str, Any]
) -> None:
    event = json.loads(written("ocsf", "whole").splitlines()[0])
    with contextlib.suppress(ValueError):  # the first of the two judges raises it
        assert ocsf_judge(event | change) != []


# ASFF


def as_schema(model: Shape, name: str) -> Shape:
    """A shape of botocore's service model as JSON Schema."""
    shape = model["shapes"][name]
    limits = {"min": ("minLength", "minItems", "minimum"), "max": ("maxLength", "maxItems", "maximum")}
    place = {"string": 0, "list": 1, "integer": 2, "double": 2}.get(shape["type"])
    bounds = {limits[key][place]: shape[key] for key in limits if key in shape and place is not None}
    match shape["type"]:
        case "structure":
            members = {key: {"$ref": f"#/$defs/{one['shape']}"} for key, one in shape["members"].items()}
            closed = {"type": "object", "properties": members, "additionalProperties": False}
            return closed | {"required": shape.get("required", [])}
        case "list":
            return {"type": "array", "items": {"$ref": f"#/$defs/{shape['member']['shape']}"}} | bounds
        case "map":
            return {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{shape['value']['shape']}"}}
        case "string":
            extra = {"enum": shape["enum"]} if "enum" in shape else {}
            return {"type": "string"} | extra | bounds | ({"pattern": shape["pattern"]} if "pattern" in shape else {})
        case kind:
            return {"type": {"double": "number", "long": "integer"}.get(kind, kind)} | bounds


@pytest.fixture(scope="module")
def asff_judge() -> Callable[[Shape], list[str]]:
    model = Loader().load_service_model("securityhub", "service-2")
    schema = {"$ref": "#/$defs/AwsSecurityFinding", "$defs": {name: as_schema(model, name) for name in model["shapes"]}}
    validator = jsonschema.Draft202012Validator(schema)

    def judge(one: Shape) -> list[str]:
        said = [error.message[:200] for error in validator.iter_errors(one)]
        said += ["schema version"] if one["SchemaVersion"] != "2018-10-08" else []
        said += ["title"] if not 0 < len(one["Title"]) <= 256 else []
        said += ["description"] if not 0 < len(one["Description"]) <= 1024 else []
        said += ["resources"] if not 1 <= len(one["Resources"]) <= 32 else []
        said += ["size"] if len(json.dumps(one)) > 240_000 else []
        said += (
            ["arn"]
            if not re.fullmatch(r"arn:aws:securityhub:[a-z0-9-]+:(\d{12}):product/\1/default", one["ProductArn"])
            else []
        )
        said += ["account"] if f":{one['AwsAccountId']}:" not in one["ProductArn"] else []
        for name in ("CreatedAt", "UpdatedAt"):
            datetime.strptime(one[name], "%Y-%m-%dT%H:%M:%S%z")
        return said

    return judge


@pytest.mark.parametrize("which", KINDS)
def test_asff_fits_the_service_model_and_its_gaps(
    written: Written, scans: dict[str, Made], asff_judge: Callable[[Shape], list[str]], which: str
) -> None:
    found = json.loads(written("asff", which))
    assert [said for one in found if (said := asff_judge(one))] == []
    assert len({one["Id"] for one in found}) == len(found)
    assert {one["ProductFields"]["modelwarden/run_complete"] for one in found} == {str(which == "whole").lower()}
    counts = outcomes(scans[which].folder)
    statuses = Counter(one["Compliance"]["Status"] for one in found if "SecurityControlId" in one["Compliance"])
    assert (statuses["PASSED"], statuses["FAILED"]) == (counts["pass"], counts["fail"])
    assert statuses["WARNING"] + statuses["NOT_AVAILABLE"] == counts["unknown"]
    if which == "incomplete":
        about = {one["Resources"][0]["Id"]: one["Compliance"]["Status"] for one in found if "/coverage/" in one["Id"]}
        assert about == {f"AWS::::Account:{DARK}": "NOT_AVAILABLE", f"AWS::::Account:{TWO}": "NOT_AVAILABLE"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"RecordState": "OPEN"}, "'OPEN' is not one of"),
        ({"Title": "x" * 257}, "title"),
        ({"Resources": []}, "resources"),
        ({"SchemaVersion": "2026"}, "schema version"),
        ({"Compliance": {"Status": "UNKNOWN"}}, "'UNKNOWN' is not one of"),
        ({"Extra": 1}, "'Extra' was unexpected"),
    ],
)
def test_the_judge_of_asff_refuses(
    written: Written, asff_judge: Callable[[Shape], list[str]], change: Shape, says: str
) -> None:
    one = json.loads(written("asff", "whole"))[0]
    assert any(says in said for said in asff_judge(one | change))


# OSCAL


def identifiers(document: Any) -> list[str]:
    """Every `uuid` that a document gives."""
    if isinstance(document, list):
        return [one for part in document for one in identifiers(part)]
    if isinstance(document, dict):
        own = [document["uuid"]] if "uuid" in document else []
        return own + [one for part in document.values() for one in identifiers(part)]
    return []


@pytest.mark.parametrize("format_", ["oscal", "oscal-components"])
@pytest.mark.parametrize("which", KINDS)
def test_oscal_is_sound(written: Written, scans: dict[str, Made], format_: str, which: str) -> None:
    text = written(format_, which)
    document = json.loads(text)
    found = identifiers(document)
    assert len(set(found)) == len(found)
    assert {UUID(one).version for one in found} == {5}
    assert write(scans[which], format_)[0] == text
    referred = re.findall(r'"(?:observation-uuid|source)":"#?([^"]+)"', text)
    assert set(referred) <= set(found)
    oscal_judge(document)


def oscal_judge(document: Shape) -> None:
    """Raises ValueError where compliance-trestle refuses it."""
    from trestle.oscal.assessment_results import AssessmentResults
    from trestle.oscal.component import ComponentDefinition

    ((kind, inner),) = document.items()
    {"assessment-results": AssessmentResults, "component-definition": ComponentDefinition}[kind].model_validate(inner)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"state":"not-satisfied"', '"state":"unknown"'),
        ('"control-id":"ENC-02"', '"control-id":"ENC 02"'),
        ('"methods":["TEST"]', '"methods":[]'),
        ('"import-ap"', '"import"'),
    ],
)
def test_the_judge_of_oscal_refuses(written: Written, old: str, new: str) -> None:
    text = written("oscal", "incomplete")
    assert old in text
    with pytest.raises(ValueError, match="validation error"):
        oscal_judge(json.loads(text.replace(old, new)))


def test_oscal_satisfies_nothing_that_was_not_read(written: Written, scans: dict[str, Made]) -> None:
    def status(text: str, control: str) -> tuple[str, ...]:
        findings = json.loads(text)["assessment-results"]["results"][0]["findings"]
        found = next(one["target"]["status"] for one in findings if one["target"]["target-id"] == control)
        return tuple(found.values())

    unread = "NOT COMPLETE: 1 of 3 account-regions were read whole (33 %)"
    assert status(written("oscal", "incomplete"), "BIAS-01") == ("not-satisfied", "other", unread)
    assert status(written("oscal", "incomplete"), "ENC-02") == ("not-satisfied", "fail")
    undecided = ("not-satisfied", "other", "packages without a decision")
    assert status(written("oscal", "whole"), "BIAS-01") == undecided
    assert status(written("oscal", "whole"), "ENC-01")[:2] == ("not-satisfied", "other")
    with ExitStack() as stack:
        one = made(scans["whole"].folder, stack, Scope(account=(ONE,)))
        assert status(write(one, "oscal")[0], "BIAS-01") == ("satisfied", "pass")


def test_oscal_has_a_fitting_number_of_observations(scans: dict[str, Made], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oscal, "MOST", 3)
    text, notices = write(scans["incomplete"], "oscal")
    result = json.loads(text)["assessment-results"]["results"][0]
    assert "one by control and outcome" in notices[0]
    assert notices[0].replace(":", "") in result["description"].replace(":", "")
    packages = [
        int(prop["value"])
        for one in result["observations"]
        for prop in one.get("props", ())
        if prop["name"] == "packages"
    ]
    assert sum(packages) == outcomes(scans["incomplete"].folder).total()


def test_components_name_every_obligation_of_the_frameworks_in_force(written: Written) -> None:
    document = json.loads(written("oscal-components", "whole"))["component-definition"]
    got = {
        (requirement["control-id"], next(prop["value"] for prop in component["props"] if prop["name"] == "control"))
        for component in document["components"]
        for implementation in component.get("control-implementations", ())
        for requirement in implementation["implemented-requirements"]
    }
    controls = {prop["value"] for one in document["components"] for prop in one["props"] if prop["name"] == "control"}
    wanted = {
        (token(mapping.ref), mapping.control)
        for one in (framework("nist-800-53"), framework("nist-ai-rmf"))
        for mapping in one.mappings
        if mapping.control in controls
    }
    assert got == wanted
    assert ("sc-28.1", "ENC-02") in got
    assert all(re.fullmatch(r"[a-z][a-z0-9.-]*", token(one.ref)) for one in framework("eu-ai-act").mappings)


# CSV


@pytest.mark.parametrize("which", KINDS)
def test_csv_has_everything_and_no_formula(written: Written, scans: dict[str, Made], which: str) -> None:
    text = written("csv", which)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    kinds = Counter(row["row"] for row in rows)
    assert kinds["finding"] == outcomes(scans[which].folder).total()
    assert (kinds["scan"], kinds["package"]) == (1, undecided(scans[which].folder))
    assert Counter(row["outcome"] for row in rows if row["row"] == "finding") == outcomes(scans[which].folder)
    if which != "hostile":
        got = [(row["package"], row["control"]) for row in rows if row["row"] == "finding"]
        assert sorted(got) == sorted(one for record in records(scans[which].folder) for one in of_record(record))
    assert {(row["run_complete"], row["run_coverage"]) for row in rows} == {
        ("true", "100 %") if which == "whole" else ("false", "33 %")
    }
    assert rows[0]["reason"].startswith("NOT COMPLETE: 1 of 3" if which != "whole" else "2 of 2")
    holes = [(row["account"], row["outcome"]) for row in rows if row["row"] == "coverage"]
    assert holes[:2] == (
        [(DARK, "not read"), (TWO, "partly read")] if which != "whole" else [("999900001111", "skipped")]
    )
    values = [value for row in rows for value in row.values()]
    assert not [value for value in values if value.lstrip().startswith(("=", "+", "-", "@"))]
    assert not [value for value in values if re.search(r"[\x00-\x1f\x7f\u202e]", value)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        (" =1", "' =1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1", "'-1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "\\u{9}=1"),
        ("\r", "\\u{d}"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_cell_is_no_formula(text: str, expected: str) -> None:
    assert cell(text) == expected


# Markdown


def test_markdown_says_first_what_it_lacks_and_text_from_outside_stays_text(written: Written) -> None:
    lines = written("markdown", "incomplete").splitlines()
    assert lines[2] == "**NOT COMPLETE: 1 of 3 account-regions were read whole (33 %).**"
    assert f"| not read | {DARK} | eu-west-1 | sts:AssumeRole: AccessDenied: not allowed |".replace(
        "sts:AssumeRole: AccessDenied: not allowed", ""
    ) in ("\n".join(lines).replace("`sts:AssumeRole: AccessDenied: not allowed`", ""))
    page = cmarkgfm.github_flavored_markdown_to_html(written("markdown", "hostile"))
    tags = {tag.split()[0].strip("</>") for tag in re.findall(r"<[^>]*>", page)}
    assert tags <= {"h1", "h2", "p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        assert row.count("<td>") in (0, 3, 2, 4, 5, 6, 8)
    assert "NOT COMPLETE" not in written("markdown", "whole")


def test_markdown_lists_are_short_and_say_what_is_left_out(
    scans: dict[str, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelwarden.audit.formats.markdown.MOST", 1)
    text, _ = write(scans["incomplete"], "markdown")
    assert "And 2 more." in text[text.index("## Not read") : text.index("## Accounts")]
    assert "And 1 more." in text[text.index("## Packages to look at first") : text.index("## Without")]


# all


@pytest.mark.parametrize("format_", ["sarif", "junit", "ocsf", "asff", "oscal", "oscal-components", "csv", "markdown"])
def test_no_format_acts_on_a_terminal_or_speaks_of_what_was_not_read(written: Written, format_: str) -> None:
    for which in KINDS:
        text = written(format_, which)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e]|##\[", text)
        assert "compliant" not in text.lower()
        assert ("NOT COMPLETE" in text) == (which != "whole")

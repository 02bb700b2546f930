"""What the guidance's tables say becomes hearsay: marked, never a verdict, never doubled, and every loss is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from boto3.dynamodb.types import TypeSerializer
from msgspec.structs import replace
from scripts.schemas import history_schema, import_schema, runs_schema

from modelwarden.collect.aws import Answer, Failure
from modelwarden.evidence import Source
from modelwarden.guidance import table as reading
from modelwarden.guidance.endpoints import measured
from modelwarden.guidance.packages import WHY, heard
from modelwarden.guidance.table import NotRead, rows
from modelwarden.guidance.value import Loss
from modelwarden.sandbox.server import Sandbox
from modelwarden.store.state import Change, Hearsay, Standing, State
from tests.cli.conftest import clean_environment
from tests.command import Done, inside
from tests.organization import ask

from .conftest import ACCOUNT, REGION, arn, at, client, row, run_id, seen
from .test_state import CHURN, scanned

ROOT = Path(__file__).parents[2]
EVENT = "2025-01-17T16:58:05Z"
SINCE = "2025-01-17T16:58:05.000000Z"
NOW = "2026-11-20T06:00:00.000000Z"
TABLE = "modelpackagestatechanges"
ENDPOINTS = "sagemakerendpointmetrics"
HEARD = Hearsay(
    CHURN, ACCOUNT, REGION, SINCE, SINCE, {"stage/Production": "Approved", "approval": "Approved"}, WHY, "sha256:h1"
)


def of_package(package: str = CHURN, **changes: Any) -> dict[str, Any]:
    """A row as the later release of the guidance writes it."""
    nothing = ("usecaseid", "usecasename", "usecasestage", "modelowner", "modeldescription", "modellob", "modelproject")
    row_ = {
        "modelpackagearn": package,
        "modelapprovalstatus": "Approved",
        "creationtime": "2025-01-16T09:00:00.123000",
        "eventtime": EVENT,
        "eventtype": "SageMaker Model Package State Change",
        **dict.fromkeys(nothing, "N/A"),
        "modelpackagegroupname": package.split("/")[1] if "/" in package else "N/A",
        "modelpackageversion": 1,
        "modellifecycledevstatus": "N/A",
        "modellifecycleteststatus": "N/A",
        "modellifecycleprodstatus": "Approved",
        "modelrisk": "High",
        "modelvalidationmetrics": "{'name': 'report', 'metric_groups': []}",
        "modelaudittimestamp": "2025-01-17T16:58:09.551200",
    }
    return {name: value for name, value in {**row_, **changes}.items() if value is not None}


def of_endpoint(name: str, **changes: Any) -> dict[str, Any]:
    """A row as the guidance writes it: 0 for what was not reported, the name as the ARN, and 0 as the name."""
    metrics = ("CPUUtilization", "ModelLatency", "DiskUtilization", "Precision", "Accuracy", "F2Score")
    row_ = {"endpointarn": name, "AccountId": ACCOUNT, "Timestamp": 1737133085, "Invocations": 12, "EndpointName": 0}
    return {**row_, **dict.fromkeys((*metrics, "TotalViolations"), 0), **changes}


def items(*written: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As DynamoDB hands them out."""
    return [TypeSerializer().serialize(one)["M"] for one in written]


def imported(state: State, number: int, *told: Hearsay) -> int:
    state.begin(row(number, kind="import"))
    news = state.put_heard(run_id(number), told, at(number))
    state.finish(row(number, kind="import", finished_at=at(number)))
    return news


def test_a_package_that_no_scan_saw_is_known_by_hearsay_and_not_twice(state: State) -> None:
    assert imported(state, 1, HEARD) == 1
    standing = state.standing(CHURN)
    line = Change(CHURN, run_id(1), at(1), "imported", "imported", "", "", WHY, "", HEARD.declared)
    told = seen("churn", 1, "", role="imported", at=SINCE, stage="", moment="", controls=())
    told = replace(told, evidence="", material="", bundle="", settings="", waivers="")
    assert standing == Standing(told, run_id(1), SINCE, SINCE, at(1), run_id(1), imported="sha256:h1")
    assert list(state.history(CHURN)) == [line]
    assert imported(state, 2, HEARD) == 0
    assert (state.standing(CHURN), list(state.history(CHURN))) == (standing, [line])
    later = replace(HEARD, last="2025-03-01T00:00:00.000000Z", digest="sha256:h2")
    assert imported(state, 3, later) == 1
    found = state.standing(CHURN)
    assert found is not None
    assert (found.first_seen, found.last_seen, found.imported) == (SINCE, later.last, "sha256:h2")
    assert [one.event for one in state.history(CHURN)] == ["imported", "imported"]


@pytest.mark.parametrize("scan", [1, 3], ids=["began before the import", "began after it"])
def test_whatever_a_scan_says_outweighs_hearsay(state: State, scan: int) -> None:
    state.begin(row(scan))
    imported(state, 2, HEARD)
    blocked = seen("churn", scan, "block")
    state.put(run_id(scan), [blocked])
    found = state.standing(CHURN)
    assert found is not None
    assert (found.seen, found.first_seen, found.imported) == (blocked, SINCE, "sha256:h1")
    assert found.newly_blocked_by(run_id(scan))
    lines = {one.event: one for one in state.history(CHURN)}
    assert (lines["changed"].verdict, lines["changed"].previous) == ("block", "")
    assert lines["changed"].why == ("role", "stage", "moment")


@pytest.mark.parametrize("closed", [False, True])
def test_an_import_changes_no_package_that_a_scan_has_seen(state: State, closed: bool) -> None:
    scanned(state, 1, seen("churn", 1, "block"))
    if closed:
        scanned(state, 2)
    before = state.standing(CHURN)
    assert before is not None
    assert bool(before.closed_at) is closed
    assert imported(state, 3, replace(HEARD, last=at(3))) == 1
    assert state.standing(CHURN) == replace(before, imported="sha256:h1")
    assert [one.event for one in state.history(CHURN)][-1] == "imported"
    assert state.runs(1)[0].kind == "import"


def test_hearsay_of_a_package_that_a_whole_list_does_not_hold_is_closed(state: State) -> None:
    imported(state, 1, HEARD)
    scanned(state, 2)
    assert [(one.event, one.why) for one in state.history(CHURN)][1:] == [("closed", ("not listed",))]
    closed = state.standing(CHURN)
    assert closed is not None
    assert (closed.closed_why, closed.seen.role, closed.seen.verdict) == ("not listed", "imported", "")
    assert imported(state, 3, replace(HEARD, last=at(3), digest="sha256:h2")) == 1
    assert state.standing(CHURN) == replace(closed, imported="sha256:h2")


def test_an_import_of_what_is_yet_to_come_is_a_mistake(state: State) -> None:
    with pytest.raises(ValueError, match="are in no order"):
        imported(state, 1, replace(HEARD, last="2027-01-01T00:00:00.000000Z"))


def test_a_row_says_what_it_can_and_each_column_that_is_lost_is_named() -> None:
    found = heard(items(of_package()), NOW)
    (package,) = found.packages
    assert package == replace(
        HEARD,
        declared={"approval": "Approved", "event_time": SINCE, "risk": "High", "stage/Production": "Approved"},
        digest=package.digest,
    )
    assert found.left_out == ()
    assert found.not_kept == (
        Loss(CHURN, "creationtime", "is a time without its zone"),
        Loss(CHURN, "modelaudittimestamp", "is a time without its zone"),
        Loss(CHURN, "modelvalidationmetrics", "is Python's text of the first report alone"),
    )


def test_rows_of_the_first_release_become_one_package() -> None:
    stages: dict[str, Any] = {"modelstage": "Staging", "modelstatus": "Approved", "modellifecycleprodstatus": None}
    older = of_package(**stages, creationtime="2025-01-16T09:00:00Z", modelrisk="Low")
    newer = of_package(**stages | {"modelstage": "Production"}, eventtime="2025-02-01T00:00:00+01:00", modelrisk="N/A")
    (package,) = heard(items(newer, older), NOW).packages
    assert (package.first, package.last) == ("2025-01-16T09:00:00.000000Z", "2025-01-31T23:00:00.000000Z")
    assert package.declared == {
        "approval": "Approved",
        "event_time": "2025-01-31T23:00:00.000000Z",
        "stage/Production": "Approved",
        "stage/Staging": "Approved",
    }
    assert heard(items(older, newer), NOW).packages == (package,)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"modelpackagearn": "N/A"}, "it names no package"),
        ({"modelpackagearn": "arn:aws:sagemaker:eu-west-1:1:model-package/churn/1"}, "its key is not the ARN of"),
        ({"modelpackagearn": CHURN.replace(ACCOUNT, "\u0661" * 12)}, "its key is not the ARN of a model package"),
        ({"modelpackagearn": 7}, "is no text"),
        ({"eventtime": None}, "it has no eventtime"),
        ({"eventtime": "N/A"}, "it has no eventtime"),
        ({"eventtime": "2025-01-17T16:58:05"}, "its eventtime is a time without its zone"),
        ({"eventtime": "yesterday"}, "its eventtime is no time"),
        ({"eventtime": "0001-01-01T00:00:00+12:00"}, "its eventtime is no time"),
        ({"eventtime": 1737133085}, "its eventtime is no text"),
        ({"eventtime": "2031-01-01T00:00:00Z"}, "its eventtime lies in the future"),
    ],
)
def test_a_row_that_names_no_package_at_a_time_is_left_out(changes: dict[str, Any], why: str) -> None:
    found = heard(items(of_package(**changes), of_package(arn("fraud"))), NOW)
    assert [one.package for one in found.packages] == [arn("fraud")]
    ((loss),) = found.left_out
    assert loss.why.startswith(why)
    assert {one.row for one in found.not_kept} == {arn("fraud")}


@pytest.mark.parametrize(
    ("changes", "loss"),
    [
        ({"modelowner": "x" * 1025}, ("modelowner", "is longer than 1024 characters")),
        ({"usecasename": 7}, ("usecasename", "is no text")),
        ({"modelrisk": {"S": "High"}}, ("modelrisk", "is no text")),
        ({"modelstage": "Production", "modelstatus": "N/A"}, ("modelstage", "has no status beside it")),
        ({"modelpackagegroupname": "fraud"}, ("modelpackagegroupname", "contradicts the ARN")),
        ({"modelpackageversion": 9}, ("modelpackageversion", "contradicts the ARN")),
        ({"creationtime": "2026-01-01T00:00:00Z"}, ("creationtime", "lies after the eventtime")),
        ({"verdict": "allow"}, ("verdict", "is no column that is understood")),
    ],
)
def test_a_column_that_cannot_be_understood_is_named_and_says_nothing(changes: dict[str, Any], loss: Any) -> None:
    found = heard(items(of_package(**changes)), NOW)
    assert Loss(CHURN, *loss) in found.not_kept
    (package,) = found.packages
    assert package.first == SINCE
    assert package.declared.keys() <= {"approval", "event_time", "risk", "stage/Production"}


def test_an_endpoint_says_whose_it_is_and_what_was_measured_and_zero_says_nothing() -> None:
    found = measured(items(of_endpoint("live"), of_endpoint("odd", AccountId="me", Timestamp="now", Precision="high")))
    live, odd = found.endpoints
    assert (live.name, live.account, live.at, live.metrics) == (
        "live",
        ACCOUNT,
        "2025-01-17T16:58:05.000000Z",
        {"Invocations": "12"},
    )
    assert (odd.account, odd.at) == ("", "")
    assert [(one.column, one.why) for one in found.not_kept] == [
        ("AccountId", "is no account"),
        ("Precision", "is no number"),
        ("Timestamp", "is no time in seconds"),
    ]


def test_an_endpoint_whose_name_stands_twice_could_be_of_any_account() -> None:
    found = measured(items(of_endpoint("live"), {"endpointname": "live"}, {"AccountId": ACCOUNT}))
    why = "another row has its name, and not both say one account"
    assert found.endpoints == ()
    assert [(one.row, one.why) for one in found.left_out] == [
        ("live", why),
        ("live", why),
        ("", "it names no endpoint"),
    ]
    both = measured(items(of_endpoint("live"), {"endpointname": "live", "AccountId": ACCOUNT}))
    assert ([one.name for one in both.endpoints], both.left_out) == (["live", "live"], ())


class Scripted:
    """Answers to one Scan after the other."""

    def __init__(self, *pages: Any) -> None:
        self.pages, self.asked = list(pages), []

    def call(self, account: str, region: str, service: str, operation: str, **parameters: Any) -> Any:
        self.asked.append(parameters)
        page = self.pages.pop(0)
        return page if isinstance(page, Failure) else Answer(page, Source("dynamodb:Scan"))


def page(number: int, *, more: bool = True) -> dict[str, Any]:
    key = {"modelpackagearn": {"S": str(number)}}
    return {"Items": [key], "Count": 1, **({"LastEvaluatedKey": key} if more else {})}


def test_a_table_is_read_page_by_page_or_not_at_all() -> None:
    aws = Scripted(page(1), page(2), page(3, more=False))
    assert [one["modelpackagearn"]["S"] for one in rows(aws, TABLE, REGION)] == ["1", "2", "3"]  # type: ignore[arg-type]
    assert [one["ConsistentRead"] for one in aws.asked] == [True] * 3
    denied = Failure("denied", "AccessDeniedException", "not you", Source("dynamodb:Scan"))
    for pages, why in (
        ([page(1), denied], "dynamodb:Scan: AccessDeniedException: not you"),
        ([page(1), page(1)], "the pages do not end"),
        ([{"Items": [], "Count": 3}], "a page holds 0 rows and counts 3"),
    ):
        with pytest.raises(NotRead, match=why) as caught:
            rows(Scripted(*pages), TABLE, REGION)  # type: ignore[arg-type]
        assert caught.value.exit_code == 3


@pytest.fixture(scope="module")
def hub(server: Sandbox) -> dict[str, str]:
    """The environment of a hub with the guidance's tables."""
    for name, key, written in (
        (
            TABLE,
            "modelpackagearn",
            [of_package(), of_package(arn("fraud"), modelowner="\x1b[31mme"), of_package("N/A")],
        ),
        (ENDPOINTS, "endpointarn", [of_endpoint("live")]),
        ("nothing-yet", "modelpackagearn", []),
    ):
        client().create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        )
        for item in items(*written):
            client().put_item(TableName=name, Item=item)
    return clean_environment() | server.environment()


def call(folder: Path, hub: dict[str, str], *arguments: str) -> Done:
    return inside(*arguments, folder=folder, environment=hub)


SAID = f"""\
dynamodb://{TABLE}?region={REGION}, dynamodb://{ENDPOINTS}?region={REGION}: 4 rows
  left out  N/A: it names no package
  not kept  creationtime: is a time without its zone, in 2 rows
  not kept  modelaudittimestamp: is a time without its zone, in 2 rows
  not kept  modelvalidationmetrics: is Python's text of the first report alone, in 2 rows
  not kept  1 endpoint: the store knows packages (--format json)
"""
END = "1 row left out; history is partial, and nothing was judged\n"
LINE = f"""\
  imported  partial    rows were overwritten, no evidence was kept, values are self-declared
    declared approval = Approved
    declared event_time = {SINCE}
    declared owner = \\u{{1b}}[31mme
    declared risk = High
    declared stage/Production = Approved
1 changes
"""
ARGUMENTS = ("import-guidance", "--table", TABLE, "--endpoint-table", ENDPOINTS, "--region", REGION)


def test_a_deployment_of_the_guidance_is_imported_once(tmp_path: Path, hub: dict[str, str]) -> None:
    dry = call(tmp_path, hub, *ARGUMENTS, "--dry-run")
    assert dry == Done(3, f"{SAID}2 packages would be imported; {END}", "")
    assert list(tmp_path.iterdir()) == []
    assert call(tmp_path, hub, *ARGUMENTS) == Done(3, f"{SAID}2 packages imported, 0 known before; {END}", "")
    assert call(tmp_path, hub, *ARGUMENTS) == Done(3, f"{SAID}0 packages imported, 2 known before; {END}", "")

    history = call(tmp_path, hub, "history", arn("fraud")).out
    assert "  now       imported\n" in history
    assert f"  seen      {SINCE} to {SINCE}\n" in history
    assert "  imported  partial: a part of its history was imported, and proves nothing\n" in history
    assert history.endswith(LINE)
    document = json.loads(call(tmp_path, hub, "history", CHURN, "--format", "json").out)
    jsonschema.Draft202012Validator(history_schema()).validate(document)
    assert document["standing"]["seen"]["verdict"] == document["changes"][0]["verdict"] == ""

    listed = call(tmp_path, hub, "runs").out.splitlines()
    mark = f"partial     imported from dynamodb://{TABLE}?region={REGION}; nothing was judged"
    assert [line.split("  ", 1)[1] for line in listed] == [mark, mark]
    jsonschema.Draft202012Validator(runs_schema()).validate(
        json.loads(call(tmp_path, hub, "runs", "--format", "json").out)
    )


def test_as_json_every_row_and_column_is_named(tmp_path: Path, hub: dict[str, str]) -> None:
    done = call(tmp_path, hub, *ARGUMENTS, "--format", "json")
    document = json.loads(done.out)
    jsonschema.Draft202012Validator(import_schema()).validate(document)
    assert (done.code, document["new"], document["rows"]) == (3, 2, 4)
    assert [one["package"] for one in document["packages"]] == [CHURN, arn("fraud")]
    assert document["left_out"] == [{"row": "N/A", "column": "", "why": "it names no package"}]
    assert len(document["not_kept"]) == 6
    assert [one["name"] for one in document["endpoints"]] == ["live"]


def test_a_page_that_fails_imports_nothing(tmp_path: Path, hub: dict[str, str], server: Sandbox) -> None:
    ask(server, "POST", "faults", [{"kind": "deny", "op": "dynamodb:Scan"}])
    done = call(tmp_path, hub, *ARGUMENTS)
    ask(server, "DELETE", "faults")
    assert done.code == 3
    assert done.err.startswith(f"error: dynamodb://{TABLE}?region={REGION}: dynamodb:Scan: AccessDenied")
    assert done.err.endswith("\n  help: nothing was imported: allow dynamodb:Scan on the table, and try again\n")
    assert list(tmp_path.iterdir()) == []


def test_the_policy_of_the_page_grants_what_is_called() -> None:
    page_ = (ROOT / "docs/import.md").read_text(encoding="utf-8")
    (statement,) = json.loads(page_.split("```json\n")[1].split("```")[0])["Statement"]
    code = Path(reading.__file__).read_text(encoding="utf-8")
    called = [one for one in client().meta.service_model.operation_names if f'"{one}"' in code]
    assert (statement["Action"], called) == ("dynamodb:Scan", ["Scan"])
    assert [one.rpartition("/")[2] for one in statement["Resource"]] == [TABLE, ENDPOINTS]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("no-such-table", f"dynamodb://no-such-table?region={REGION}: there is no such table"),
        ("nothing-yet", f"dynamodb://nothing-yet?region={REGION}: holds no row"),
        ("a b", "`a b` is no name of a table"),
    ],
)
def test_without_a_row_there_is_nothing_to_import(tmp_path: Path, hub: dict[str, str], table: str, says: str) -> None:
    done = call(tmp_path, hub, "import-guidance", "--table", table, "--region", REGION)
    assert (done.code, done.out, done.err.splitlines()[0]) == (2, "", f"error: {says}")
    assert list(tmp_path.iterdir()) == []

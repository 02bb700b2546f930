"""A pack holds what was recorded, says what it does not hold, is the same bytes each time, and no byte of it can change unseen."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from modelwarden.audit.pack import archive, subject
from modelwarden.audit.pack.archive import MANIFEST, Contents, FileEntry, PackError, PackManifest, encode, zipped
from modelwarden.audit.pack.build import Built, build
from modelwarden.audit.pack.check import ARCHIVE, check, check_bytes
from modelwarden.audit.pack.outline import PURPOSES, outline
from modelwarden.audit.pack.redaction import REDACTED, Redaction, RedactionError
from modelwarden.audit.scope import Scope
from modelwarden.collect.answer import Answer
from modelwarden.collect.record import Tape
from modelwarden.evidence import Absent, Evidence, Present, Source, Unknown
from modelwarden.facts import kind_of
from modelwarden.run import Run, write
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from tests.cli.conftest import clean_environment
from tests.command import Done, inside
from tests.render import runs
from tests.render.test_scan_page import HOSTILE, ONE, arn, scan

SCHEMAS = Path(__file__).parents[2] / "reports/schemas"
CALL = Source("sagemaker:DescribeModelPackage", "2026-11-22T02:10:00Z", "r-9")
SECRET = "project-blue-heron"
EVIDENCE = Evidence(
    runs.PACKAGE,
    {
        "/package/arn": Present(runs.PACKAGE, CALL),
        "/customer_metadata_keys": Present(("plan", "team"), CALL),
        "/customer_metadata/plan": Present(SECRET, CALL),
        "/customer_metadata/team": Present("retail", CALL),
        "/card/content/intended_uses/purpose_of_model": Present(f"as {SECRET} wants it", CALL),
        "/evaluation/uri": Absent(CALL),
        "/bias_report_count": Unknown("AccessDenied", CALL),
    },
)


def gate(**changes: Any) -> Run:
    run = replace(runs.everything(), evidence=EVIDENCE, bundle=bundle(), settings=settings())
    return replace(run, **changes)


def bundle() -> dict[str, Any]:
    files = [
        {"path": path, "sha256": "sha256:0", "text": f"// {path}"}
        for path in (
            "policies/a.cedar",
            "policies/A.cedar",
            "../up.py",
            "/etc/x.py",
            "a b.py",
            "häuser.py",
            "con\\x.py",
        )
    ]
    return {"digest": runs.DIGESTS.bundle, "files": files}


def settings() -> dict[str, Any]:
    waiver = {"path": "waivers/a.toml", "waiver": {"id": "W-1", "reason": f"{SECRET} is late"}}
    return {
        "digest": "sha256:1",
        "waivers_digest": "sha256:2",
        "layers": [{"name": "organization", "waivers": [waiver]}],
    }


def unzip(built: Built) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(built.data)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(gate(), tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return scan(tmp_path_factory.mktemp("scans"))


@pytest.fixture(scope="module")
def of_gate(gated: Path) -> dict[str, bytes]:
    return unzip(build(subject.of_gate(gated), "mrm"))


@pytest.fixture(scope="module")
def of_scan(scanned: Folder) -> dict[str, bytes]:
    return unzip(build(subject.of_scan(scanned, Scope()), "eu-annex-iv"))


@pytest.fixture(scope="module")
def small() -> bytes:
    contents = Contents()
    for name in ("a.json", "folder/b.json", "folder/c.txt"):
        contents.add(name, f"content of {name}".encode())
    return sealed(contents.files)


def sealed(files: dict[str, bytes], /, **changes: Any) -> bytes:
    """The archive of these files, with a manifest that fits."""
    listed = tuple(FileEntry(name, archive.sha256(data), len(data)) for name, data in sorted(files.items()))
    manifest = PackManifest("modelwarden.pack/1", "mrm", "0.1.0", (), {}, (), listed)
    return zipped({**files, MANIFEST: encode(replace(manifest, **changes))})


# What is in it


def test_the_records_of_a_gate_are_in_it_as_they_are(gated: Path, of_gate: dict[str, bytes]) -> None:
    run = f"runs/{gate().id}"
    package = "packages/0001-churn-7"
    assert of_gate[f"{run}/run.json"] == gated.read_bytes()
    assert Evidence.from_json(json.loads(of_gate[f"{package}/{gate().id}/evidence.json"])) == replace(
        EVIDENCE, asserted=True
    )
    decision = json.loads(of_gate[f"{package}/{gate().id}/decision.json"])
    assert (decision["run"], decision["verdict"]) == (gate().id, gate().decision.verdict)
    assert json.loads(of_gate[f"{run}/waivers.json"])["waivers"] == settings()["layers"][0]["waivers"]
    assert len(json.loads(of_gate[f"{run}/ledger.json"])) == len(runs.ROWS)
    assert json.loads(of_gate["schemas/evidence.schema.json"])["$schema"]


def test_the_texts_of_the_controls_are_in_it_whatever_their_paths(of_gate: dict[str, bytes]) -> None:
    listed = json.loads(of_gate[f"runs/{gate().id}/bundle.json"])["files"]
    assert [one["path"] for one in listed] == [one["path"] for one in bundle()["files"]]
    for one in listed:
        assert of_gate[one["file"]] == f"// {one['path']}".encode()
        assert archive.is_safe(one["file"])
    assert f"runs/{gate().id}/bundle/policies/a.cedar" in of_gate


def test_the_records_of_a_scan_are_in_it_as_they_are(scanned: Folder, of_scan: dict[str, bytes]) -> None:
    for name in ("plan.json", "manifest.json", "cells.jsonl"):
        assert of_scan[f"runs/{scanned.id}/{name}"] == (scanned.path / name).read_bytes()
    packages = json.loads(of_scan[MANIFEST])["packages"]
    recorded = [record.package for cell in scanned.cells() for record in scanned.records(*cell)]
    assert sorted(packages.values()) == sorted(recorded)
    for folder, package in packages.items():
        assert json.loads(of_scan[f"{folder}/record.json"])["package"] == package
        assert [one["run"] for one in json.loads(of_scan[f"{folder}/history.json"])] == [scanned.id]


def test_the_manifest_has_every_file_and_no_other(of_scan: dict[str, bytes]) -> None:
    listed = json.loads(of_scan[MANIFEST])["files"]
    assert {one["path"]: (one["sha256"], one["size"]) for one in listed} == {
        name: (archive.sha256(data), len(data)) for name, data in of_scan.items() if name != MANIFEST
    }


def test_a_scan_is_narrowed_and_says_of_how_many(scanned: Folder) -> None:
    built = build(subject.of_scan(scanned, Scope(account=(ONE,)), [arn(ONE, "churn/7")]), "mrm")
    assert built.packages == 1
    index = unzip(built)["index.md"].decode()
    assert "6 packages in the scan" in index
    assert f"1 of them in this pack, by account={ONE}" in index
    with pytest.raises(PackError, match="does not hold `arn:x`"):
        subject.of_scan(scanned, Scope(), ["arn:x"])


def test_an_arn_finds_the_newest_scan_and_gates_and_their_history(tmp_path: Path) -> None:
    package = arn(ONE, "churn/7")
    folder = scan(tmp_path)
    old, new = (
        gate(id=f"2026112{day}T021000Z-0123abcd", decision=at(gate(), f"2026-11-2{day}T02:10:00Z")) for day in (0, 1)
    )
    other = gate(id="20261123T021000Z-0123abcd", decision=replace(gate().decision, package=package + "0"))
    for run in (old, new, other):
        write(run, tmp_path)
    (tmp_path / "broken.json").write_text(json.dumps({"package": package}))
    spelled = write(gate(id="20261124T021000Z-0123abcd"), tmp_path)
    spelled.write_text(spelled.read_text().replace(package, f"\\u0061{package[1:]}"))
    found = subject.of_package(package, tmp_path)
    assert [one.run.id for one in found.gates] == [new.id]
    assert found.scan is not None
    assert found.scan.folder.id == folder.id
    assert [one.run for one in found.subjects[0].past] == [folder.id, new.id, old.id]
    assert [Path(one.partition(": ")[0]).name for one in found.skipped] == [spelled.name, "broken.json"]
    assert found.skipped[0].endswith("its bytes are not those that were written")
    index = unzip(build(found, "mrm"))["index.md"].decode()
    assert "broken.json" in index
    assert spelled.name in index
    with pytest.raises(PackError, match="no run holds"):
        subject.of_package(package + "1", tmp_path)


def at(run: Run, as_of: str) -> Any:
    return replace(run.decision, request=replace(run.decision.request, as_of=as_of))


# What it says


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_part_is_named_with_what_is_not_in_it(purpose: str, gated: Path) -> None:
    files = unzip(build(subject.of_gate(gated), purpose))
    told = text_of(files["index.html"].decode())
    for part in outline(purpose).parts:
        assert f"{part.ref}: {part.title}" in told
        assert f"Not here: {part.missing}." in told
        assert all(kind_of(pattern) for pattern in part.facts)
    for page in (files["index.html"], files["index.md"]):
        assert "(unverified)" in page.decode()
        assert "compliant" not in page.decode().lower()
    if purpose == "mrm":
        assert "osfi-e-23 (not in force before 2027-05-01)" in told


def test_annex_iv_has_nine_points_and_three_are_not_covered() -> None:
    parts = outline("eu-annex-iv").parts
    assert [part.ref for part in parts] == [str(number) for number in range(1, 10)]
    assert [part.ref for part in parts if part.cover == "none"] == ["5", "7", "8"]
    assert [part.ref for part in parts if part.cover == "facts"] == ["4", "6"]
    assert not any(part.facts or part.tables for part in parts if part.cover == "none")
    assert all("not covered by this tool" in part.missing for part in parts if part.cover != "facts")


def test_what_was_not_read_is_not_complete_and_listed(of_scan: dict[str, bytes], of_gate: dict[str, bytes]) -> None:
    for files, hole in ((of_scan, "sts:AssumeRole: AccessDenied"), (of_gate, "AccessDenied: not allowed")):
        for page in ("index.html", "index.md"):
            told = files[page].decode()
            assert "NOT COMPLETE: something that was expected was not read" in told
            assert hole in told
    assert "1 of 3 account-regions were read whole (33 %)" in of_scan["index.md"].decode()


def test_a_whole_run_is_not_called_incomplete(tmp_path: Path) -> None:
    built = build(subject.of_gate(write(runs.allowed(), tmp_path)), "mrm")
    assert built.complete
    told = unzip(built)["index.md"].decode()
    assert "NOT COMPLETE" not in told
    assert "only a signature in a file beside it, or the digest of its manifest kept elsewhere, can" in told
    assert "the text of the controls of 20261122T021000Z-0123abcd" in told
    assert "every fact below is unknown" in told


def test_a_run_that_cannot_be_read_makes_a_pack_incomplete_and_is_named_on_the_terminal(tmp_path: Path) -> None:
    runs_folder = tmp_path / "runs"
    whole = write(runs.allowed(), runs_folder)
    broken = runs_folder / "20261119T021000Z-0123abcd.json"
    broken.write_text("{")
    gone = runs_folder / "20261118T021000Z-0123abcd"
    gone.symlink_to(gone)
    done = call(tmp_path, runs.PACKAGE, "--for", "mrm", "--runs", runs_folder, "-o", "p.zip")
    assert done.code == 0
    told = done.err.splitlines()
    assert [one.partition(": ")[2].split(": ")[0] for one in told if one.startswith("not read")] == [
        str(broken),
        str(gone),
    ]
    assert told[-1].startswith("the runs are NOT COMPLETE: ")
    index = zipfile.ZipFile(tmp_path / "p.zip").read("index.md").decode()
    assert "**NOT COMPLETE: something that was expected was not read." in index
    assert "Too many levels of symbolic links" in index
    assert whole.exists()


def test_a_run_that_speaks_of_a_control_it_does_not_hold_is_exit_2(tmp_path: Path) -> None:
    run = gate()
    path = write(replace(run, controls={id_: one for id_, one in run.controls.items() if id_ != "ENC-02"}), tmp_path)
    done = call(tmp_path, path, "--for", "mrm", "-o", "p.zip")
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {path}: control `ENC-02` is not among its controls")
    folder = scan(tmp_path)
    plan = {name: value for name, value in folder.plan().items() if name != "schema"}
    del plan["controls"]["ENC-02"]
    (folder.path / "plan.json").unlink()
    folder.write_plan(plan)
    done = call(tmp_path, folder.path, "--for", "mrm", "-o", "p.zip")
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {folder.path}: control `ENC-02` is not in plan.json")


def test_a_scan_that_did_not_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="did not come to its end"):
        subject.of_scan(scan(tmp_path, manifest=False), Scope())


def test_facts_stand_with_state_and_source(of_gate: dict[str, bytes]) -> None:
    told = of_gate["index.md"].decode()
    by = "`sagemaker:DescribeModelPackage 2026-11-22T02:10:00Z`"
    assert f'| `/card/content/intended_uses/purpose_of_model` | `"as {SECRET} wants it"` | {by} |' in told
    assert f"| `/evaluation/uri` | absent | {by} |" in told
    assert f"| `/bias_report_count` | unknown: AccessDenied | {by} |" in told
    assert "| `/package/group` | unknown: not collected |  |" in told


def test_asserted_and_advisory_are_said(of_gate: dict[str, bytes]) -> None:
    told = of_gate["index.md"].decode()
    assert "what was asserted by whoever ran the gate instead of being proven: evidence, principal" in told
    assert "no pinned organization layer stood behind them" in told


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def seen(page: str) -> _Seen:
    parser = _Seen()
    parser.feed(page)
    return parser


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", "".join(seen(page).texts))


def test_no_name_does_anything(scanned: Folder, of_scan: dict[str, bytes], tmp_path: Path) -> None:
    built = build(subject.of_scan(scan(tmp_path, text=HOSTILE), Scope()), "eu-annex-iv")
    files = unzip(built)
    assert check_bytes(built.data).flaws == ()
    assert all(archive.is_safe(name) for name in files)
    hostile, plain = (seen(one["index.html"].decode()) for one in (files, of_scan))
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert "owned" in "".join(hostile.texts)
    assert "\u202e" not in files["index.html"].decode() + files["index.md"].decode()
    for line in files["index.md"].decode().splitlines():
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert "<script" not in outside
        assert "<img" not in outside


# Redaction


def recorded(folder: Path) -> Path:
    """Raw responses, as `--record` keeps them."""
    tape = Tape(record=folder)
    card = json.dumps({"intended_uses": {"purpose_of_model": f"as {SECRET} wants it"}})
    data = {
        "ModelPackageArn": runs.PACKAGE,
        "CustomerMetadataProperties": {"plan": SECRET, "team": "retail"},
        "ModelCard": {"ModelCardContent": card},
        "CreationTime": datetime(2026, 11, 1, tzinfo=UTC),
    }
    tape.keep(ONE, "eu-west-1", CALL.api, {}, Answer(data, CALL))
    body = {"Body": f"label,{SECRET}".encode()}
    tape.keep(ONE, "eu-west-1", "s3:GetObject", {}, Answer(body, Source("s3:GetObject", CALL.at, "r-10")))
    return folder


def test_raw_responses_are_counted_against_the_calls_of_the_facts(gated: Path, tmp_path: Path) -> None:
    files = unzip(build(subject.of_gate(gated), "mrm", raw=recorded(tmp_path / "raw")))
    raw = {name for name in files if name.startswith("raw/")}
    assert raw == {f"raw/{path.name}" for path in (tmp_path / "raw").iterdir()}
    said = "what AWS answered, word by word"
    attests, cannot = files["index.md"].decode().split("## What it cannot attest")
    assert f"- {said}, to 1 of the 1 call behind the facts" in attests
    assert said not in cannot
    later = replace(EVIDENCE, facts={**EVIDENCE.facts, "/tag_keys": Absent(Source("sagemaker:ListTags", None, "r-11"))})
    path = write(gate(evidence=later), tmp_path)
    attests, cannot = (
        unzip(build(subject.of_gate(path), "mrm", raw=tmp_path / "raw"))["index.md"]
        .decode()
        .split("## What it cannot attest")
    )
    assert f"- {said}, to 1 of the 2 calls behind the facts" in attests
    assert f"- {said}, to 1 of the 2 calls behind the facts" in cannot


def test_what_is_redacted_is_nowhere_and_is_counted(gated: Path, tmp_path: Path) -> None:
    built = build(subject.of_gate(gated), "mrm", ["/customer_metadata/*", "/none"], recorded(tmp_path / "raw"))
    files = unzip(built)
    assert check_bytes(built.data).flaws == ()
    for name, data in files.items():
        assert SECRET.encode() not in data, name
    body = next(data for name, data in files.items() if name.startswith("raw/s3-GetObject"))
    assert json.loads(body)["data"]["Body"] == REDACTED
    evidence = json.loads(files[f"packages/0001-churn-7/{gate().id}/evidence.json"])["facts"]
    assert evidence["/customer_metadata/team"] == {"state": "redacted", "source": 0}
    assert evidence["/evaluation/uri"]["state"] == "absent"
    counts = [(one.pattern, one.facts, one.raw) for one in built.redactions]
    assert counts == [("/customer_metadata/*", 2, 0), ("/none", 0, 0)]
    assert [one["pattern"] for one in json.loads(files[MANIFEST])["redactions"]] == ["/customer_metadata/*", "/none"]
    for page in ("index.html", "index.md"):
        told = files[page].decode()
        assert "/customer_metadata/*" in told
        assert "values were redacted" in told


def test_a_place_in_raw_responses_is_redacted_and_so_is_the_fact_read_from_it(gated: Path, tmp_path: Path) -> None:
    built = build(subject.of_gate(gated), "mrm", ["/CustomerMetadataProperties/plan"], recorded(tmp_path / "raw"))
    assert [(one.facts, one.raw) for one in built.redactions] == [(0, 1)]
    assert all(SECRET.encode() not in data for data in unzip(built).values())


def test_keys_of_tags_are_redacted_with_the_list_of_them() -> None:
    redaction = Redaction(["/tag_keys"])
    redaction.learn("p", {"/tag_keys": Present(("ab",))})
    shown = redaction.document({"/tag/ab": {"state": "present", "value": "x"}, "said": 'so /tag/ab = "x"'})
    assert shown == {
        f"/tag/{REDACTED}~0": {"state": "present", "value": "x"},
        "said": f'so /tag/{REDACTED} = "x"',
    }


def test_what_is_no_secret_stays_readable(gated: Path) -> None:
    """Pointers of the dictionary, numbers and truth values are met everywhere, and give nothing away."""
    redaction = Redaction(["/card/*"])
    facts = {
        "/card/string_pointers": Present(("/card/content/intended_uses/purpose_of_model", "/card/text/house~1plan")),
        "/card/content/evaluation_details_count": Present(1),
    }
    redaction.learn("p", facts)
    said = ["/card/content/intended_uses/purpose_of_model", "1", "/card/text/house~1plan"]
    assert redaction.document(said) == [*said[:2], REDACTED]


@pytest.mark.parametrize("pattern", ["customer_metadata/*", "", "/"])
def test_a_pattern_that_names_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(RedactionError, match="names no facts"):
        Redaction([pattern])


def test_without_redaction_nothing_is_said_of_it(of_gate: dict[str, bytes]) -> None:
    assert "redacted" not in of_gate["index.md"].decode()


@pytest.mark.parametrize("make", ["text", "link", "folder", "empty"])
def test_what_is_no_recorded_response_is_refused(make: str, gated: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    if make == "text":
        (raw / "a.json").write_text("{}")
    elif make == "link":
        (raw / "a.json").symlink_to("/etc/hostname")
    elif make == "folder":
        (raw / "a.json").mkdir()
    with pytest.raises(PackError, match="recorded response"):
        build(subject.of_gate(gated), "mrm", raw=raw)


# The archive, and its check


def test_the_same_runs_are_the_same_bytes(scanned: Folder) -> None:
    first, second = (build(subject.of_scan(scanned, Scope()), "mrm") for _ in range(2))
    assert first.data == second.data
    with zipfile.ZipFile(io.BytesIO(first.data)) as file:
        assert {one.date_time for one in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.external_attr >> 16 for one in file.infolist()} == {0o100600}
        assert file.namelist() == sorted(file.namelist())
        assert archive.sha256(file.read(MANIFEST)) == first.digest


def test_the_archive_is_what_the_standard_library_writes(small: bytes) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(small)) as file, zipfile.ZipFile(out, "w") as copy:
        for one in file.namelist():
            copy.writestr(entry(one), file.read(one))
    assert out.getvalue() == small


def test_the_manifest_is_what_its_schema_says(gated: Path) -> None:
    schema = json.loads((SCHEMAS / "pack.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    files = unzip(build(subject.of_gate(gated), "mrm", ["/tag/*"]))
    jsonschema.Draft202012Validator(schema).validate(json.loads(files[MANIFEST]))
    assert json.loads(files["schemas/pack.schema.json"]) == schema


def contents(data: bytes) -> Iterator[tuple[str, range]]:
    """(file, where its bytes lie)."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        for one in file.infolist():
            start = one.header_offset + 30 + len(one.filename)
            yield one.filename, range(start, start + one.file_size)


def test_every_flipped_byte_is_found_and_located(small: bytes) -> None:
    assert check_bytes(small).flaws == ()
    places = list(contents(small))
    for at_ in range(len(small)):
        for bit in (1, 0x80):
            changed = bytearray(small)
            changed[at_] ^= bit
            flaws = check_bytes(bytes(changed)).flaws
            assert flaws, at_
            inside_of = next((name for name, where in places if at_ in where), None)
            if inside_of is not None:
                assert inside_of in {one.where for one in flaws}, (at_, flaws)
                assert all(one.where in (inside_of, MANIFEST) or inside_of == MANIFEST for one in flaws)


def test_a_flipped_byte_of_a_real_pack_is_found_and_located(scanned: Folder) -> None:
    data = build(subject.of_scan(scanned, Scope()), "mrm").data
    places = list(contents(data))
    for at_ in range(0, len(data), 2_903):
        changed = bytearray(data)
        changed[at_] ^= 4
        inside_of = next((name for name, where in places if at_ in where), None)
        found = {one.where for one in check_bytes(bytes(changed)).flaws}
        assert found, at_
        assert inside_of is None or inside_of in found


def test_a_truncated_pack_is_found(small: bytes) -> None:
    for length in range(len(small)):
        flaws = check_bytes(small[:length]).flaws
        assert flaws, length
    first = zipfile.ZipFile(io.BytesIO(small)).infolist()[1]
    told = [str(one) for one in check_bytes(small[: first.header_offset]).flaws]
    assert told == [
        f"{MANIFEST}: nothing after it can be read: damaged or cut off at byte {first.header_offset}",
        "(archive): 3 files are not reached: a.json, folder/b.json, folder/c.txt",
    ]


def test_bytes_before_or_after_are_found(small: bytes) -> None:
    assert [str(one) for one in check_bytes(small + b"\0").flaws] == [
        f"{ARCHIVE}: further bytes from byte {len(small)} on"
    ]
    assert check_bytes(b"\0" + small).flaws[0].where == ARCHIVE
    assert check_bytes(b"").flaws


FILES = {"a.json": b"{}", "b.json": b"[]"}


@pytest.mark.parametrize(
    ("files", "listed", "says"),
    [
        (FILES | {"c.json": b"1"}, FILES, "c.json: is not in MANIFEST.json"),
        ({"a.json": b"{}"}, FILES, "b.json: is missing"),
        (FILES | {"b.json": b"{}"}, FILES, "b.json: was changed: "),
        (FILES | {"../c": b""}, FILES | {"../c": b""}, "../c: a name that leads elsewhere"),
        (FILES | {"/c": b""}, FILES | {"/c": b""}, "/c: a name that leads elsewhere"),
        (FILES | {"d/../../c": b""}, FILES | {"d/../../c": b""}, "d/../../c: a name that leads elsewhere"),
        (FILES | {"a/" * 9 + "c": b""}, FILES, "a name that leads elsewhere"),
        (FILES | {"c\\d": b""}, FILES | {"c\\d": b""}, "c\\d: a name that leads elsewhere"),
        (FILES | {"A.json": b""}, FILES | {"A.json": b""}, "a.json: differs from `A.json` only in case"),
    ],
)
def test_files_are_those_of_the_manifest(files: dict[str, bytes], listed: dict[str, bytes], says: str) -> None:
    entries = tuple(FileEntry(name, archive.sha256(data), len(data)) for name, data in sorted(listed.items()))
    flaws = [str(one) for one in check_bytes(sealed(files, files=entries)).flaws]
    assert any(flaw.startswith(says) or says in flaw for flaw in flaws), flaws


def other(files: list[tuple[zipfile.ZipInfo, bytes]], **options: Any) -> bytes:
    """An archive that somebody else wrote, with a manifest that fits."""
    plain = {info.filename: data for info, data in files}
    listed = tuple(FileEntry(name, archive.sha256(data), len(data)) for name, data in sorted(plain.items()))
    manifest = encode(PackManifest("modelwarden.pack/1", "mrm", "0.1.0", (), {}, (), listed))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as file:
        for info, data in [(entry(MANIFEST), manifest), *files]:
            file.writestr(info, data)
    return out.getvalue()


def entry(name: str, mode: int = 0o100600, **changes: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, mode << 16
    for key, value in changes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([(entry("a.json"), b"{}"), (entry("b"), b"/etc/passwd")], ""),
        ([(entry("a.json", 0o120777), b"/etc/passwd")], "a.json: is a link"),
        ([(entry("a.json", 0o100755), b"{}")], "a.json: its line in the directory was changed"),
        ([(entry("a.json", compress_type=zipfile.ZIP_DEFLATED), b"0" * 1_000_000)], "a.json: is compressed"),
        ([(entry("a.json", extra=b"\x01\x00\x02\x00ab"), b"{}")], "a.json: has a further field"),
        ([(entry("a.json", comment=b"hello"), b"{}")], "a.json: its line in the directory was changed"),
        ([(entry("b.json"), b"{}"), (entry("a.json"), b"[]")], "b.json: its header was changed"),
        ([(entry("é.json"), b"{}")], "a name that is not ASCII"),
    ],
)
def test_archives_that_somebody_else_wrote_are_refused(files: list[tuple[zipfile.ZipInfo, bytes]], says: str) -> None:
    flaws = [str(one) for one in check_bytes(other(files)).flaws]
    assert flaws == [] if not says else any(says in flaw for flaw in flaws), flaws


def test_a_name_that_stands_twice_is_found() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = other([(entry("a.json"), b"{}"), (entry("a.json"), b"{}")])
    assert "a.json: stands twice" in [str(one) for one in check_bytes(data).flaws]


def test_a_manifest_that_fits_is_found_by_its_digest(small: bytes) -> None:
    kept = check_bytes(small).digest
    forged = sealed({"a.json": b"forged"})
    assert check_bytes(forged).flaws == ()
    assert [one.where for one in check_bytes(forged, kept).flaws] == [MANIFEST]
    assert check_bytes(small, kept).flaws == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": "modelwarden.pack/9"}, "`schema` is `modelwarden.pack/9`"),
        ({"files": ()}, "is not in MANIFEST.json"),
    ],
)
def test_a_manifest_of_another_kind_is_found(changes: dict[str, Any], says: str) -> None:
    assert says in str(check_bytes(sealed(FILES, **changes)).flaws[0])


def test_what_is_too_large_or_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        check(tmp_path / "none.zip")
    (tmp_path / "a.zip").write_bytes(b"x" * 101)
    monkeypatch.setattr("modelwarden.audit.pack.check.MAX_BYTES", 100)
    assert "larger than 100 bytes" in str(check(tmp_path / "a.zip").flaws[0])
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    with pytest.raises(PackError, match="more than a pack may hold"):
        Contents().add("a", b"x" * 51)


# The command


def call(folder: Path, *arguments: object) -> Done:
    return inside("evidence-pack", *map(str, arguments), folder=folder, environment=clean_environment())


def test_the_command_writes_a_pack_and_says_its_digest(scanned: Folder, tmp_path: Path) -> None:
    (tmp_path / "modelwarden.toml").write_text('[pack]\nredact = ["/tag/*"]\n')
    done = call(tmp_path, scanned.path, "--for", "mrm", "-o", "pack.zip", "--redact", "/customer_metadata/*")
    assert done.code == 0, done.err
    found = check(tmp_path / "pack.zip", done.out.strip())
    assert found.flaws == ()
    assert (tmp_path / "pack.zip").stat().st_mode & 0o777 == 0o600
    assert done.err.splitlines() == [
        f"6 packages, {len(found.manifest.files) + 1 if found.manifest else 0} files: pack.zip",
        "redacted /tag/*: 0 facts, 0 places in raw responses",
        "redacted /customer_metadata/*: 0 facts, 0 places in raw responses",
        "keep the digest elsewhere: it is that of MANIFEST.json, and proves that nothing was changed",
        "the runs are NOT COMPLETE: something that was expected was not read, and the index lists it",
    ]
    again = call(tmp_path, scanned.path, "--for", "mrm", "-o", "pack.zip")
    assert (again.code, again.err.splitlines()[0]) == (2, "error: pack.zip: is there already")


def test_an_arn_and_a_gate_are_packed(gated: Path, tmp_path: Path) -> None:
    one = call(tmp_path, runs.PACKAGE, "--runs", gated.parent, "--for", "eu-annex-iv", "-o", "a.zip")
    other_ = call(tmp_path, gated, "--for", "eu-annex-iv", "-o", "b.zip")
    assert (one.code, other_.code) == (0, 0)
    assert one.out == other_.out
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("nothing.json",), "error: `nothing.json`: no such run"),
        (("arn:aws:s3:::a",), "error: `arn:aws:s3:::a` is not the ARN of a model package"),
        ((".",), "error: .: is no scan"),
        (("RUN", "--scope", "stage=Production"), "error: --scope has no effect on the run of a gate"),
        (("RUN", "--runs", "."), "error: --runs has no effect on a run"),
        ((runs.PACKAGE, "--package", "x"), "error: --package has no effect on an ARN"),
        ((runs.PACKAGE,), "error: .modelwarden/runs: no run holds"),
        (("RUN", "--redact", "tag"), "error: `tag` names no facts"),
        (("RUN", "-o", "."), "error: .: is a folder"),
    ],
)
def test_a_wrong_question_is_exit_2(arguments: tuple[str, ...], error: str, gated: Path, tmp_path: Path) -> None:
    given = [gated if one == "RUN" else one for one in arguments]
    done = call(tmp_path, "-o", "a.zip", "--for", "mrm", *given)
    assert done.code == 2
    assert done.err.startswith(error)
    assert "\n  help: " in done.err
    assert not (tmp_path / "a.zip").exists()


def test_a_setting_that_is_no_pattern_is_exit_2(gated: Path, tmp_path: Path) -> None:
    (tmp_path / "modelwarden.toml").write_text('[pack]\nredact = ["tag"]\n')
    done = call(tmp_path, gated, "--for", "mrm", "-o", "a.zip")
    assert done.code == 2
    assert done.err.startswith("error: modelwarden.toml: `pack.redact`: `tag` is no pointer")


def verify(folder: Path, *arguments: object) -> Done:
    return inside("verify", *map(str, arguments), folder=folder, environment=clean_environment())


def test_verify_names_what_was_changed(small: bytes, tmp_path: Path) -> None:
    digest = check_bytes(small).digest
    (tmp_path / "pack.zip").write_bytes(small)
    done = verify(tmp_path, "pack.zip")
    assert (done.code, done.out) == (0, f"intact    pack.zip: 4 files, manifest {digest}\n")
    assert (
        done.err
        == "note: a signature beside it, or its digest kept elsewhere, proves who made it: add --key, or --digest\n"
    )
    assert verify(tmp_path, "pack.zip", "--digest", digest).err == ""
    (tmp_path / "pack.zip").write_bytes(small.replace(b"content of folder/b", b"CONTENT of folder/b"))
    done = verify(tmp_path, "pack.zip")
    assert done.code == 1
    assert {line.split(":")[0] for line in done.out.splitlines()} == {"folder/b.json"}
    assert done.err.startswith("error: pack.zip: refused: folder/b.json: its content was changed")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("none.zip",), "error: none.zip: cannot be read: No such file or directory"),
        (("a.zip", "--digest", "1"), "error: --digest: `1` is not a digest"),
    ],
)
def test_a_wrong_target_is_exit_2(arguments: tuple[str, ...], error: str, tmp_path: Path) -> None:
    done = verify(tmp_path, *arguments)
    assert done.code == 2
    assert done.err.startswith(error)
    assert "\n  help: " in done.err

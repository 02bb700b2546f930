"""What is signed, what is not, and that every change to it is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1.statement import Statement
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from modelwarden.attest.attestation import MOST_BYTES
from modelwarden.attest.checking import Attested, Wanted, check, opened
from modelwarden.attest.envelope import pae, seal
from modelwarden.attest.key import LocalKey, PublicKey
from modelwarden.attest.refusal import NotSigned, Refused
from modelwarden.finding import AppliedWaiver, Ruling
from modelwarden.run import Run
from tests.attest.conftest import FACTS, IMAGE, MODEL, PACKAGE, attested, rulings, sha256_of
from tests.cli.conftest import clean_environment
from tests.command import inside
from tests.conftest import ROOT

Make = Callable[..., Run]
AT = datetime(2026, 11, 28, 13, tzinfo=UTC)


def payloads(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in data.splitlines()]


def foreign(public: PublicKey) -> SSlibKey:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found = SSlibKey.from_crypto(load_pem_public_key(public.pem()))
    found.keyid = public.id
    return found


def test_independent_implementations_read_and_verify_it(run_of: Make, key: LocalKey) -> None:
    data = attested(run_of("flag"), key)
    for line in data.splitlines():
        envelope = Envelope.from_dict(json.loads(line))
        assert list(envelope.verify([foreign(key.public_key)], threshold=1)) == [key.public_key.id]
        assert envelope.pae() == pae(envelope.payload)
        statement = ParseDict(json.loads(envelope.payload), Statement([], "", {}).pb)
        Statement.copy_from_pb(statement).validate()
    # Its protobuf has one text for verifiedLevels, where the specification has a list.
    predicate = payloads(data)[1]["predicate"]
    (level,) = predicate["verifiedLevels"]
    read = ParseDict({**predicate, "verifiedLevels": level}, VerificationSummary())
    assert (read.verification_result, read.verified_levels) == ("PASSED", "MODELWARDEN_PRODUCTION_DEPLOY")
    assert (read.resource_uri, read.verifier.id) == (PACKAGE, "urn:modelwarden:gate")
    assert read.time_verified.ToJsonString() == "2026-11-28T12:00:00Z"


def test_a_changed_payload_convinces_no_other_implementation(run_of: Make, key: LocalKey) -> None:
    document = json.loads(attested(run_of("block"), key).splitlines()[1])
    payload = base64.b64decode(document["payload"]).replace(b'"FAILED"', b'"PASSED"')
    envelope = Envelope.from_dict({**document, "payload": base64.b64encode(payload).decode()})
    with pytest.raises(Exception, match=r"Accepted signatures do not match threshold"):
        envelope.verify([foreign(key.public_key)], threshold=1)


def test_it_names_everything_that_the_decision_rests_on(run_of: Make, key: LocalKey) -> None:
    waiver = AppliedWaiver("W-1", "owner", "approver", "reason", "2026-12-31", break_glass=True)
    run = run_of("flag", rulings=(*rulings("none"), *rulings("flags", waiver=waiver)[:1]), off=("OFF-01",))
    ours, summary = payloads(attested(run, key))
    digests = run.decision.digests
    assert ours["predicate"] == {
        "run": run.id,
        "runSha256": sha256_of(run),
        "versions": run.versions,
        "package": PACKAGE,
        "request": {"stage": "Production", "moment": "deploy", "asOf": "2026-11-28T12:00:00Z", "principal": None},
        "verdict": "flag",
        "counts": {"blocked": 0, "flagged": 1, "unknown": 0, "passed": 1, "not_applicable": 0},
        "controls": {"blocks": [], "flags": ["XYZ-000"], "undecides": [], "off": ["OFF-01"]},
        "waivers": [{"id": "W-1", "controls": ["XYZ-000"], "expires": "2026-12-31", "breakGlass": True}],
        "waivedUntil": "2027-01-01T00:00:00Z",
        "rollbackTo": None,
        "coverage": {"read": 0, "unread": []},
        "digests": {
            "evidence": digests.evidence,
            "reference": digests.reference,
            "bundle": digests.bundle,
            "settings": digests.settings,
            "waivers": digests.waivers,
            "material": digests.material,
        },
        "uncovered": [{"name": "artifact/1", "uri": "s3://models/vocabulary.json", "version": "v1"}],
        "totals": {
            "blocks": 0,
            "flags": 1,
            "undecides": 0,
            "off": 1,
            "waivers": 1,
            "breakGlass": 1,
            "unread": 0,
        },
        "abridged": False,
    }
    subjects = [
        {"name": "artifact/0", "digest": {"sha256": MODEL}},
        {"name": "container/0/image", "digest": {"sha256": IMAGE}},
    ]
    assert ours["subject"] == summary["subject"] == subjects
    schema = json.loads((ROOT / "reports/schemas/attestation.schema.json").read_text())
    assert [one.message for one in Draft202012Validator(schema).iter_errors(ours)] == []


@pytest.mark.parametrize(
    ("verdict", "result"), [("allow", "PASSED"), ("flag", "PASSED"), ("block", "FAILED"), ("undecided", "FAILED")]
)
def test_only_what_may_be_promoted_passed(run_of: Make, key: LocalKey, verdict: str, result: str) -> None:
    ours, summary = payloads(attested(run_of(verdict), key))
    assert (summary["predicate"]["verificationResult"], ours["predicate"]["verdict"]) == (result, verdict)
    assert (summary["predicate"]["verifiedLevels"] == ["FAILED"]) == (result == "FAILED")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"asserted": ("evidence",)}, "signing refuses what was asserted: evidence"),
        ({"asserted": ("principal", "as_of")}, "signing refuses what was asserted: principal, as_of"),
        (
            {"advisory": True},
            "signing refuses an advisory decision: no pinned organization layer stands behind the settings",
        ),
    ],
)
def test_what_was_asserted_is_not_signed(run_of: Make, key: LocalKey, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(NotSigned) as error:
        attested(run_of(**changes), key)
    assert (str(error.value), error.value.exit_code) == (said, 2)


def test_only_the_gate_s_own_decisions_are_signed(run_of: Make, key: LocalKey) -> None:
    with pytest.raises(NotSigned, match="signing refuses a run of the kind `hypothetical`"):
        attested(replace(run_of(), kind="hypothetical"), key)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"/container_count": 0, "/artifact_count": 0}, "no artifact and no image"),
        ({"/container_count": 0, "/artifact_count": 1, "/artifact/0/etag": "b" * 32}, "artifact/0"),
        ({"/container_count": 0, "/artifact_count": 1, "/artifact/0/checksum_sha256": "sha256:short"}, "artifact/0"),
        ({"/artifact_count": 0}, "container/*"),
    ],
)
def test_what_has_no_digest_is_no_subject(run_of: Make, key: LocalKey, facts: dict[str, Any], said: str) -> None:
    with pytest.raises(NotSigned, match=r"nothing that the package would run has a digest") as error:
        attested(run_of(facts=facts), key)
    assert str(error.value).endswith(f": {said}")


def waived(*expires: str, break_glass: int = 0) -> tuple[Ruling, ...]:
    """A failed control for each end of a waiver; for the first ones the glass was broken."""
    return tuple(
        rulings(
            "flags",
            waiver=AppliedWaiver(f"W-{number}", "owner", "approver", "reason", end, break_glass=number < break_glass),
        )[0]
        for number, end in enumerate(expires)
    )


def test_long_lists_stand_in_the_run_alone_and_their_lengths_do_not(run_of: Make, key: LocalKey) -> None:
    run = run_of("block", rulings=(*rulings(*["blocks"] * 500), *waived("2026-12-31", "2027-01-31", break_glass=1)))
    data = attested(run, key)
    ours = payloads(data)[0]["predicate"]
    assert (ours["abridged"], ours["controls"], ours["waivers"], ours["counts"]["blocked"]) == (True, {}, [], 500)
    totals = {"blocks": 500, "flags": 2, "undecides": 0, "off": 0, "waivers": 2, "breakGlass": 1, "unread": 0}
    assert (ours["totals"], ours["waivedUntil"]) == (totals, "2027-01-01T00:00:00Z")
    assert all(len(pae(base64.b64decode(json.loads(line)["payload"]))) <= MOST_BYTES for line in data.splitlines())
    opened(data, key.public_key, "file")


@pytest.mark.parametrize("many", [0, 500])
def test_what_rests_on_a_waiver_counts_no_longer_than_it(run_of: Make, key: LocalKey, many: int) -> None:
    """Also where the waivers are too many to be listed."""
    run = run_of("flag", rulings=(*waived("2027-01-31", "2026-11-28"), *rulings(*["flags"] * many)))
    found = opened(attested(run, key), key.public_key, "file")
    end = datetime(2026, 11, 29, tzinfo=UTC)
    check(found, wanted(now=end - timedelta(seconds=1)), "file")
    with pytest.raises(Refused, match="file: a waiver that it rests on ended at 2026-11-29T00:00:00Z"):
        check(found, wanted(now=end), "file")


def test_who_does_not_say_until_when_its_waivers_count_is_refused(run_of: Make, key: LocalKey) -> None:
    found = opened(attested(run_of("flag", rulings=waived("2027-01-31")), key), key.public_key, "file")
    for end, said in ((None, "it rests on waivers, and does not say until when"), ("soon", "its time `soon` is none")):
        silent = replace(found.decision, predicate=replace(found.decision.predicate, waived_until=end))
        with pytest.raises(Refused, match=f"file: {said}"):
            check(replace(found, decision=silent), wanted(), "file")


def test_what_is_not_listed_is_told_by_its_number(run_of: Make, pair: tuple[Path, LocalKey], tmp_path: Path) -> None:
    run = run_of("flag", rulings=(*waived("2099-01-31", "2099-02-28", break_glass=1), *rulings(*["flags"] * 500)))
    (tmp_path / "a.jsonl").write_bytes(attested(run, pair[1]))
    known = ("--key", f"{pair[0]}.pub", "--any-subject")
    done = inside("verify", "a.jsonl", *known, folder=tmp_path, environment=clean_environment())
    assert (done.code, done.out.splitlines()[-1]) == (0, "waived    until 2099-02-01T00:00:00Z")
    assert done.err.splitlines()[-2:] == [
        "warning: 1 waiver broke the glass",
        "warning: abridged: its lists stand in the run alone: controls: 502 flag; 2 waivers",
    ]


def wanted(**changes: Any) -> Wanted:
    return Wanted(**{"now": AT, "subjects": (f"sha256:{MODEL}",), "allow_uncovered": True, **changes})


@pytest.fixture
def good(run_of: Make, key: LocalKey) -> Attested:
    return opened(attested(run_of("flag"), key), key.public_key, "file")


def test_what_meets_every_demand_is_good(good: Attested) -> None:
    bundle, run = good.decision.predicate.digests["bundle"], good.decision.predicate.run_sha256
    both = (f"sha256:{MODEL}", f"sha256:{IMAGE}")
    demands = {"subjects": both, "bundle": bundle, "stage": "Production", "moment": "deploy", "run_sha256": run}
    check(good, wanted(max_age=timedelta(hours=1), **demands), "file")


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ({"subjects": (f"sha256:{MODEL}", "sha256:" + "c" * 64)}, "wrong subject: it says nothing of `sha256:cccc"),
        ({"allow_uncovered": False}, "it does not cover artifact/1: no sha256 was known when it was judged"),
        ({"max_age": timedelta(minutes=59)}, "too old: it is of 2026-11-28T12:00:00Z"),
        ({"now": AT - timedelta(hours=2)}, "from the future: it says 2026-11-28T12:00:00Z"),
        ({"bundle": "sha256:" + "0" * 64}, "judged by another bundle: it says `sha256:"),
        ({"stage": "Staging"}, "for another stage: it says `Production`, and `Staging` is demanded"),
        ({"moment": "approve"}, "for another moment: it says `deploy`, and `approve` is demanded"),
        ({"run_sha256": "0" * 64}, "of another run, or the run was changed: it says `"),
    ],
)
def test_each_demand_that_is_not_met_is_named(good: Attested, demand: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as error:
        check(good, wanted(**demand), "file")
    assert str(error.value).startswith(f"file: {said}")
    assert error.value.exit_code == 1


@pytest.mark.parametrize("verdict", ["block", "undecided"])
def test_a_no_is_refused_however_well_it_is_signed(run_of: Make, key: LocalKey, verdict: str) -> None:
    found = opened(attested(run_of(verdict), key), key.public_key, "file")
    with pytest.raises(Refused, match=rf"file: FAILED: the verdict is {verdict} for Production"):
        check(found, wanted(), "file")


def test_every_flipped_byte_is_found_and_its_line_is_named(run_of: Make, key: LocalKey) -> None:
    data = attested(run_of("flag"), key)
    first = data.index(b"\n")
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(Refused) as error:
            opened(bytes(changed), key.public_key, "file")
        line = "file: line 1: " if place < first else "file: line 2: "
        split = "exactly two lines are expected" in str(error.value)
        assert split or str(error.value).startswith(line), (place, str(error.value))
        assert "\n" not in str(error.value)


def test_another_key_is_refused_whatever_the_envelope_calls_it(run_of: Make, key: LocalKey, other: LocalKey) -> None:
    data = attested(run_of(), other)
    with pytest.raises(Refused, match="file: line 1: signed by another key: it names `sha256:"):
        opened(data, key.public_key, "file")
    renamed = data.replace(other.public_key.id.encode(), key.public_key.id.encode())
    with pytest.raises(Refused, match="file: line 1: the signature does not fit"):
        opened(renamed, key.public_key, "file")


def test_halves_of_two_attestations_make_no_third(run_of: Make, key: LocalKey) -> None:
    yes = attested(run_of("allow"), key).splitlines(keepends=True)
    no = attested(run_of("block"), key).splitlines(keepends=True)
    later = attested(run_of("allow", id_="20261128T130000Z-bb"), key).splitlines(keepends=True)
    for ours, summary in ((no[0], yes[1]), (yes[0], no[1]), (later[0], yes[1])):
        with pytest.raises(Refused, match="file: its two statements are not of one decision"):
            opened(ours + summary, key.public_key, "file")
    with pytest.raises(Refused, match="file: line 1: not the statement that belongs there"):
        opened(yes[1] + yes[0], key.public_key, "file")


def envelope(**changes: Any) -> bytes:
    sound = {
        "payloadType": "application/vnd.in-toto+json",
        "payload": "e30=",
        "signatures": [{"keyid": "k", "sig": "AA=="}],
    }
    return json.dumps({**sound, **changes}).encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "exactly two lines"),
        (b"x" * 2_000_000, "larger than 1000000 bytes"),
        (envelope(), "exactly two lines"),
        (envelope() * 3, "exactly two lines"),
        (b"[" * 50_000 + b"\n\n", "line 1: nested too deeply"),
        (b'{"a": 1, "a": 2}\n\n', "line 1: not JSON: key `a` stands twice"),
        (b'{"a": NaN}\n\n', "line 1: not JSON: `NaN` is not a JSON number"),
        (b'{"a": ' + b"9" * 9_000 + b"}\n\n", "line 1: not JSON: "),
        (b"\xff\xfe\n\n", "line 1: not UTF-8"),
        (b"[]\n\n", "line 1: not a DSSE envelope"),
        (envelope(extra=1) + b"\n", "line 1: not a DSSE envelope"),
        (envelope(payloadType="text/plain") + b"\n", "line 1: its payload is not an in-toto statement"),
        (envelope(signatures=[]) + b"\n", "line 1: exactly one signature is expected, not 0"),
        (
            envelope(signatures=[{"keyid": "k", "sig": "AA=="}] * 2) + b"\n",
            "line 1: exactly one signature is expected, not 2",
        ),
        (envelope(signatures="x") + b"\n", "line 1: exactly one signature is expected"),
        (envelope(signatures=[{"sig": "AA=="}]) + b"\n", "line 1: a signature has `keyid` and `sig`"),
        (envelope(payload="e31=") + b"\n", "line 1: `payload`: not the canonical base64"),
        (envelope(payload="e 30=") + b"\n", "line 1: `payload`: not base64"),
        (envelope(payload="e30") + b"\n", "line 1: `payload`: not base64"),
        (envelope(payload="_-__") + b"\n", "line 1: `payload`: not base64"),
        (envelope(payload=7) + b"\n", "line 1: `payload`: not base64"),
    ],
)
def test_hostile_files_are_refused_in_one_line(key: LocalKey, data: bytes, said: str) -> None:
    with pytest.raises(Refused) as error:
        opened(data, key.public_key, "file")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "payload",
    [b"{}", b"[]", b"\xff", b'{"_type":"\xff"}', b'{"_type":"https://in-toto.io/Statement/v1"}', b"[" * 5_000],
)
def test_a_signed_payload_of_another_kind_is_refused(key: LocalKey, payload: bytes) -> None:
    data = seal(payload, key) + b"\n"
    with pytest.raises(Refused, match="file: line 1: not the statement that belongs there"):
        opened(data + data, key.public_key, "file")


def test_the_same_envelope_written_otherwise_is_refused(run_of: Make, key: LocalKey) -> None:
    lines = attested(run_of(), key).splitlines()
    spaced = json.dumps(json.loads(lines[0])).encode()
    with pytest.raises(Refused, match="file: line 1: not as modelwarden writes an envelope"):
        opened(spaced + b"\n" + lines[1] + b"\n", key.public_key, "file")


def test_equal_content_is_one_subject(run_of: Make, key: LocalKey) -> None:
    facts = {**FACTS, "/container_count": 2, "/container/1/image/resolved_digest": f"sha256:{IMAGE}"}
    assert [one["name"] for one in payloads(attested(run_of(facts=facts), key))[0]["subject"]] == [
        "artifact/0",
        "container/0/image",
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(_JSON, _JSON, st.sampled_from(["payloadType", "payload", "signatures"]), st.binary(max_size=60))
@settings(max_examples=40, deadline=None)
def test_whatever_is_handed_in_is_refused_and_never_a_traceback(
    key: LocalKey, value: Any, inner: Any, field: str, raw: bytes
) -> None:
    nested = envelope(signatures=[{"keyid": inner, "sig": value}])
    for line in (envelope(**{field: value}), nested, json.dumps(value).encode() + b"\n", raw + b"\n"):
        with pytest.raises(Refused):
            opened(line + line, key.public_key, "file")
    signed = seal(json.dumps(inner).encode(), key) + b"\n"
    with pytest.raises(Refused, match="not the statement that belongs there"):
        opened(signed + signed, key.public_key, "file")

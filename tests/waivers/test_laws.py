"""Laws: a waiver never changes a finding, and one that is not live changes no decision, whatever the time."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.act import person
from modelwarden.decide import decide
from modelwarden.evidence import Evidence
from modelwarden.finding import Decision, Digests, Finding
from modelwarden.request import Request
from modelwarden.settings import Settings
from modelwarden.settings.layer import Source
from modelwarden.settings.sources import Sources
from modelwarden.toml import SettingsError
from modelwarden.waiver import parse_waivers
from tests.waivers.conftest import CONTROL, PACKAGE

IDS = (CONTROL, "IMG-03")
START = datetime(2026, 11, 1, tzinfo=UTC)
ORDER = ("allow", "flag", "undecided", "block")
hours = st.integers(0, 100)
DIGESTS = Digests("", "", "", "", "", "")


def act(by: str, hour: int) -> dict[str, Any]:
    return {"by": by, "at": START + timedelta(hours=hour), "proof": "asserted"}


@st.composite
def waivers(draw: st.DrawFn) -> dict[str, Any]:
    """One that was asked for at START, at any point of its life."""
    approvals = draw(st.lists(hours, max_size=3))
    revoked = draw(st.none() | hours)
    return {
        "id": "W-1",
        "package": PACKAGE,
        "controls": [CONTROL],
        "owner": "retail",
        "reason": "r",
        "ticket": "t",
        "expires": START + timedelta(hours=draw(st.integers(1, 100))),
        "unknown": draw(st.booleans()),
        "requested": act("ada", 0),
        "approval": [act(f"p{number}", hour) for number, hour in enumerate(approvals)],
        **({"revoked": act("zoe", revoked) | {"reason": "r"}} if revoked is not None else {}),
    }


def decided(written: dict[str, Any] | None, as_of: datetime, findings: list[Finding]) -> Decision:
    entries = (("w.toml", written),) if written else ()
    layer = Source("repository", "w.toml", "", {"profile": "strict"}, entries)
    found = Settings.of(Sources((layer,), (), None), {}, IDS)
    request = Request("Production", "approve", as_of.isoformat())
    rules = found.effective(Evidence(PACKAGE), request)
    return decide(findings, rules, request, package=PACKAGE, digests=DIGESTS, advisory=False)


@settings(max_examples=60)
@given(waivers(), hours, st.sampled_from(["fail", "unknown", "pass", "not-applicable"]))
def test_only_a_live_waiver_changes_a_decision_and_none_changes_a_finding(
    written: dict[str, Any], hour: int, outcome: Any
) -> None:
    as_of = START + timedelta(hours=hour)
    findings = [Finding(CONTROL, outcome), Finding("IMG-03", "pass")]
    (one,) = parse_waivers([("w.toml", written)], IDS)
    without, with_ = decided(None, as_of, findings), decided(written, as_of, findings)
    assert [ruling.finding for ruling in with_.rulings] == findings
    assert with_.without_waivers == without.verdict
    assert ORDER.index(with_.verdict) <= ORDER.index(without.verdict)
    approved = sorted(entry["at"] for entry in written["approval"])
    live = len(approved) >= 2 and approved[1] <= as_of < written["expires"] and "revoked" not in written
    assert (one.state(as_of) == "live") is live
    if live and (outcome == "fail" or (outcome == "unknown" and written["unknown"])):
        assert (with_.verdict, with_.rulings[0].effect) == ("flag", "flags")
    else:
        assert with_.rulings == without.rulings
        assert with_.verdict == without.verdict


HIDDEN = ("\u034f", "\u115f", "\u200b", "\u200d", "\u2060", "\u3164", "\ufe0f", "\U000e0100")


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and another spelling of it."""
    name = " ".join(draw(st.lists(st.text("abczéüñßøłяωक", min_size=1, max_size=4), min_size=1, max_size=3)))
    other = "".join(draw(st.sampled_from([one, one.upper()])) for one in name)
    wide = "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" and draw(st.booleans()) else one for one in other)
    form: Any = draw(st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
    spaced = unicodedata.normalize(form, wide).replace(" ", draw(st.sampled_from([" ", "  ", "\u00a0", "\u3000 "])))
    at = draw(st.integers(0, len(spaced)))
    return name, draw(st.sampled_from(["", " "])) + spaced[:at] + draw(st.sampled_from(["", *HIDDEN])) + spaced[at:]


@settings(max_examples=100, deadline=None)
@given(spellings())
def test_two_spellings_of_a_person_are_never_two_persons(spelled: tuple[str, str]) -> None:
    one, other = spelled
    assert person(other) == person(one)
    glass = {"break_glass": True, "granted": START, "expires": START + timedelta(hours=1), "approver": [one, other]}
    entry = {"id": "W-1", "package": PACKAGE, "controls": [CONTROL], "owner": "x y", "reason": "r", "ticket": "t"}
    with pytest.raises(SettingsError, match=r"break-glass needs two approvers|nobody sees"):
        parse_waivers([("w.toml", entry | glass)], IDS)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=8) | st.text("\u3164\ufe0f\u0301\u00b4\u1e9e\u0130aA \u00a0\u00ad", max_size=8))
def test_what_two_spellings_share_is_one_spelling_of_the_person(name: str) -> None:
    assert person(person(name)) == person(name)

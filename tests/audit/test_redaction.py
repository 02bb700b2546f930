"""What a pattern takes out of a pack is nowhere in it: not as a number, in a key, or where it overlaps another value."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.audit.pack.redaction import REDACTED, Redaction
from modelwarden.evidence import Present


def redacted(*values: Any) -> Redaction:
    """Which knows these values."""
    redaction = Redaction(["/customer_metadata/*"])
    redaction.learn("p", {f"/customer_metadata/{at}": Present(value) for at, value in enumerate(values)})
    return redaction


def test_values_in_keys_are_taken_out() -> None:
    redaction = redacted("acme-holding", "a/b~c/holding", "ab", "evidence")
    document = {
        "acme-holding": 1,
        "of acme-holding": 2,
        "/tag/of-acme-holding": {"state": "absent"},
        "/tag/a~1b~0c~1holding": {"state": "absent"},
        "/tag/ab": {"state": "absent"},
        "/tag/abc": {"state": "absent"},
        "evidence": {"facts": {}},  # the name of a member that each run has gives nothing away
        "api": "ab",
    }
    shown = redaction.document(document)
    assert list(shown) == [
        f"{REDACTED}~0",
        f"of {REDACTED}~1",
        f"/tag/of-{REDACTED}~2",
        f"/tag/{REDACTED}~3",
        f"/tag/{REDACTED}~4",
        "/tag/abc",
        "evidence",
        "api",
    ]
    assert shown["api"] == REDACTED
    raw = redaction.raw({"data": {"Tags": {"team of acme-holding": "x"}, "acme-holding": 1}, "source": {}})
    assert raw["data"] == {"Tags": {f"team of {REDACTED}~0": "x"}, f"{REDACTED}~1": 1}


def test_values_are_taken_out_as_numbers_and_inside_texts() -> None:
    redaction = redacted("48151", 162342, 0.98765, "2026")
    document = {
        "a": 48151,
        "b": [162342, 0.98765, 2026, 4815, True],
        "c": "48151",
        "d": "so 162342, not 1623427 or 0.98765.",
    }
    assert redaction.document(document) == {
        "a": REDACTED,
        "b": [REDACTED, REDACTED, REDACTED, 4815, True],
        "c": REDACTED,
        "d": f"so {REDACTED}, not 1623427 or {REDACTED}.",
    }
    assert redaction.text("2026-11-29T02:10:00Z") == "2026-11-29T02:10:00Z"
    assert redaction.raw({"data": {"Count": 48151}})["data"] == {"Count": REDACTED}


def test_values_that_overlap_are_taken_out_to_their_ends() -> None:
    redaction = redacted("project-falcon", "falcon-retail-berlin", "berlin-berlin")
    assert redaction.text("of project-falcon-retail-berlin-berlin-berlin!") == f"of {REDACTED}!"
    assert redaction.text("project-falcon, berlin-berlin") == f"{REDACTED}, {REDACTED}"
    assert redacted("nananana").text("nananananana") == REDACTED


_VALUES = st.lists(st.text("ab/~-", min_size=8, max_size=12), min_size=1, max_size=3)


@given(_VALUES, st.lists(st.text("ab/~-", max_size=6), min_size=4, max_size=4))
@settings(max_examples=40, deadline=None)
def test_no_character_of_a_value_is_left_where_it_stood(values: list[str], between: list[str]) -> None:
    """Whatever stands around it: of each place of each value nothing is left."""
    values = [one for one in values if one.strip()]
    text = "".join(a + b for a, b in zip(between, [*values, ""], strict=False))
    covered = {
        at
        for one in values
        for start in range(len(text))
        if text.startswith(one, start)
        for at in range(start, start + len(one))
    }
    left = "".join("#" if at in covered else char for at, char in enumerate(text))
    shown = redacted(*values).text(text)
    assert re.sub(r"(\(redacted\))+", "#", shown) == re.sub("#+", "#", left)

"""A scan by unit and by severity: nothing is lost, and who is nowhere is shown as such."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelwarden.render.breakdown import NONE, UNKNOWN, Severity, Unit, by_severity, by_unit, folded, units_of

MANIFEST: dict[str, Any] = {
    "accounts": {
        "1": {"block": 2, "inventory": 4},
        "2": {"allow": 1},
        "3": {"block": 3},
        "5": {"flag": 1},
        "9": {"undecided": 1},
    },
    "coverage": {"unread": [{"account": "2", "region": "r"}, {"account": "4", "region": "r"}, {"account": "4"}]},
}
ESTATE: dict[str, Any] = {
    "source": "organization",
    "cells": [[id_, "r"] for id_ in "1234567"],
    "accounts": [
        {"id": "1", "unit": "Shop"},
        {"id": "2", "unit": "Shop"},
        {"id": "3", "unit": "Bank/Loans"},
        {"id": "4", "unit": "Laboratory"},
        {"id": "5", "unit": "", "at_root": True},
        {"id": "6", "unit": "Shop"},
        {"id": "7", "unit": "Empty"},
        {"id": "8", "unit": "Shop"},
    ],
}


def test_each_unit_has_its_accounts_counts_and_holes_the_worst_first() -> None:
    """Account 8 is not expected; 9 is in no plan; the unit `Empty` has neither packages nor holes."""
    assert by_unit(MANIFEST, units_of(ESTATE)) == [
        Unit("Bank/Loans", 1, {"block": 3}, 0),
        Unit("Shop", 3, {"block": 2, "inventory": 4, "allow": 1}, 1),
        Unit(UNKNOWN, 1, {"undecided": 1}, 0),
        Unit(NONE, 1, {"flag": 1}, 0),
        Unit("Laboratory", 1, {}, 2),
    ]


def test_where_the_settings_name_the_accounts_no_unit_is_known() -> None:
    bare = {**ESTATE, "source": "settings", "accounts": [{"id": id_, "unit": ""} for id_ in "12345"]}
    assert [row.name for row in by_unit(MANIFEST, units_of(bare))] == [UNKNOWN]


COUNTS = st.dictionaries(st.sampled_from(["block", "flag", "allow", "inventory"]), st.integers(1, 9), max_size=4)


@given(st.dictionaries(st.text("123", min_size=1, max_size=3), COUNTS), st.integers(0, 5), st.randoms())
def test_no_count_is_lost_however_many_units_are_folded(accounts: Any, most: int, chance: Any) -> None:
    manifest = {"accounts": accounts, "coverage": {"unread": [{"account": id_} for id_ in accounts][::2]}}
    units = {id_: chance.choice(["A", "B", "C/D", NONE]) for id_ in accounts if chance.random() < 0.8}
    shown, others = folded(by_unit(manifest, units), most)
    rows = [*shown, *([others] if others else [])]
    total, told = Counter[str](), Counter[str]()
    for counts in accounts.values():
        total.update(counts)
    for row in rows:
        told.update(row.counts)
    assert told == total
    assert sum(row.unread for row in rows) == len(manifest["coverage"]["unread"])
    assert len(shown) <= most


def test_what_is_folded_is_named_and_summed() -> None:
    rows = [Unit(f"U{number}", 2, {"flag": number}, 1) for number in range(5)]
    assert folded(rows, 3) == (rows[:3], Unit("2 more units", 4, {"flag": 7}, 2))
    assert folded(rows, 5) == (rows, None)


def test_severities_come_by_gravity_and_a_control_without_one_first() -> None:
    outcomes = {"A": {"fail": 2, "pass": 1}, "B": {"pass": 4}, "C": {"unknown": 1}, "D": {"fail": 1}}
    assert by_severity(outcomes, {"A": "high", "B": "high", "C": "low"}) == [
        Severity("unknown", 1, 1, {"fail": 1}),
        Severity("high", 2, 1, {"fail": 2, "pass": 5}),
        Severity("low", 1, 0, {"unknown": 1}),
    ]
    assert by_severity({}, {"A": "high"}) == []

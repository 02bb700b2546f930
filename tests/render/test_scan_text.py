"""The text of a scan: holes in a few lines, what is blocked directly below them, and every unit readable."""

from __future__ import annotations

from typing import Any

from modelwarden.render.breakdown import UNKNOWN
from modelwarden.render.scan import HOLES, SHOWN, text
from modelwarden.render.text import is_active

ARN = "arn:aws:sagemaker:eu-west-1:111122223333:model-package"
HOSTILE = "a\n7 blocked:\r\x1b[2J\u202e##[error]"


def named(name: str, verdict: str = "block") -> dict[str, Any]:
    found = {"package": f"{ARN}/{name}", "verdict": verdict, "why": "approved", "moment": "serve"}
    return {**found, "stage": "Production", "controls": ["ENC-02"]}


def plan(accounts: list[dict[str, str]] | None = None, source: str = "organization") -> dict[str, Any]:
    accounts = accounts or [{"id": "111122223333", "name": "retail-ml", "unit": "Workloads/Shop"}]
    cells = [[one["id"], "eu-west-1"] for one in accounts]
    controls = {"ENC-02": {"severity": "high", "title": "model artifact is not encrypted"}}
    return {"controls": controls, "estate": {"source": source, "accounts": accounts, "cells": cells}}


def manifest(packages: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    block = sum(one["verdict"] == "block" for one in packages)
    return {
        "id": "20261120T060000000000Z-0123abcd",
        "as_of": "2026-11-20T06:00:00Z",
        "as_of_asserted": False,
        "advisory": False,
        "complete": True,
        "coverage": {"expected": 1, "read": 1, "unread": [], "failed": [], "accepted": [], "skipped": []},
        "verdicts": {"block": block, "allow": 1},
        "blocked": {"serve": block},
        "approvals": {},
        "unrecorded": [],
        "packages": {"judged": block + 1},
        "accounts": {"111122223333": {"block": block, "allow": 1}},
        "controls": {"ENC-02": {"fail": block, "pass": 1}},
        "named": packages,
        "endpoints": {},
        "strays": [],
        "cards": {},
        "loose_cards": [],
        "cards_unread": [],
        **changes,
    }


def dark(count: int) -> dict[str, Any]:
    unread = [{"account": f"{number:012}", "region": "eu-west-1", "why": "no role"} for number in range(count)]
    return {"expected": count + 1, "read": 1, "unread": unread, "failed": [], "accepted": [], "skipped": []}


def test_what_is_blocked_stands_directly_below_a_coverage_of_few_lines() -> None:
    written = text(manifest([named("churn/7")], complete=False, coverage=dark(60)), plan()).splitlines()
    assert written[2] == ("coverage 1 %: 1 of 61 account-regions were read whole; what follows is less than the whole")
    assert written[3 + HOLES : 8 + HOLES] == [
        f"  not read  and {60 - HOLES} more",
        "",
        "1 approved or deployed, and blocked now:",
        "  blocked   111122223333/eu-west-1/churn/7  -> Production (serve)  ENC-02",
        "",
    ]
    assert written[8 + HOLES].startswith("unit ")


def test_the_regions_of_one_account_and_reason_are_one_line() -> None:
    holes = [{"account": "1", "region": region, "why": "no role"} for region in ("a", "b")]
    holes.append({"account": "2", "region": "a", "why": "no role"})
    written = text(manifest([], complete=False, coverage={**dark(0), "unread": holes}), plan())
    assert "  not read  1/2 regions  no role\n  not read  2/a  no role\n" in written


def test_what_is_new_comes_first_and_is_not_repeated() -> None:
    packages = [named("churn/7"), named("loan/1"), named("hiring/2", "undecided")]
    new = [f"{ARN}/loan/1", f"{ARN}/hiring/2", f"{ARN}/gone/3"]
    told = manifest(packages, new=new, previous="20261119T060000000000Z-aaaaaaaa")
    written = text({**told, "verdicts": {"block": 2, "undecided": 1}}, plan())
    assert (
        "3 new since 20261119T060000000000Z-aaaaaaaa:\n"
        "  new       111122223333/eu-west-1/loan/1  block  -> Production (serve)  ENC-02\n"
        "  new       111122223333/eu-west-1/hiring/2  undecided  -> Production (serve)  ENC-02\n"
        "  new       111122223333/eu-west-1/gone/3  all about it is in the records\n"
        "\n"
        "2 approved or deployed, and blocked now, 1 of them new and named above:\n"
        "  blocked   111122223333/eu-west-1/churn/7  -> Production (serve)  ENC-02\n"
    ) in written
    assert "1 undecided, 1 of them new and named above\n\n" in written


def test_a_scan_that_compares_nothing_says_nothing_of_what_is_new() -> None:
    assert "new" not in text(manifest([named("churn/7")]), plan())
    assert "0 new since the last run\n" in text(manifest([named("churn/7")], new=[]), plan())


def test_every_package_is_spelled_out_or_counted() -> None:
    packages = [named(f"churn/{number}") for number in range(3 * SHOWN)]
    new = [one["package"] for one in packages[: 2 * SHOWN]]
    written = text(manifest(packages, new=new), plan())
    assert f"  new       and {SHOWN} more\n" in written
    assert f"{3 * SHOWN} approved or deployed, and blocked now, {SHOWN} of them new and named above:\n" in written
    assert f"  blocked   and {SHOWN} more; all are in the records\n" in written


def test_a_hundred_units_stay_readable_and_none_is_lost() -> None:
    accounts = [{"id": f"{number:012}", "name": "", "unit": f"Workloads/Team {number}"} for number in range(100)]
    accounts.append({"id": "9" * 12, "name": "nowhere", "unit": ""})
    counts = {one["id"]: {"block": 1} for one in accounts} | {"9" * 12: {"block": 7}}
    written = text(manifest([], accounts=counts, verdicts={"block": 107}), plan(accounts))
    lines = written.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith("unit ")]
    table = lines[start + 1 : lines.index("", start)]
    assert len(table) == SHOWN + 1
    assert table[0].split() == [*UNKNOWN.split(), "1", "7"]
    assert table[-1].split() == ["81", "more", "units", "81", "81"]


def test_findings_are_summed_by_severity() -> None:
    written = text(manifest([named("churn/7")]), plan())
    assert (
        "severity    fail  unknown    pass  controls that fail\nhigh           1        0       1  1 of 1\n" in written
    )


def test_no_name_from_outside_writes_a_line_of_its_own() -> None:
    account = {"id": "111122223333", "name": HOSTILE, "unit": HOSTILE}
    one = {**named("churn/7"), "package": ARN + HOSTILE, "stage": HOSTILE, "controls": [HOSTILE]}
    hole = {"account": HOSTILE, "region": HOSTILE, "why": HOSTILE}
    told = manifest([one], coverage={**dark(0), "unread": [hole]}, new=[ARN + HOSTILE, HOSTILE], previous=HOSTILE)
    written = text(told, plan([account]))
    assert not [char for char in written.replace("\n", "") if is_active(char)]
    assert "\n7 blocked:" not in written

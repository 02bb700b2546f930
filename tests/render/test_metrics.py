"""Metrics of a scan: valid by the specification, the same names in each scan, and no more series than somebody pays for."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from modelwarden.render.calls import Calls
from modelwarden.render.metrics import MAX_ACCOUNTS, lines
from modelwarden.snapshot import LedgerRow
from tests.scan.emf import SCHEMA, targets

MANIFEST: dict[str, Any] = {
    "id": "20261120T060000000000Z-0123abcd",
    "started_at": "2026-11-20T06:00:00Z",
    "finished_at": "2026-11-20T06:01:40Z",
    "complete": False,
    "coverage": {"expected": 5, "read": 3, "unread": [{"account": "121212121212", "region": "eu-west-1", "why": "x"}]},
    "verdicts": {"block": 2, "undecided": 1, "flag": 4, "allow": 8},
    "packages": {"judged": 15, "unmapped": 1, "inventory": 30},
    "accounts": {"111122223333": {"block": 2, "allow": 8}, "444455556666": {"flag": 4, "undecided": 1}},
}


def calls() -> Calls:
    found = Calls()
    found.add(
        LedgerRow("1", "r", api, state, count, 0.1)  # type: ignore[arg-type]
        for api, state, count in [
            ("sagemaker:Search", "read", 7),
            ("sagemaker:Search", "denied", 1),
            ("kms:DescribeKey", "denied", 2),
            ("s3:HeadObject", "throttled", 3),
            ("sagemaker:Search", "disabled", 1),
            ("", "skipped", 0),
        ]
    )
    return found


def documents(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines(manifest, calls()).splitlines()]
    for one in found:
        assert list(Draft202012Validator(SCHEMA).iter_errors(one)) == []
        assert targets(one) == []
        assert len(json.dumps(one)) < 256 * 1024
    return found


def test_the_first_document_is_about_the_scan_and_has_no_dimension() -> None:
    whole = documents(MANIFEST)[0]
    directive = whole.pop("_aws")
    assert directive["Timestamp"] == 1795154500000
    assert directive["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert directive["CloudWatchMetrics"][0]["Namespace"] == "Modelwarden"
    assert whole == {
        "scan": MANIFEST["id"],
        "accounts": 3,
        "accounts_left_out": 0,
        "CellsExpected": 5,
        "CellsRead": 3,
        "CellsUnread": 1,
        "Incomplete": 1,
        "PackagesBlocked": 2,
        "PackagesUndecided": 1,
        "PackagesFlagged": 4,
        "PackagesAllowed": 8,
        "PackagesUnmapped": 1,
        "PackagesInventory": 30,
        "ApiCalls": 14,
        "Errors": 3,
        "ErrorsDenied": 2,
        "ErrorsExpired": 0,
        "ErrorsThrottled": 1,
        "ErrorsUnreachable": 0,
        "ErrorsMalformed": 0,
        "ErrorsIncomplete": 0,
        "Duration": 100.0,
    }


def test_each_account_has_a_document_the_worst_first() -> None:
    accounts = documents(MANIFEST)[1:]
    assert [one["Account"] for one in accounts] == ["111122223333", "121212121212", "444455556666"]
    assert [one["PackagesBlocked"] for one in accounts] == [2, 0, 0]
    assert [one["CellsUnread"] for one in accounts] == [0, 1, 0]
    assert {str(one["_aws"]["CloudWatchMetrics"][0]["Dimensions"]) for one in accounts} == {"[['Account']]"}


def test_a_large_organization_makes_no_more_series_than_the_cap_and_says_how_many_are_left_out() -> None:
    counts = {f"{number:012}": {"block": number} for number in range(3 * MAX_ACCOUNTS)}
    whole, *accounts = documents({**MANIFEST, "accounts": counts})
    assert len(accounts) == MAX_ACCOUNTS
    assert accounts[0]["PackagesBlocked"] == 3 * MAX_ACCOUNTS - 1
    assert whole["accounts_left_out"] == 2 * MAX_ACCOUNTS + 1


def test_an_alarm_has_a_zero_to_start_from() -> None:
    """A scan that found nothing has every metric that one with findings has."""
    empty = {**MANIFEST, "verdicts": {}, "packages": {}, "accounts": {}}
    names = [one["Name"] for one in documents(empty)[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert names == [one["Name"] for one in documents(MANIFEST)[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"]]


def test_the_schema_of_the_tests_refuses_what_the_specification_refuses() -> None:
    (good, *_) = documents(MANIFEST)
    wrong = json.loads(json.dumps(good))
    wrong["_aws"]["Timestamp"] = 1795154500
    wrong["_aws"]["CloudWatchMetrics"][0]["Metrics"] *= 6
    wrong["_aws"]["CloudWatchMetrics"][0]["Dimensions"] = []
    assert {error.validator for error in Draft202012Validator(SCHEMA).iter_errors(wrong)} == {
        "minimum",
        "maxItems",
        "minItems",
    }
    assert targets({**good, "Duration": "long"}) == ["Duration"]

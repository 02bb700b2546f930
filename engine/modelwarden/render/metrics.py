"""A scan as metrics in CloudWatch's embedded metric format: a JSON document a line, of which CloudWatch Logs makes metrics.

One document is about the scan and has no dimension; the others are about one account each, so that a metric costs what
somebody chose: every value of a dimension is a metric of its own, and is paid for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from modelwarden.render.calls import Calls

NAMESPACE: Final = "Modelwarden"
MAX_ACCOUNTS: Final = 100
"""Accounts with a document of their own, those with most blocked packages first."""
_VERDICTS: Final = {"block": "Blocked", "undecided": "Undecided", "flag": "Flagged", "allow": "Allowed"}
_ROLES: Final = {"unmapped": "Unmapped", "inventory": "Inventory"}
_STATES: Final = ("denied", "expired", "throttled", "unreachable", "malformed", "incomplete")
"""Families of errors; each is there in every scan, so that an alarm has a zero to start from."""


def lines(manifest: Mapping[str, Any], calls: Calls) -> str:
    """The documents. Laws: each is one line in ASCII, and every metric that an alarm may name is in each scan."""
    documents = [_whole(manifest, calls), *_accounts(manifest)]
    return "".join(json.dumps(one, ensure_ascii=True, separators=(",", ":")) + "\n" for one in documents)


def _whole(manifest: Mapping[str, Any], calls: Calls) -> dict[str, Any]:
    coverage = manifest["coverage"]
    metrics = {
        "CellsExpected": coverage["expected"],
        "CellsRead": coverage["read"],
        "CellsUnread": len(coverage["unread"]),
        "Incomplete": int(not manifest["complete"]),
        **{f"Packages{name}": manifest["verdicts"].get(verdict, 0) for verdict, name in _VERDICTS.items()},
        **{f"Packages{name}": manifest["packages"].get(role, 0) for role, name in _ROLES.items()},
        "ApiCalls": calls.apis.total(),
        "Errors": calls.errors.total(),
        **{f"Errors{state.capitalize()}": calls.errors[state] for state in _STATES},
        "Duration": _seconds(manifest),
    }
    accounts = len(_touched(manifest))
    more = {"accounts": accounts, "accounts_left_out": max(0, accounts - MAX_ACCOUNTS)}
    return _document(manifest, metrics, {}, more)


def _accounts(manifest: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    holes = Counter(one["account"] for one in manifest["coverage"]["unread"])

    def worst(account: str) -> tuple[int, int, str]:
        return -manifest["accounts"].get(account, {}).get("block", 0), -holes[account], account

    for account in sorted(_touched(manifest), key=worst)[:MAX_ACCOUNTS]:
        counts = manifest["accounts"].get(account, {})
        metrics = {f"Packages{name}": counts.get(verdict, 0) for verdict, name in _VERDICTS.items()}
        yield _document(manifest, {**metrics, "CellsUnread": holes[account]}, {"Account": account}, {})


def _touched(manifest: Mapping[str, Any]) -> set[str]:
    """Accounts with packages or with a hole."""
    return {*manifest["accounts"], *(one["account"] for one in manifest["coverage"]["unread"])}


def _document(
    manifest: Mapping[str, Any], metrics: Mapping[str, float], dimensions: Mapping[str, str], more: Mapping[str, object]
) -> dict[str, Any]:
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": "Seconds" if name == "Duration" else "Count"} for name in metrics],
    }
    time = round(_time(manifest["finished_at"]).timestamp() * 1000)
    return {
        "_aws": {"Timestamp": time, "CloudWatchMetrics": [directive]},
        "scan": manifest["id"],
        **more,
        **dimensions,
        **metrics,
    }


def _seconds(manifest: Mapping[str, Any]) -> float:
    """From the beginning of the scan to its end, whoever interrupted it in between."""
    return (_time(manifest["finished_at"]) - _time(manifest["started_at"])).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""Rows about model packages (`modelpackagestatechanges`) as hearsay about packages. Pure.

Two releases of the guidance differ. The first keeps a row for each package and stage (`modelstage`, `modelstatus`), the
later one a row for each package with a column for each of three stages; both overwrite a row by the next event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.arn import ArnError, PackageArn, parse_arn
from modelwarden.guidance.value import Loss, Row, Unclear, key, text, time
from modelwarden.store.state import Hearsay

KEY: Final = "modelpackagearn"
WHY: Final = ("rows were overwritten", "no evidence was kept", "values are self-declared")
"""Why it is but a part of what was; each line of history says so."""

_TEXTS: Final = {
    "modelapprovalstatus": "approval",
    "modelrisk": "risk",
    "modelowner": "owner",
    "modeldescription": "description",
    "modellob": "line_of_business",
    "modelproject": "purpose",
    "usecaseid": "use_case/id",
    "usecasename": "use_case/name",
    "usecasestage": "use_case/stage",
}
"""Column -> what it is declared as."""
_STAGES: Final = {
    "modellifecycledevstatus": "stage/Development",
    "modellifecycleteststatus": "stage/Staging",
    "modellifecycleprodstatus": "stage/Production",
}
_USELESS: Final = {
    "modelaudittimestamp": "is a time without its zone",
    "modelvalidationmetrics": "is Python's text of the first report alone",
    "modelmonitormetrics": "is a text without anything measured",
}
_ELSEWHERE: Final = {KEY, "eventtime", "eventtype", "creationtime", "modelstage", "modelstatus"}
"""Read by name below, but for `eventtype`, which is the same in each row."""
_OF_ARN: Final = {"modelpackagegroupname", "modelpackageversion"}


class Heard(Struct, frozen=True):
    """What rows say, and what was lost of them."""

    packages: tuple[Hearsay, ...]
    """By ARN."""
    left_out: tuple[Loss, ...]
    """Rows of which nothing is imported."""
    not_kept: tuple[Loss, ...]
    """Columns of rows that are."""


class _Said(Struct, frozen=True):
    """What one row says."""

    arn: PackageArn
    at: str
    """Of its event."""
    created: str
    stages: dict[str, str]
    texts: dict[str, str]


def heard(rows: Iterable[Row], now: str) -> Heard:
    """What the rows say as of `now`, a UTC time with microseconds; a row from the future is left out."""
    by_package: dict[str, list[_Said]] = {}
    left_out: list[Loss] = []
    not_kept: list[Loss] = []
    for row in rows:
        lost: list[Loss] = []
        try:
            said = _said(row, now, lost)
        except Unclear as unclear:
            left_out.append(Loss(key(row, KEY), "", str(unclear)))
        else:
            by_package.setdefault(said.arn.text, []).append(said)
            not_kept += lost
    packages = tuple(_merged(by_package[package]) for package in sorted(by_package))
    return Heard(packages, tuple(sorted(left_out, key=_order)), tuple(sorted(not_kept, key=_order)))


def _order(loss: Loss) -> tuple[str, str, str]:
    return loss.row, loss.column, loss.why


def _said(row: Row, now: str, lost: list[Loss]) -> _Said:
    """Raises Unclear where the row says nothing about a package at a time."""
    arn = _arn(row)
    try:
        at = time(row.get("eventtime"))
    except Unclear as unclear:
        raise Unclear(f"its eventtime {unclear}") from None
    if not at:
        raise Unclear("it has no eventtime")
    if at > now:
        raise Unclear("its eventtime lies in the future")
    created = _kept(row, "creationtime", arn, lost, time)
    if created > at:
        lost.append(Loss(arn.text, "creationtime", "lies after the eventtime"))
        created = ""
    stages = {name: found for column, name in _STAGES.items() if (found := _kept(row, column, arn, lost))}
    if stage := _kept(row, "modelstage", arn, lost):
        if status := _kept(row, "modelstatus", arn, lost):
            stages[f"stage/{stage}"] = status
        else:
            lost.append(Loss(arn.text, "modelstage", "has no status beside it"))
    texts = {name: found for column, name in _TEXTS.items() if (found := _kept(row, column, arn, lost))}
    lost += _unkept(row, arn)
    return _Said(arn, at, created, stages, texts)


def _arn(row: Row) -> PackageArn:
    try:
        found = text(row.get(KEY))
        if not found:
            raise Unclear("it names no package")
        arn = parse_arn(found)
    except ArnError:
        raise Unclear("its key is not the ARN of a model package") from None
    if not arn.text.isascii():
        raise Unclear("its key is not the ARN of a model package")
    return arn


def _kept(
    row: Row, column: str, arn: PackageArn, lost: list[Loss], read: Callable[[Mapping[str, Any] | None], str] = text
) -> str:
    try:
        return read(row.get(column))
    except Unclear as unclear:
        lost.append(Loss(arn.text, column, str(unclear)))
        return ""


def _unkept(row: Row, arn: PackageArn) -> list[Loss]:
    """Columns of which nothing is imported, but for those that say nothing or what the ARN says."""
    lost = []
    for column in sorted(row.keys() - _TEXTS.keys() - _STAGES.keys() - _ELSEWHERE):
        if row[column] in ({"S": "N/A"}, {"S": ""}, {"S": "{}"}, {"NULL": True}):
            continue
        if column not in _OF_ARN:
            lost.append(Loss(arn.text, column, _USELESS.get(column, "is no column that is understood")))
        elif row[column] not in _spellings(arn, column):
            lost.append(Loss(arn.text, column, "contradicts the ARN"))
    return lost


def _spellings(arn: PackageArn, column: str) -> Sequence[dict[str, str]]:
    if column == "modelpackagegroupname":
        return [{"S": arn.name}]
    return [{"N": str(arn.version)}, {"S": str(arn.version)}]


def _merged(rows: list[_Said]) -> Hearsay:
    """Of the rows about one package: each says what became of its stages, and the newest all else."""
    rows = sorted(rows, key=lambda said: (said.at, sorted(said.stages.items()), sorted(said.texts.items())))
    newest = rows[-1]
    declared: dict[str, str] = {}
    for said in rows:
        declared |= said.stages
    declared |= newest.texts | {"event_time": newest.at}
    first = min([said.created or said.at for said in rows])
    digest = hashlib.sha256(msgspec.json.encode([sorted(declared.items()), first, newest.at])).hexdigest()
    arn = newest.arn
    return Hearsay(arn.text, arn.account, arn.region, first, newest.at, declared, WHY, f"sha256:{digest}")

"""Findings in groups: for formats whose readers take, or show, only so many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from modelwarden.audit.source import Source
from modelwarden.finding import AppliedWaiver, ControlInfo, Finding, Ruling
from modelwarden.render.text import short
from modelwarden.typed import decoder

FINEST: Final[tuple[tuple[str, ...], ...]] = (("control", "account"), ("control",))
"""Columns by which findings are grouped, the finest first; every group is of one outcome, one effect, and waived or not."""


class Group(Struct, frozen=True):
    """Findings that differ in their packages alone."""

    info: ControlInfo
    account: str
    """Empty where the group is of all accounts."""
    ruling: Ruling
    """What they have in common; a waiver is one of theirs."""
    packages: int
    example: str
    """One of the packages."""
    waivers: int

    @property
    def place(self) -> str:
        return f"account {self.account}" if self.account else "all accounts"

    def words(self) -> str:
        """`12 packages in account 111122223333, for instance ...`; printable."""
        packages = "1 package" if self.packages == 1 else f"{self.packages} packages"
        more = f"; under {self.waivers} waivers" if self.waivers > 1 else ""
        return f"{packages} in {self.place}, for instance {short(self.example)}{more}"


def grouped(source: Source, most: int) -> tuple[tuple[str, ...], list[Group]]:
    """(columns, groups by them): as fine as `most` groups allow; by control alone where nothing finer does."""
    for columns in FINEST:
        names = ", ".join(columns)
        counted = source.ask(
            f"SELECT count(*) FROM (SELECT 1 FROM findings GROUP BY {names}, outcome, effect, waiver IS NOT NULL)"  # noqa: S608
        )
        if counted[0][0] <= most:
            break
    return columns, list(_groups(source, columns))


def _groups(source: Source, columns: tuple[str, ...]) -> Iterator[Group]:
    names = ", ".join(columns)
    account = "account" if "account" in columns else "''"
    question = f"""
        SELECT control, {account}, outcome, effect, count(*), min(package), min(waiver), count(DISTINCT waiver),
               min(level), min(why_level)
        FROM findings GROUP BY {names}, outcome, effect, waiver IS NOT NULL
        ORDER BY {names}, outcome, effect, waiver IS NOT NULL
        """  # noqa: S608 - columns are ours
    for row in source.rows(question):
        yield _group(source, *row)


def _group(source: Source, control: str, account: str, outcome: Any, effect: Any, packages: int, *rest: Any) -> Group:
    example, waiver, waivers, level, why_level = rest
    ruling = Ruling(
        Finding(control, outcome),
        level,
        effect,
        why_level or "",
        decoder(AppliedWaiver).decode(waiver) if waiver else None,
    )
    return Group(source.info(control), account, ruling, packages, example, waivers)

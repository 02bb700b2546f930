"""Pictures of a report, measured: every length in percent of the picture, unless its name says pixels. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from modelwarden.audit.history import Point
from modelwarden.audit.report import Row, Waived
from modelwarden.audit.source import VERDICTS

SHADES: Final = 4
_STACK: Final = ("allow", "flag", "block", "undecided")
"""From the ground up; above them stands what was not read, so that all that nobody knows is one band."""
_GAP: Final = 0.12
"""Between two columns, of the width of one."""


class Bar(Struct, frozen=True):
    kind: str
    x: float
    y: float
    width: float
    height: float


class Column(Struct, frozen=True):
    """One scan: how much of everything is known to be what."""

    as_of: str
    read: int
    cells: int
    shares: dict[str, float]
    """Percent: the verdicts, and `unread`. The sum is 100, or 0 where nothing was expected."""
    bars: tuple[Bar, ...]

    @property
    def unknown(self) -> float:
        return self.shares["undecided"] + self.shares["unread"]


class Step(Struct, frozen=True):
    """From a day on, so many findings are waived, unless somebody waives anew."""

    day: str
    ending: tuple[str, ...]
    """Waivers whose last day was the one before."""
    findings: int
    bar: Bar


class Level(Struct, frozen=True):
    """One stage of the funnel."""

    stage: str
    total: int
    verdicts: dict[str, int]
    bars: tuple[Bar, ...]


class Shade(Struct, frozen=True):
    """One cell of the heat map: findings, and how dark it is, from 0 (none failed) to `SHADES`."""

    fails: int
    unknowns: int
    shade: int


class Heat(Struct, frozen=True):
    families: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shade, ...]], ...]
    """(account, a cell for each family), most fails first."""


def posture(points: Sequence[Point]) -> tuple[Column, ...]:
    """A column for each scan, the oldest first.

    What was not read is a share of the account-regions; the verdicts share the rest, as nobody knows how many packages
    are where nobody looked.
    """
    wide = 100 / len(points)
    return tuple(_column(point, number * wide, wide) for number, point in enumerate(points))


def _column(point: Point, x: float, wide: float) -> Column:
    judged = sum(point.verdicts.values())
    seen = point.read / point.cells if point.cells else 0.0
    shares = {kind: 100 * seen * point.verdicts.get(kind, 0) / judged if judged else 0.0 for kind in _STACK}
    shares["unread"] = 100 * (1 - seen) if point.cells else 0.0
    bars, y = [], 100.0
    for kind, share in shares.items():
        y -= share
        if share:
            bars.append(Bar(kind, x + wide * _GAP / 2, y, wide * (1 - _GAP), share))
    return Column(point.as_of, point.read, point.cells, shares, tuple(bars))


def burn_down(exceptions: Sequence[Waived], as_of: str) -> tuple[Step, ...]:
    """The waived findings from the day of the scan on; empty where no waiver tells its last day."""
    ends: dict[date, list[Waived]] = {}
    first = date.fromisoformat(as_of[:10])
    for one in exceptions:
        if one.days_left is not None:
            ends.setdefault(first + timedelta(days=one.days_left + 1), []).append(one)
    if not ends:
        return ()
    days = [first, *sorted(ends)]
    most = sum(one.findings for some in ends.values() for one in some)
    span = max((days[-1] - first).days, 1) * 1.05
    steps, left = [], most
    for number, day in enumerate(days):
        left -= sum(one.findings for one in ends.get(day, ()))
        until = (days[number + 1] - first).days if number + 1 < len(days) else span
        x, height = 100 * (day - first).days / span, 100 * left / most if most else 0.0
        width = 100 * until / span - x
        ending = tuple(sorted(one.waiver.id for one in ends.get(day, ())))
        steps.append(Step(day.isoformat(), ending, left, Bar("flag", x, 100 - height, width, height)))
    return tuple(steps)


def funnel(stages: Sequence[Row]) -> tuple[Level, ...]:
    """The stages from the first to the last, each as wide as its share of packages, in the middle."""
    most = max((sum(one.verdicts.values()) for one in stages), default=0)
    levels = []
    for one in stages:
        total = sum(one.verdicts.values())
        x, bars = 50 - 50 * total / most if most else 50.0, []
        for kind in reversed(VERDICTS):
            width = 100 * one.verdicts.get(kind, 0) / most if most else 0.0
            if width:
                bars.append(Bar(kind, x, 0, width, 100))
            x += width
        levels.append(Level(one.name, total, one.verdicts, tuple(bars)))
    return tuple(levels)


def heat(families: Sequence[tuple[str, str, int, int]]) -> Heat:
    """From (account, control family, fails, unknowns)."""
    names = tuple(sorted({family for _, family, _, _ in families}))
    most = max((fails for _, _, fails, _ in families), default=0)
    found: dict[str, dict[str, Shade]] = {}
    for account, family, fails, unknowns in families:
        shade = -(-SHADES * fails // most) if most else 0
        found.setdefault(account, {})[family] = Shade(fails, unknowns, shade)
    none = Shade(0, 0, 0)

    def worst(one: tuple[str, Mapping[str, Shade]]) -> tuple[int, int, str]:
        cells = one[1].values()
        return -sum(cell.fails for cell in cells), -sum(cell.unknowns for cell in cells), one[0]

    ordered = sorted(found.items(), key=worst)
    return Heat(names, tuple((account, tuple(cells.get(name, none) for name in names)) for account, cells in ordered))

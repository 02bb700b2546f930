"""Two scans, package by package: what changed, counted, and the worst of it named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, get_args

from msgspec import Struct, field

from modelwarden.compare.cells import Cell, cells_of
from modelwarden.compare.change import Change, Difference, Group, Kind, Standing, differ, kind_of, phrase
from modelwarden.compare.recorded import Recorded
from modelwarden.compare.why import Judged, why
from modelwarden.evidence import Evidence
from modelwarden.snapshot import LedgerRow
from modelwarden.tables.pairs import Found, Pair, Pairs, Said, paired

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_STOPS: Final = ("blocks", "undecides")


class Comparison(Struct, dict=True):
    """What changed from the earlier scan to the later one."""

    earlier: Recorded
    later: Recorded
    cells: list[Cell]
    most: int
    """Packages of one kind that are named; all of them are counted."""
    kinds: Counter[Kind] = field(default_factory=Counter)
    unchanged: int = 0
    """Packages that both scans have; while changes are added, those of the earlier scan that are not among them."""
    newly_blocked: int = 0
    lost: int = 0
    """Packages that the earlier scan could decide, and the later one could not."""
    causes: Counter[str] = field(default_factory=Counter)
    """Kind of cause -> findings that changed for it, perhaps among others."""
    groups: Counter[Group] = field(default_factory=Counter)
    named: dict[Kind, list[Change]] = field(default_factory=dict)
    """Kind -> packages, those that matter most first."""

    @cached_property
    def controls(self) -> list[str]:
        """That both scans have, sorted."""
        return sorted(self.earlier.plan.controls.keys() & self.later.plan.controls.keys())

    @property
    def complete(self) -> bool:
        """Whether both scans read everything that they were to read, but for what the organization accepts."""
        return self.earlier.manifest.complete and self.later.manifest.complete

    @property
    def unread(self) -> list[Cell]:
        """Cells that the earlier scan read and the later one did not, for whatever reason."""
        return [cell for cell in self.cells if cell.earlier.reach == "read" != cell.later.reach]

    @property
    def read_now(self) -> list[Cell]:
        """Cells that the later scan read and the earlier one did not."""
        return [cell for cell in self.cells if cell.later.reach == "read" != cell.earlier.reach]

    @property
    def read_by_both(self) -> int:
        return sum(cell.earlier.reach == cell.later.reach == "read" for cell in self.cells)

    @property
    def failed(self) -> list[LedgerRow]:
        """APIs that failed in the later scan and not in the earlier one."""
        known = self.earlier.failed
        return [row for place, row in sorted(self.later.failed.items()) if place not in known]

    @property
    def added(self) -> list[str]:
        """Controls that only the later scan has."""
        return sorted(self.later.plan.controls.keys() - self.earlier.plan.controls.keys())

    @property
    def removed(self) -> list[str]:
        return sorted(self.earlier.plan.controls.keys() - self.later.plan.controls.keys())

    @property
    def edited(self) -> list[str]:
        """Controls of both whose files differ."""
        return [id_ for id_ in self.controls if self.earlier.files_of(id_) != self.later.files_of(id_)]

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the two scans before anything else."""
        return list(_notes(self.earlier, self.later))

    def code(self) -> int:
        """As of `--exit-code`: 3 where the later scan knows less, since what it did not read may be worse; 1 where more
        is blocked."""
        if self.unread or self.failed or self.lost or (self.earlier.manifest.complete and not self.complete):
            return 3
        return 1 if self.newly_blocked else 0

    def add(self, change: Change) -> None:
        """Count one package, and name it if it is among the worst of its kind."""
        self.kinds[change.kind] += 1
        self.newly_blocked += change.newly_blocked
        self.lost += change.lost
        self.unchanged -= change.before is not None and change.before.role != "gone"
        for one in change.differences:
            kinds = tuple(dict.fromkeys(cause.kind for cause in one.causes))
            self.causes.update(kinds)
            self.groups[Group(one.control, phrase(one.before), phrase(one.after), kinds)] += 1
        named = self.named.setdefault(change.kind, [])
        named.append(change)
        if len(named) >= 2 * self.most + 100:
            self._trim(change.kind)

    def _trim(self, kind: Kind) -> None:
        self.named[kind] = sorted(self.named[kind], key=Change.weight)[: self.most]

    def end(self) -> None:
        """Everything was added."""
        for kind in self.named:
            self._trim(kind)


def compare(earlier: Recorded, later: Recorded, most: int, keep: Container[str] | None = None) -> Comparison:
    """Compare two scans; of each kind of change at most so many packages are named. `keep`: count only changes of these.

    Raises:
        TablesError: a table cannot be read, or the extra `[scan]` is not installed.
        ScanError: a file of a scan cannot be read.
    """
    found = Comparison(earlier, later, cells_of(earlier, later), most)
    with paired(earlier.folder.path, later.folder.path) as pairs:
        found.unchanged = pairs.count()
        cells = {(cell.account, cell.region): cell for cell in found.cells}
        for chunk in pairs.differing(found.controls):
            for change in _changes(found, pairs, cells, chunk):
                if keep is None or change.package in keep:
                    found.add(change)
    found.end()
    return found


def ordered(groups: Mapping[Group, int]) -> list[tuple[Group, int]]:
    """The most findings first, then by control."""
    return sorted(groups.items(), key=lambda item: (-item[1], item[0].control, item[0].before, item[0].after))


def _changes(
    found: Comparison, pairs: Pairs, cells: Mapping[tuple[str, str], Cell], chunk: Sequence[Pair]
) -> Iterator[Change]:
    then, now = pairs.said("earlier", chunk), pairs.said("later", chunk)
    differing = {pair.package: _differing(found, pair, then, now) for pair in chunk}
    asked = [pair for pair in chunk if differing[pair.package]]
    proof = pairs.evidence("earlier", asked), pairs.evidence("later", asked)
    for pair in chunk:
        package, cell = pair.package, cells[pair.account, pair.region]
        controls = differing[package]
        kind = kind_of(pair.earlier, pair.later, cell.earlier.reach, cell.later.reach, differs=bool(controls))
        if kind is not None:
            before, after = _standing(pair.earlier, then[package]), _standing(pair.later, now[package])
            yield Change(package, kind, before, after, tuple(_why(found, pair, controls, (then, now), proof)))


def _why(
    found: Comparison,
    pair: Pair,
    controls: Sequence[str],
    said: tuple[Mapping[str, Mapping[str, Said]], ...],
    proof: tuple[Mapping[str, Evidence], ...],
) -> Iterator[Difference]:
    if pair.earlier is None or pair.later is None:
        return
    one = Judged(found.earlier, pair.earlier, proof[0].get(pair.package))
    two = Judged(found.later, pair.later, proof[1].get(pair.package))
    then, now = said[0][pair.package], said[1][pair.package]
    for control in controls:
        yield why(one, two, control, then.get(control), now.get(control))


def _differing(
    found: Comparison, pair: Pair, then: Mapping[str, Mapping[str, Said]], now: Mapping[str, Mapping[str, Said]]
) -> list[str]:
    """Controls whose findings differ, sorted; none of a package that only one scan judged, which has none to compare.

    A control that only one of the scans has is told once for all packages, and here only where the verdict differs.
    """
    one, two = pair.earlier, pair.later
    if one is None or two is None or not one.verdict or not two.verdict:
        return []
    said, says = then[pair.package], now[pair.package]
    judged = sorted({*said, *says})
    if one.verdict == two.verdict:
        judged = [id_ for id_ in judged if id_ in found.controls]
    differing = [id_ for id_ in judged if differ(said.get(id_), says.get(id_))]
    if differing or one.verdict == two.verdict:
        return differing
    # Where nothing applied before, a pass alone changes the verdict.
    return [id_ for id_ in judged if id_ not in said or id_ not in says]


def _standing(found: Found | None, said: Mapping[str, Said]) -> Standing | None:
    if found is None:
        return None
    stopping = tuple(sorted(id_ for id_, one in said.items() if one.effect in _STOPS))
    return Standing(found.role, found.why, found.stage, found.moment, found.verdict, stopping)


def _notes(earlier: Recorded, later: Recorded) -> Iterator[str]:
    # Times have whole seconds; ids sort also what began within one.
    if (earlier.manifest.started_at, earlier.id) > (later.manifest.started_at, later.id):
        yield f"the first scan began after the second: read it the other way round, or compare {later.id} {earlier.id}"
    if not earlier.accounts & later.accounts:
        yield "the scans have no account in common"
    for scan in (earlier, later):
        if scan.settings is None:
            yield f"the settings of scan {scan.id} cannot be read by this release: which of them differ is not told"
    for what, then, now in (
        ("controls", earlier.plan.bundle.digest, later.plan.bundle.digest),
        ("settings", earlier.settings_digest("digest"), later.settings_digest("digest")),
        ("waivers", earlier.settings_digest("waivers_digest"), later.settings_digest("waivers_digest")),
    ):
        if then != now:
            yield f"the {what} differ"
    versions = earlier.plan.versions, later.plan.versions
    for name in sorted({*versions[0], *versions[1]}):
        if versions[0].get(name) != versions[1].get(name):
            yield f"{name} differs: {versions[0].get(name, 'none')} -> {versions[1].get(name, 'none')}"

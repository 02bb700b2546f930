"""Scopes: which packages a `[[scope]]` block is about, and what it sets for them.

Account and group come from the package's ARN. The unit comes from the settings and a tag from evidence, so both may be
unknown; then nobody can tell whether the scope holds, and the stricter of both readings does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from msgspec import Struct, field

from modelwarden import toml
from modelwarden.arn import ArnError, parse_arn
from modelwarden.control import ParameterValue
from modelwarden.enforcement import Enforcement, parse_enforcement
from modelwarden.evidence import Evidence, Present, Unknown
from modelwarden.facts import escape
from modelwarden.parameter import ParameterDeclaration
from modelwarden.toml import SettingsError, quoted

ACCOUNT: Final = re.compile(r"\d{12}")


class Subject(Struct, frozen=True):
    """What scopes and waivers may ask of one package."""

    arn: str
    account: str | None
    """None where the ARN is no ARN of a model package; then every scope that asks for it is unknown."""
    region: str | None
    group: str | None
    """None also for an unversioned package, which has no group."""
    unit: str | Unknown
    """Path of organizational units: `Workloads/Retail`."""
    facts: Evidence


def subject_of(facts: Evidence, units: Mapping[str, str]) -> Subject:
    """Read a subject from the package's ARN; `units` is account id -> path of units."""
    try:
        arn = parse_arn(facts.package)
    except ArnError:
        return Subject(facts.package, None, None, None, Unknown("the account is not known"), facts)
    unit = units.get(arn.account) or Unknown(f"no setting says which unit account {arn.account} belongs to")
    return Subject(facts.package, arn.account, arn.region, arn.group, unit, facts)


class Match(Struct, frozen=True):
    """Which packages; everything that is given must hold, of a list one member."""

    accounts: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    """A unit stands for everything below it."""
    groups: tuple[str, ...] = ()
    """Patterns (`*`, `?`, `[...]`), without regard to case: SageMaker lowers the names in ARNs."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def holds(self, subject: Subject) -> Literal["yes", "no"] | Unknown:
        """Whether the package is one of them; `Unknown` with the reason where that cannot be told."""
        answers = [
            *([self._account(subject)] if self.accounts else []),
            *([self._group(subject)] if self.groups else []),
            *([self._unit(subject.unit)] if self.units else []),
            *(_tag(key, value, subject.facts) for key, value in self.tags.items()),
        ]
        if "no" in answers:
            return "no"
        return next((answer for answer in answers if isinstance(answer, Unknown)), "yes")

    def lies_within(self, other: Match) -> bool:
        """Whether every package of this match is certainly one of the other's."""
        pairs = ((self.accounts, other.accounts), (self.units, other.units), (self.groups, other.groups))
        return all(not theirs or (mine and set(mine) <= set(theirs)) for mine, theirs in pairs) and (
            other.tags.items() <= self.tags.items()
        )

    def _account(self, subject: Subject) -> Literal["yes", "no"] | Unknown:
        if subject.account is None:
            return Unknown("the package has no ARN that names an account")
        return "yes" if subject.account in self.accounts else "no"

    def _group(self, subject: Subject) -> Literal["yes", "no"] | Unknown:
        if subject.account is None:
            return Unknown("the package has no ARN that names a group")
        group = (subject.group or "").casefold()
        return "yes" if group and any(fnmatchcase(group, one.casefold()) for one in self.groups) else "no"

    def _unit(self, unit: str | Unknown) -> Literal["yes", "no"] | Unknown:
        if isinstance(unit, Unknown):
            return unit
        return "yes" if any(unit == one or unit.startswith(one + "/") for one in self.units) else "no"

    def __str__(self) -> str:
        named = {"account": self.accounts, "unit": self.units, "group": self.groups}
        parts = [f"{name} {' or '.join(values)}" for name, values in named.items() if values]
        return ", ".join([*parts, *(f"tag {key}={value}" for key, value in self.tags.items())])


class Scope(Struct, frozen=True):
    """One `[[scope]]` block."""

    label: str
    """`scope 2 (retail)`."""
    match: Match
    enforcement: Mapping[str, Enforcement]
    parameters: Mapping[str, ParameterValue]


def parse_scope(
    entry: Any,
    index: int,
    where: str,
    declarations: Mapping[str, ParameterDeclaration],
    control_ids: Collection[str],
) -> Scope:
    """One block; `index` counts from 1.

    Raises:
        SettingsError: an empty match, an unknown key, control or parameter, or a value of another type.
    """
    where = f"{where}: scope {index}"
    toml.table(entry, where, ("name", "match", "enforcement", "parameters"))
    name = toml.text(entry["name"], f"{where}: `name`") if "name" in entry else ""
    if not entry.get("enforcement") and not entry.get("parameters"):
        raise SettingsError(f"{where}: sets nothing", "give it `enforcement` or `parameters`")
    return Scope(
        f"scope {index} ({toml.printable(name)})" if name else f"scope {index}",
        _match(entry.get("match"), f"{where}: `match`"),
        parse_enforcement(entry.get("enforcement", {}), where, control_ids),
        parse_parameters(entry.get("parameters", {}), where, declarations),
    )


def parse_parameters(
    entry: Any, where: str, declarations: Mapping[str, ParameterDeclaration]
) -> dict[str, ParameterValue]:
    """Name -> typed value of a `[parameters]` table.

    Raises:
        SettingsError: a parameter that no bundle declares, or a value of another type.
    """
    found = {}
    for name, value in toml.table(entry, f"{where}: `parameters`").items():
        if name not in declarations:
            raise SettingsError(f"{where}: unknown parameter {quoted(name)}", toml.suggest(name, declarations))
        found[name] = declarations[name].typed(value, f"{where}: `parameters.{name}`")
    return found


def _match(entry: Any, where: str) -> Match:
    toml.table(entry if entry is not None else {}, where, ("account", "unit", "group", "tag"))
    if not entry:
        raise SettingsError(f"{where}: matches nothing in particular", "name an account, unit, group or tag")
    accounts = toml.texts(entry["account"], toml.inside(where, "account")) if "account" in entry else ()
    for account in accounts:
        if not ACCOUNT.fullmatch(account):
            raise SettingsError(
                f"{toml.inside(where, 'account')}: {quoted(account)} is not an account id", "write 12 digits in quotes"
            )
    tags = toml.table(entry.get("tag", {}), toml.inside(where, "tag"))
    units = toml.texts(entry["unit"], toml.inside(where, "unit")) if "unit" in entry else ()
    return Match(
        accounts,
        tuple(unit.strip("/") for unit in units),
        toml.texts(entry["group"], toml.inside(where, "group")) if "group" in entry else (),
        {key: toml.text(value, toml.inside(toml.inside(where, "tag"), key)) for key, value in tags.items()},
    )


def _tag(key: str, value: str, facts: Evidence) -> Literal["yes", "no"] | Unknown:
    fact = facts.get(f"/tag/{escape(key)}")
    if isinstance(fact, Unknown):
        return Unknown(f"tag `{key}` is unknown: {fact.reason}")
    return "yes" if isinstance(fact, Present) and fact.value == value else "no"

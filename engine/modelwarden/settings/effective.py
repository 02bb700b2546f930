"""Settings: all layers together, and what they say of one package and request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct, field

from modelwarden import toml
from modelwarden.control import ParameterValue
from modelwarden.enforcement import Setting, recommended
from modelwarden.estate import Scan
from modelwarden.evidence import Evidence, digest
from modelwarden.finding import AppliedWaiver, Finding, Level
from modelwarden.gap import Gap
from modelwarden.parameter import ParameterDeclaration
from modelwarden.request import STAGES, Request, Stage
from modelwarden.scope import Subject, subject_of
from modelwarden.settings.layer import REDACTED, SECRET, Layer, Source
from modelwarden.settings.reading import Collect, Enforce, collect_of, enforce_of, redact_of
from modelwarden.settings.resolve import NOTHING, Holds, levels, parameter_of, resolve
from modelwarden.settings.respond import Respond, respond_of
from modelwarden.settings.scan import scan_of
from modelwarden.settings.sources import Sources
from modelwarden.toml import SettingsError, Table
from modelwarden.waiver import LONGEST, Waiver

SCHEMA_VERSION: Final = "modelwarden.settings/1"

_NOT_JUDGING: Final = ("bundle", "runs", "collect", "enforce", "scan", "pack", "waiver", "sign", "log")
"""Settings that the digest leaves out: controls have a digest of their own, and so have waivers; the others judge nothing."""
_KEPT: Final = 1_000
"""How many combinations of stage, moment, day and scopes are kept."""


class Effective:
    """What holds for one package and request."""

    def __init__(
        self, settings: Settings, subject: Subject, request: Request, refusal: Refusal = lambda waiver, effective: ""
    ) -> None:
        self._settings = settings
        self._refusal = refusal
        self._subject = subject
        self._as_of = instant(request.as_of)
        self._resolved = settings.resolved(subject, request, self._as_of.date() if self._as_of else None)

    def level(self, control_id: str) -> tuple[Level, str]:
        """The level and the setting that gave it.

        Raises:
            KeyError: no such control.
        """
        return self._resolved.levels[control_id]

    @property
    def parameters(self) -> Mapping[str, ParameterValue]:
        """Name -> value, of every parameter that has one for certain."""
        return self._resolved.parameters

    @property
    def parameters_unknown(self) -> Mapping[str, str]:
        """Name -> why its value cannot be told."""
        return self._resolved.unknown

    def waivers(self, control_id: str) -> tuple[Waiver, ...]:
        """The live waivers that are about this package and control and that somebody granted who may, by id."""
        found = self._settings.waivers
        return tuple(
            one for one in found if self._live(one) and one.covers(self._subject, control_id) and not self._refused(one)
        )

    def waiver(self, finding: Finding) -> AppliedWaiver | None:
        """The first live waiver that covers the finding: a fail, or an unknown where the waiver lists unknown."""
        if finding.outcome not in ("fail", "unknown"):
            return None
        fitting = (one for one in self.waivers(finding.control) if finding.outcome == "fail" or one.unknown)
        return next((one.applied() for one in fitting), None)

    @property
    def notices(self) -> list[str]:
        """What a decision says once: loud waivers that count, waivers that no longer do, scopes that nobody can tell."""
        about = [one for one in self._settings.waivers if any(one.covers(self._subject, id_) for id_ in one.controls)]
        loud = [one for one in about if one.loud and self._live(one) and not self._refused(one)]
        notices = [
            f"{'break-glass' if one.break_glass else 'waiver'} {one.id} counts until {one.expires}: {', '.join(one.controls)},"
            f" owned by {one.owner}, approved by {one.approved_by}: {one.reason}"
            for one in loud
        ]
        refused = [(one, self._refused(one)) for one in about if self._live(one)]
        notices += [f"waiver {one.id} does not count: {why}" for one, why in refused if why]
        notices += [
            f"waiver {one.id} does not count: it ends on {one.expires}, more than {LONGEST.days} days from now, and does not"
            " say when it was `granted`"
            for one in about
            if one.state(self._as_of) == "ends too late"
        ]
        notices += [f"waiver {one.id} does not count: {why}" for one in about if (why := self._not_live(one))]
        expired = self.expired_waivers()
        notices += [f"waiver {one.id} for {', '.join(one.controls)} expired: {one.expires}" for one in expired]
        notices += [f"parameter {name} cannot be told: {why}" for name, why in self.parameters_unknown.items()]
        return notices

    def expired_waivers(self) -> tuple[Waiver, ...]:
        """Waivers of this package that no longer count; for reports."""
        found = self._settings.waivers
        about = [one for one in found if any(one.covers(self._subject, id_) for id_ in one.controls)]
        return tuple(one for one in about if one.state(self._as_of) == "expired")

    def _live(self, waiver: Waiver) -> bool:
        return waiver.state(self._as_of) == "live"

    def _not_live(self, waiver: Waiver) -> str:
        """Why a waiver that has not ended counts no more, or not yet; empty for others."""
        state = waiver.state(self._as_of)
        if state == "requested":
            return f"{len(waiver.approvers)} of {waiver.needed} approvals"
        if state == "revoked" and waiver.revoked and self._as_of is not None and self._as_of < waiver.ends:
            return f"revoked by {waiver.revoked}: {waiver.revoked.reason}"
        return ""

    def _refused(self, waiver: Waiver) -> str:
        return self._refusal(waiver, self)


Refusal = Callable[[Waiver, Effective], str]
"""Why a live waiver does not count, empty where it does (`authz.refused_waiver`)."""


class Resolved(Struct, frozen=True, dict=True):
    """Everything that depends on stage, moment, day and scopes only."""

    levels: Mapping[str, tuple[Level, str]]
    parameters: Mapping[str, ParameterValue]
    unknown: Mapping[str, str]


class Settings(Struct, frozen=True, dict=True):
    """All layers together."""

    sources: Sources
    layers: tuple[Layer, ...]
    """Each with `name`, `path` and `digest`; the first is the authority."""
    declarations: Mapping[str, ParameterDeclaration]
    control_ids: tuple[str, ...]
    _cache: dict[Any, Resolved] = field(default_factory=dict)

    @staticmethod
    def of(
        sources: Sources, declarations: Mapping[str, ParameterDeclaration], control_ids: Collection[str]
    ) -> Settings:
        """Check sources against what the bundle holds.

        Raises:
            SettingsError: anything that does not exist, has another type, or loosens a layer above.
        """
        ids = tuple(sorted(control_ids))
        settings = Settings(sources, sources.parse(declarations, ids), declarations, ids)
        _ = settings.collect, settings.enforce, settings.scan, settings.redact, settings.respond
        return settings

    @property
    def advisory(self) -> bool:
        """Whether no pinned organization layer stands behind the settings; every decision says so."""
        return self.sources.advisory

    @property
    def bundle_paths(self) -> tuple[Path, ...]:
        return self.sources.bundle_paths

    @property
    def runs(self) -> Path | None:
        """The folder for runs; None where nobody named one."""
        return self.sources.runs

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What the organization accepts not to be read, expired or not."""
        return self.layers[0].gaps

    @property
    def records(self) -> str | None:
        """Where runs are kept that count as precedents; only a pinned organization layer names it."""
        return self.layers[0].records

    @property
    def store(self) -> str | None:
        """Where the state of packages is kept; only a pinned organization layer names it, else it is beside the runs."""
        return self.layers[0].store

    @property
    def sign(self) -> str | None:
        """The key that signs decisions; only a pinned organization layer names it."""
        return self.layers[0].sign

    @property
    def log(self) -> str | None:
        """The log of decisions; only a pinned organization layer names it."""
        return self.layers[0].log

    @property
    def profile(self) -> str:
        """The strictest profile that a layer names."""
        return next(layer.profile for layer in reversed(self.layers) if layer.profile)

    @cached_property
    def waivers(self) -> tuple[Waiver, ...]:
        """All waivers, live or not; only the first layer has any."""
        return self.layers[0].waivers

    @cached_property
    def units(self) -> Mapping[str, str]:
        """Account id -> path of organizational units."""
        return self.layers[0].accounts

    @cached_property
    def account_stages(self) -> Mapping[str, Stage]:
        """Account id -> the stage of packages there that claim none in their life cycle."""
        return self.layers[0].account_stages

    @cached_property
    def stages(self) -> Mapping[str, str]:
        """Stage as ModelLifeCycle names it -> ours; ours stand for themselves."""
        return MappingProxyType({**{stage: stage for stage in STAGES}, **self.layers[0].stages})

    @cached_property
    def collect(self) -> Collect:
        """The organization layer's values stand; below it the later layer wins.

        Raises:
            SettingsError: a mistyped value, or one that contradicts the organization layer.
        """
        return collect_of(self.layers)

    @cached_property
    def enforce(self) -> Enforce:
        """Layers as for `collect`, with the same errors."""
        return enforce_of(self.layers)

    @cached_property
    def redact(self) -> tuple[str, ...]:
        """Patterns of what is taken out of evidence packs, of all layers together.

        Raises:
            SettingsError: a pattern that is none.
        """
        return redact_of(self.layers)

    @cached_property
    def scan(self) -> Scan:
        """Which accounts and regions the scan is to read; only the first layer says it.

        Raises:
            SettingsError: a mistyped value, or one without an effect beside another.
        """
        return scan_of(self.layers)

    @cached_property
    def respond(self) -> Respond:
        """What is done about an approval that events tell of; only the first layer says it.

        Raises:
            SettingsError: a mistyped value.
        """
        return respond_of(self.layers)

    @cached_property
    def digest(self) -> str:
        """`sha256:<hex>` over what all layers say, without waivers, paths and how evidence is read.

        A layer that says nothing else counts for nothing: whoever names another folder for runs judges by the same rules.
        """
        judging = (
            (layer.name, {key: v for key, v in layer.source.document.items() if key not in _NOT_JUDGING})
            for layer in self.layers
        )
        said = [[name, document] for name, document in judging if document]
        return digest(toml.plain({"layers": said, "profile": self._profiles()}))

    @cached_property
    def waivers_digest(self) -> str:
        return digest([waiver.to_json() | {"path": ""} for waiver in self.waivers])

    def reads(self) -> tuple[str, ...]:
        """Patterns of the facts that scopes ask for; account and group are in the ARN."""
        asked = any(scope.match.tags for layer in self.layers for scope in layer.scopes)
        return ("/tag_keys", "/tag/{key}") if asked else ()

    def effective(
        self, facts: Evidence, request: Request, refusal: Refusal = lambda waiver, effective: ""
    ) -> Effective:
        """What holds for one package and request; `refusal` says which waivers nobody granted who may. Never raises."""
        return Effective(self, subject_of(facts, self.units), request, refusal)

    def to_json(self) -> dict[str, Any]:
        """A document that `from_json` reads back, so that a decision can be made again later."""
        return {
            "schema": SCHEMA_VERSION,
            "digest": self.digest,
            "waivers_digest": self.waivers_digest,
            "advisory": self.advisory,
            "recommended": self._profiles(),
            "layers": [
                {
                    "name": layer.name,
                    "path": layer.path,
                    "digest": layer.digest,
                    "document": toml.plain(_recorded(layer.source.document)),
                    "waivers": [{"path": path, "waiver": toml.plain(entry)} for path, entry in layer.source.waivers],
                }
                for layer in self.layers
            ],
        }

    @staticmethod
    def from_json(
        document: Any, declarations: Mapping[str, ParameterDeclaration], control_ids: Collection[str]
    ) -> Settings:
        """Read recorded settings.

        Raises:
            SettingsError: another shape, or a digest that does not fit.
        """
        if not isinstance(document, dict) or document.get("schema") != SCHEMA_VERSION:
            raise SettingsError(f"not recorded settings: `schema` is not `{SCHEMA_VERSION}`", "name a recorded run")
        try:
            table = _table(document.get("recommended"))
            sources = tuple(
                Source(
                    entry["name"],
                    entry["path"],
                    entry["digest"],
                    entry["document"],
                    tuple((one["path"], one["waiver"]) for one in entry["waivers"]),
                    table,
                )
                for entry in document["layers"]
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"recorded settings: a layer is broken: {error}", "name a recorded run") from error
        settings = Settings.of(Sources(sources, (), None), declarations, control_ids)
        for name, actual in (("digest", settings.digest), ("waivers_digest", settings.waivers_digest)):
            if document.get(name) != actual:
                # Records of before they kept what the profile stands for can be read as long as it stands for the same.
                other = (
                    "" if table or name == "waivers_digest" else ", or the profile `recommended` was another one then"
                )
                raise SettingsError(
                    f"recorded settings: `{name}` does not fit: they were changed{other}", "name another run"
                )
        return settings

    def resolved(self, subject: Subject, request: Request, day: date | None) -> Resolved:
        """Levels and parameters; packages for which the same scopes hold share one."""
        answers = {id(scope): scope.match.holds(subject) for layer in self.layers for scope in layer.scopes}
        key = (request.stage, request.moment, day, tuple(map(str, answers.values())))
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _KEPT:
                self._cache.clear()
            # Another thread may clear what this one has just put there.
            self._cache[key] = found = self._resolve(lambda scope: answers[id(scope)], request, day)
        return found

    def _resolve(self, holds: Holds, request: Request, day: date | None) -> Resolved:
        parameters: dict[str, ParameterValue] = {}
        unknown: dict[str, str] = {}
        for name, declaration in self.declarations.items():
            possible = parameter_of(self.layers, holds, declaration)
            if len(possible) > 1:
                unknown[name] = next((held.doubt for held in possible if held.doubt), "a scope may set it")
            elif possible[0].value is not None:
                parameters[name] = possible[0].value
        levels_ = {id_: self._level(holds, id_, request, day) for id_ in self.control_ids}
        return Resolved(levels_, MappingProxyType(parameters), MappingProxyType(unknown))

    def _level(self, holds: Holds, id_: str, request: Request, day: date | None) -> tuple[Level, str]:
        possible = resolve(self.layers, holds, NOTHING, levels(id_, request.stage, request.moment))
        held = max(possible, key=lambda one: one.value.strictness())
        doubt = next((one.doubt for one in possible if one.doubt), "") if len(possible) > 1 else ""
        level = held.value.at(day)
        waiting = f"flag until {held.value.block_from} (block_from), " if level != held.value.level else ""
        return level, waiting + held.why + (f"; {doubt}, so the stricter level holds" if doubt else "")

    def _profiles(self) -> dict[str, Any]:
        """The tables that the named profiles stand for."""
        if all(layer.profile != "recommended" for layer in self.layers):
            return {}
        table = self.layers[0].source.recommended
        table = recommended() if table is None else table
        return {id_: {stage: str(setting) for stage, setting in row.items()} for id_, row in table.items()}


def _table(recorded: Mapping[str, Mapping[str, Level]] | None) -> Mapping[str, Mapping[str, Setting]] | None:
    """The profile `recommended` as it was recorded; None where no layer named it, or nobody kept it."""
    if not recorded:
        return None
    return {id_: {stage: Setting(level) for stage, level in row.items()} for id_, row in recorded.items()}


def _recorded(document: Table) -> Table:
    """Without waivers, which stand beside it, and without what is secret; neither is in the digest of the settings."""
    kept = {key: value for key, value in document.items() if key != "waiver"}
    for name in ("collect", "enforce"):
        if SECRET in kept.get(name, {}):
            kept[name] = {**kept[name], SECRET: REDACTED}
    return kept


def instant(text: str) -> datetime | None:
    """The time of a request; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)

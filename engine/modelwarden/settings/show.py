"""Show: every value that holds, the layer it comes from, and what it overrode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from modelwarden import toml
from modelwarden.enforcement import Enforcement, Setting, of_profile
from modelwarden.estate import Scan
from modelwarden.request import MOMENTS, STAGES
from modelwarden.settings.effective import Settings
from modelwarden.settings.layer import COLLECT, ENFORCE, LABELS, REDACTED, RESPOND, SCAN, SECRET, Layer
from modelwarden.settings.resolve import assuming, level_of, parameter_of
from modelwarden.settings.respond import Respond
from modelwarden.waiver import Waiver


class Row(Struct, frozen=True):
    """One setting outside of every scope, or one that a scope sets."""

    setting: str
    """`enforcement.ENC-02.Production`."""
    value: Any
    """As JSON holds it; None for a parameter that nobody set."""
    layer: str
    """`organization layer`, `default` ..."""
    overrode: tuple[tuple[Any, str], ...] = ()
    """(value, layer) of what it replaced, the latest first."""

    def to_json(self) -> dict[str, Any]:
        overrode = [{"value": value, "layer": layer} for value, layer in self.overrode]
        return {"setting": self.setting, "value": self.value, "layer": self.layer, "overrode": overrode}


Chain = list[tuple[Any, str]]
"""(value, layer), each of another value than the one before."""


def rows(settings: Settings) -> list[Row]:
    """Every setting, in the order of the documentation."""
    layers = settings.layers
    found = [_row("profile", [(one.profile, one.label) for one in layers if one.profile])]
    for id_ in settings.control_ids:
        found += _level_rows(layers, id_)
    for name in sorted(settings.declarations):
        found.append(_row(f"parameters.{name}", _parameter(settings, name)))
    for layer in layers:
        found += _scope_rows(layer)
    first = layers[0]
    found += [Row(f"accounts.{id_}.unit", unit, first.label) for id_, unit in first.accounts.items()]
    found += [Row(f"accounts.{id_}.stage", stage, first.label) for id_, stage in first.account_stages.items()]
    found += [Row(f"stages.{name}", stage, first.label) for name, stage in first.stages.items()]
    found += [Row("delegated_parameters", list(first.delegated), first.label)] if first.delegated else []
    places = (("records", first.records), ("store", first.store), ("sign", first.sign), ("log", first.log))
    found += [Row(name, place, first.label) for name, place in places if place]
    scan = [(key, getattr(settings.scan, key)) for key in SCAN]
    found += [
        Row(f"scan.{key}", toml.plain(value), first.label) for key, value in scan if value != getattr(Scan(), key)
    ]
    respond = [(key, getattr(settings.respond, key)) for key in RESPOND]
    found += [
        Row(f"respond.{key}", toml.plain(value), first.label)
        for key, value in respond
        if value != getattr(Respond(), key)
    ]
    for table, key in (*(("collect", key) for key in COLLECT), *(("enforce", key) for key in ENFORCE)):
        documents = [(one.source.document.get(table, {}), one.label) for one in layers]
        said = [
            (REDACTED if key == SECRET else document[key], label) for document, label in documents if key in document
        ]
        found += [_row(f"{table}.{key}", said)] if said else []
    found += [Row("pack.redact", pattern, "all layers") for pattern in settings.redact]
    found += [Row("bundle", str(path), "all layers") for path in settings.bundle_paths]
    found += [
        Row(f"gap.{one.account}.{one.region}", f"{one.api} until {one.expires}, owned by {one.owner}", first.label)
        for one in first.gaps
    ]
    return found + [
        Row(f"waiver.{one.id}", f"{', '.join(one.controls)} for {one.target[1]} {_until(one)}", first.label)
        for one in settings.waivers
    ]


def _row(setting: str, said: Iterable[tuple[Any, str]]) -> Row:
    chain: Chain = []
    for value, layer in said:
        value = toml.plain(value) if not isinstance(value, Setting) else str(value)
        if not chain or chain[-1][0] != value:
            chain.append((value, layer))
    (value, layer), *before = reversed(chain)
    return Row(setting, value, layer, tuple(entry for entry in before if entry[0] is not None))


def _level_rows(layers: Sequence[Layer], id_: str) -> Iterator[Row]:
    for stage in STAGES:
        found = {moment: _row("", _level(layers, id_, stage, moment)) for moment in MOMENTS}
        whole = len({(row.value, row.layer) for row in found.values()}) == 1
        for moment, row in found.items():
            name = f"enforcement.{id_}.{stage}" + ("" if whole else f".{moment}")
            yield Row(name, row.value, row.layer, row.overrode)
            if whole:
                break


def _level(layers: Sequence[Layer], id_: str, stage: str, moment: str) -> Iterator[tuple[Setting, str]]:
    profile = layers[0].profile or "observe"
    yield of_profile(profile, id_, stage), f"profile {profile}"
    for number, layer in enumerate(layers, start=1):
        held = level_of(layers[:number], assuming(None), id_, stage, moment)
        yield held.value, layer.label


def _parameter(settings: Settings, name: str) -> Iterator[tuple[Any, str]]:
    declaration = settings.declarations[name]
    yield declaration.default, "default" if declaration.default is not None else "nobody"
    for number, layer in enumerate(settings.layers, start=1):
        held = parameter_of(settings.layers[:number], assuming(None), declaration)[0]
        yield held.value, LABELS.get(held.layer, "default") if held.value is not None else layer.label


def _scope_rows(layer: Layer) -> Iterator[Row]:
    for scope in layer.scopes:
        where = f"{scope.label} [{scope.match}]"
        for id_, entry in scope.enforcement.items():
            yield Row(f"{where} enforcement.{id_}", _entry(entry), layer.label)
        for name, value in scope.parameters.items():
            yield Row(f"{where} parameters.{name}", toml.plain(value), layer.label)


def _entry(entry: Enforcement) -> str:
    """`block`, or the cells that it names."""
    if entry.everywhere is not None:
        return entry.everywhere
    cells = [f"{stage} {moment} {level}" for (stage, moment), level in entry.by_cell.items()]
    return ", ".join(cells + ([f"block from {entry.block_from}"] if entry.block_from else []))


def _until(waiver: Waiver) -> str:
    """Until when it counts; says so of one that cannot count, whatever the time."""
    if waiver.revoked is not None:
        return f"revoked by {waiver.revoked}"
    missing = waiver.needed - len(waiver.approvers)
    return f"until {waiver.expires}" + (f", requested: {missing} approvals missing" if missing > 0 else "")

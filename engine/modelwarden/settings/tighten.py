"""Tighten: a layer below may ask for more than those above it and never for less. Checked before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from modelwarden.enforcement import PROFILES, Setting
from modelwarden.parameter import ParameterDeclaration
from modelwarden.request import MOMENTS, STAGES
from modelwarden.scope import Match, Scope
from modelwarden.settings.layer import Layer
from modelwarden.settings.resolve import Held, Holder, assuming, level_of, levels, parameter_of, spelled
from modelwarden.toml import SettingsError, quoted


def check_tightening(layers: Sequence[Layer], declarations: Mapping[str, ParameterDeclaration]) -> None:
    """A statement is compared with what holds above it wherever the statement holds.

    Raises:
        SettingsError: a layer loosens one above it; the message names the setting, both values and both layers.
    """
    for number, layer in enumerate(layers[1:], start=1):
        above = layers[:number]
        _check_profile(layer, above)
        said: list[tuple[Holder, Match | None]] = [(layer, None), *((scope, scope.match) for scope in layer.scopes)]
        for holder, match in said:
            _check_levels(layer, holder, match, above)
            _check_parameters(layer, holder, match, above, declarations)


def _check_profile(layer: Layer, above: Sequence[Layer]) -> None:
    if layer.profile is None:
        return
    highest = max((one for one in above if one.profile), key=lambda one: PROFILES.index(one.profile or "observe"))
    assert highest.profile is not None
    if PROFILES.index(layer.profile) < PROFILES.index(highest.profile):
        _refuse(layer, "profile", layer.profile, highest.profile, highest)


def _check_levels(layer: Layer, holder: Holder, match: Match | None, above: Sequence[Layer]) -> None:
    for id_ in holder.enforcement:
        for stage in STAGES:
            for moment in MOMENTS:
                held = level_of(above, assuming(match), id_, stage, moment)
                stated = levels(id_, stage, moment).stated(holder, held.value)
                low = stated[0] if stated else held.value
                if low.strictness() < held.value.strictness():
                    setting = f"{_prefix(holder)}enforcement.{id_}"
                    _refuse(layer, setting, low, held.value, _origin(held, above), f" at {stage} ({moment})")


def _check_parameters(
    layer: Layer,
    holder: Holder,
    match: Match | None,
    above: Sequence[Layer],
    declarations: Mapping[str, ParameterDeclaration],
) -> None:
    for name, value in holder.parameters.items():
        declaration = declarations[name]
        held = parameter_of(above, assuming(match), declaration)[0]
        setting = f"{_prefix(holder)}parameters.{name}"
        if held.value is None:
            if not any(name in one.delegated for one in above):
                raise SettingsError(
                    f"{layer.path}: `{setting}` is not set by the {above[0].label} and not delegated by it",
                    f"set it there, or list it under `delegated_parameters` of {above[0].path}",
                )
        elif not declaration.tightens(held.value, value):
            _refuse(layer, setting, value, held.value, _origin(held, above))


def _prefix(holder: Holder) -> str:
    return f"{holder.label}: " if isinstance(holder, Scope) else ""


def _origin(held: Held[Any], above: Sequence[Layer]) -> Layer | None:
    return next((layer for layer in above if layer.name == held.layer), None)


def _refuse(layer: Layer, setting: str, low: Any, high: Any, origin: Layer | None, at: str = "") -> NoReturn:
    said_by = f"the {origin.label} ({origin.path})" if origin else "the declaration of the parameter"
    if origin is not None and origin.name == "default":
        said_by = "the profile observe, which holds without a settings file"
    both = f"{_shown(low)} loosens {_shown(high)}"
    raise SettingsError(
        f"{layer.path}: `{setting}`{at}: {both} of {said_by}",
        "a layer below may only tighten: leave it out, or have it changed above",
    )


def _shown(value: Any) -> str:
    return quoted(spelled(value) if isinstance(value, tuple | Setting) else value)

"""Resolve: what holds for one package after all layers, and which layer below says less than one above.

Both questions have the same shape for levels and for parameters: start with a value, let each layer and then its
scopes change it, and join whatever a lower layer says with what stood before, so that nothing below can loosen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct

from modelwarden.control import ParameterValue
from modelwarden.enforcement import Setting, of_profile, stricter
from modelwarden.evidence import Unknown
from modelwarden.parameter import ParameterDeclaration, same
from modelwarden.scope import Match, Scope
from modelwarden.settings.layer import Layer

T = TypeVar("T")
Holder = Layer | Scope
Holds = Callable[[Scope], Literal["yes", "no"] | Unknown]
"""Whether a scope holds for the package at hand."""


class Held(Struct, Generic[T], frozen=True):
    """A value and why it holds."""

    value: T
    why: str
    layer: str = ""
    """Name of the layer that set it."""
    doubt: str = ""
    """Set where the value holds only if a scope does and nobody can tell: the reason."""


class Algebra(Struct, Generic[T], frozen=True):
    """What levels and parameters do differently."""

    stated: Callable[[Holder, T], tuple[T, str] | None]
    """What a layer or scope makes of an inherited value, and by which setting; None where it says nothing."""
    join: Callable[[T, T], T]
    """(above, below) -> the value that gives up nothing of the one above."""
    equal: Callable[[T, T], bool]


def resolve(layers: Sequence[Layer], holds: Holds, start: Held[T], algebra: Algebra[T]) -> list[Held[T]]:
    """Every value that may hold; more than one where nobody can tell whether a scope does."""
    possible = [start]
    for number, layer in enumerate(layers):
        result: list[Held[T]] = []
        for above in possible:
            floor = above if number else None
            for held in _through(layer, above, floor, holds, algebra):
                _add(result, held, algebra)
        possible = result
    return possible


def _through(layer: Layer, above: Held[T], floor: Held[T] | None, holds: Holds, algebra: Algebra[T]) -> list[Held[T]]:
    """What one layer makes of one value."""
    possible = [_changed(layer, layer, above, floor, algebra)]
    for scope in layer.scopes:
        answer = holds(scope)
        if answer == "no":
            continue
        changed = [_changed(layer, scope, held, floor, algebra) for held in possible]
        if answer == "yes":
            possible = []
        for held in changed:
            doubt = f"{scope.label} may hold: {answer.reason}" if isinstance(answer, Unknown) else held.doubt
            _add(possible, Held(held.value, held.why, held.layer, doubt), algebra)
    return possible


def _changed(layer: Layer, holder: Holder, held: Held[T], floor: Held[T] | None, algebra: Algebra[T]) -> Held[T]:
    stated = algebra.stated(holder, held.value)
    if stated is None:
        return held
    value, setting = stated
    if floor is not None:
        joined = algebra.join(floor.value, value)
        if algebra.equal(joined, floor.value):
            return floor
        value = joined
    where = f"{holder.label}, {layer.label}" if isinstance(holder, Scope) else layer.label
    why = setting if setting.startswith("profile") else f"{setting} ({where})"
    return Held(value, why, layer.name, held.doubt)


def _add(known: list[Held[T]], held: Held[T], algebra: Algebra[T]) -> None:
    if not any(algebra.equal(held.value, one.value) for one in known):
        known.append(held)


def levels(control_id: str, stage: str, moment: str) -> Algebra[Setting]:
    """How levels of one control, stage and moment combine."""

    def stated(holder: Holder, inherited: Setting) -> tuple[Setting, str] | None:
        setting, why = inherited, ""
        if isinstance(holder, Layer) and holder.profile:
            setting = stricter(inherited, of_profile(holder.profile, control_id, stage, holder.source.recommended))
            why = f"profile {holder.profile}"
        entry = holder.enforcement.get(control_id)
        if entry is not None:
            applied = entry.apply(setting, stage, moment)
            if applied is not setting:
                setting, why = applied, f"enforcement {control_id}"
        return (setting, why) if why else None

    return Algebra(stated, stricter, lambda one, other: one == other)


NOTHING: Final = Held(Setting("off"), "no profile")
"""What levels start with; the first layer always has a profile."""


def level_of(layers: Sequence[Layer], holds: Holds, control_id: str, stage: str, moment: str) -> Held[Setting]:
    """The strictest level that may hold."""
    possible = resolve(layers, holds, NOTHING, levels(control_id, stage, moment))
    return max(possible, key=lambda held: held.value.strictness())


MaybeValue = ParameterValue | None
"""None: nobody set it."""


def parameters(declaration: ParameterDeclaration) -> Algebra[MaybeValue]:
    """How values of one parameter combine."""

    def stated(holder: Holder, inherited: MaybeValue) -> tuple[MaybeValue, str] | None:
        if declaration.name not in holder.parameters:
            return None
        return holder.parameters[declaration.name], f"parameters.{declaration.name}"

    def join(above: MaybeValue, below: MaybeValue) -> MaybeValue:
        return below if above is None else above if below is None else declaration.tightest(above, below)

    def equal(one: MaybeValue, other: MaybeValue) -> bool:
        return one is other if one is None or other is None else same(one, other)

    return Algebra(stated, join, equal)


def parameter_of(layers: Sequence[Layer], holds: Holds, declaration: ParameterDeclaration) -> list[Held[MaybeValue]]:
    """Every value that the parameter may have."""
    start: Held[MaybeValue] = Held(declaration.default, "default", "default")
    return resolve(layers, holds, start, parameters(declaration))


def assuming(match: Match | None) -> Holds:
    """Scopes that hold wherever `match` does; those that need not are taken not to. None: outside of every scope."""
    return lambda scope: "yes" if match is not None and match.lies_within(scope.match) else "no"


def spelled(value: Any) -> str:
    """A value as messages show it."""
    return ", ".join(value) if isinstance(value, tuple) else str(value)

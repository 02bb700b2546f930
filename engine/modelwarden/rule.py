"""A Python control before one package: its verdict as a finding, with the guarantees that its author cannot break.

A `Pass` that touched an unknown fact is unknown; a `Fail` that points only at unknown facts is unknown; an exception,
an undeclared read or an unset parameter is unknown. The same function runs in process for built-in controls and in a
worker process for a user's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from types import ModuleType

from modelwarden.control import (
    ATTRIBUTE,
    Control,
    Fail,
    NotApplicable,
    Parameters,
    ParameterValue,
    Pass,
    UndeclaredRead,
    Unknown,
    UnsetParameter,
    View,
)
from modelwarden.evidence import Absent, Evidence, Fact, Present
from modelwarden.evidence import Unknown as UnknownFact
from modelwarden.finding import Finding, Observation


def judge_rule(
    control: Control,
    facts: Evidence,
    parameters: Mapping[str, ParameterValue],
    unknown_parameters: Mapping[str, str],
    moment: str,
) -> Finding:
    """The finding of one Python control. Never raises."""
    info = control.info
    if moment not in info.moments:
        return Finding(info.id, "not-applicable", observed=(Observation("/request/moment", Present(moment)),))
    view = View(facts, control.declared_facts())
    told = _told(parameters, unknown_parameters)
    given = Parameters(told, frozenset(info.parameters))
    try:
        assert control.check is not None
        verdict = control.check(view, given)
        # A control that catches our exceptions has still not seen what it asked for.
        if view.refused or given.refused:
            raise UndeclaredRead(view.refused or given.refused)
        if given.missed and not isinstance(verdict, Fail | Unknown):
            raise UnsetParameter(given.missed)
        return _finding(info.id, verdict, view, told)
    except UnsetParameter as error:
        name = str(error)
        why = (
            f"parameter {name} cannot be told: {unknown_parameters[name]}"
            if name in unknown_parameters
            else f"parameter {name} is not set"
        )
        return Finding(info.id, "unknown", observed=_unread(view), reason=why, unset_parameters=(name,))
    except UndeclaredRead as error:
        return Finding(info.id, "unknown", reason=f"the control {error}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - evaluate is total: whatever a control does is unknown, never a pass
        return Finding(info.id, "unknown", observed=_unread(view), reason=f"the control raised {describe(error)}")


def _told(parameters: Mapping[str, ParameterValue], unknown: Mapping[str, str]) -> Mapping[str, ParameterValue]:
    """The parameters that are known."""
    return {name: value for name, value in parameters.items() if name not in unknown} if unknown else parameters


def controls_of(module: ModuleType) -> list[Control]:
    """The decorated functions of a module, in the order of definition."""
    functions = [value for value in vars(module).values() if hasattr(value, ATTRIBUTE) and callable(value)]
    return [
        Control(getattr(function, ATTRIBUTE), function)
        for function in functions
        if function.__module__ == module.__name__
    ]


def describe(error: BaseException) -> str:
    """One short line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _finding(id_: str, verdict: object, view: View, parameters: Mapping[str, ParameterValue]) -> Finding:
    match verdict:
        case Pass():
            return _passed(id_, view)
        case Fail(expected, at, reason):
            observed = _observe(at, view)
            proven = any(isinstance(seen.fact, Present | Absent) for seen in observed)
            if proven:
                return Finding(id_, "fail", expected, observed, reason)
            return Finding(
                id_,
                "unknown",
                expected,
                _union(observed, _unread(view)),
                reason or "the violation is not proven by a known fact",
            )
        case Unknown(reason, at):
            return Finding(id_, "unknown", observed=_union(_observe(at, view), _unread(view)), reason=reason)
        case NotApplicable(reason, at):
            observed = _observe(at, view)
            said = any(isinstance(seen.fact, Present) for seen in observed)
            said = said or any(
                name.removeprefix("parameter:") in parameters for name in at if name.startswith("parameter:")
            )
            if said:
                return Finding(id_, "not-applicable", observed=observed, reason=reason)
            return Finding(
                id_,
                "unknown",
                observed=_union(observed, _unread(view)),
                reason=f"nothing known says that it does not apply: {reason}",
            )
        case _:
            return Finding(id_, "unknown", reason=f"the control returned {_kind(verdict)} instead of a verdict")


def _kind(value: object) -> str:
    """The type's name; with its module where it is none of Python's own, since facts and verdicts share a name."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _passed(id_: str, view: View) -> Finding:
    unread = _unread(view)
    if unread:
        return Finding(id_, "unknown", observed=unread)
    if not view.touched:
        return Finding(id_, "unknown", reason="the control passed without reading a fact")
    return Finding(id_, "pass")


def _unread(view: View) -> tuple[Observation, ...]:
    return tuple(Observation(pointer, fact) for pointer, fact in view.touched.items() if isinstance(fact, UnknownFact))


def _observe(at: Iterable[str], view: View) -> tuple[Observation, ...]:
    pointers = dict.fromkeys(pointer for pointer in at if not pointer.startswith("parameter:"))
    return tuple(Observation(pointer, _fact(pointer, view)) for pointer in pointers)


def _fact(pointer: str, view: View) -> Fact:
    return view.touched[pointer] if pointer in view.touched else view.get(pointer)


def _union(first: tuple[Observation, ...], second: tuple[Observation, ...]) -> tuple[Observation, ...]:
    return tuple({seen.pointer: seen for seen in (*first, *second)}.values())


def read_by(
    control: Control, facts: Evidence, parameters: Mapping[str, ParameterValue], unknown_parameters: Mapping[str, str]
) -> tuple[Observation, ...]:
    """Every fact that a built-in control reads for these facts; for a user's control all that it declares."""
    view = View(facts, control.declared_facts())
    told = _told(parameters, unknown_parameters)
    if control.check is None:
        for pattern in control.info.reads:
            if "{" not in pattern:
                view.each(pattern)
    else:
        with contextlib.suppress(Exception):
            control.check(view, Parameters(told, frozenset(control.info.parameters)))
    return tuple(Observation(pointer, fact) for pointer, fact in view.touched.items())

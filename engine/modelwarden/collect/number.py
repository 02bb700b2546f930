"""Numbers in reports, of which not all are numbers: `"Infinity"`, `null` with an error, `"NaN"`, decimal text."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from modelwarden.evidence import Fact, Present, Source, Unknown

_DECIMAL: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?")
_INFINITE: Final = {
    **dict.fromkeys(("infinity", "+infinity", "inf", "+inf"), "Infinity"),
    **dict.fromkeys(("-infinity", "-inf"), "-Infinity"),
}


def number_facts(pointer: str, value: Any, error: str, source: Source) -> dict[str, Fact]:
    """`pointer/state` and `pointer/value` for whatever stands in the place of a number.

    `number` with a finite value, `infinite` with the text Infinity or -Infinity, else `undefined` with an unknown value
    whose reason is the report's own error where it gives one.
    """
    infinite = _infinity(value)
    if infinite:
        return {f"{pointer}/state": Present("infinite", source), f"{pointer}/value": Present(infinite, source)}
    finite = _finite(value)
    if finite is not None and not error:
        return {f"{pointer}/state": Present("number", source), f"{pointer}/value": Present(finite, source)}
    reason = error or ("no value" if value is None else "not a number")
    return {f"{pointer}/state": Present("undefined", source), f"{pointer}/value": Unknown("undefined", source, reason)}


def _infinity(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return _INFINITE.get(value.strip().lower(), "") if isinstance(value, str) else ""


def _finite(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        found = float(value)
        return found if math.isfinite(found) else None
    return None

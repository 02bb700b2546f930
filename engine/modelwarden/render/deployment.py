"""What doctor says of a deployed hub, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec.structs import asdict

from modelwarden.checkup import Part
from modelwarden.render.json import dump
from modelwarden.render.text import cut, printable

SCHEMA_VERSION: Final = "modelwarden.doctor.deployment/1"
_MAX: Final = 300


def text(parts: Sequence[Part], stack: str) -> str:
    """One line for each part, below it what is wrong and the next step; then the count."""
    lines = []
    for part in parts:
        lines.append(f"{part.state:<11} {part.name}")
        if part.said:
            lines += [
                f"            said     {cut(printable(part.said), _MAX)}",
                f"            help     {printable(part.help)}",
            ]
    states = Counter(part.state for part in parts)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    lines += ["", f"{len(parts)} parts of the hub `{printable(stack)}`: {told}"]
    return "\n".join(lines) + "\n"


def document(parts: Sequence[Part], stack: str, region: str) -> str:
    """The same for programs."""
    return dump({"schema": SCHEMA_VERSION, "stack": stack, "region": region, "parts": [asdict(one) for one in parts]})

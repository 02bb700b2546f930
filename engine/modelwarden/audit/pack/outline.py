"""Outlines: the parts of a pack for one kind of reader, what of each is filled from facts, and what this tool does not cover."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from modelwarden import builtin
from modelwarden.typed import decoder

Cover = Literal["facts", "part", "none"]
Table = Literal["record", "endpoints", "past", "waivers", "decisions", "findings"]

_FOLDER: Final = "reports.packs"
PURPOSES: Final = ("mrm", "eu-annex-iv")
COVERS: Final[dict[Cover, str]] = {
    "facts": "filled from what was recorded",
    "part": "filled in part",
    "none": "not covered by this tool",
}


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """One point of the documentation that somebody asks for, in our words."""

    ref: str
    title: str
    cover: Cover
    about: str
    missing: str
    """What of it is not in the pack, said plainly."""
    facts: tuple[str, ...]
    """Patterns of facts, in the order in which they are shown."""
    tables: tuple[Table, ...]


class Outline(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `reports/packs/`."""

    name: str
    title: str
    basis: str
    frameworks: tuple[str, ...]
    """Those by whose obligations the controls are shown."""
    parts: tuple[Part, ...]


def outline(purpose: str) -> Outline:
    """The outline of one of `PURPOSES`."""
    return decoder(Outline).decode(builtin.read(_FOLDER, f"{purpose}.json"))

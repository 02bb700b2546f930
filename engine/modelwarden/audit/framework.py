"""Frameworks: for which obligation of a law or standard a control gives evidence. Ids and our own words, no standard's text.

A mapping that no person has checked against the primary text is `verified: false`, and reports say so beside it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct, field

from modelwarden import builtin
from modelwarden.errors import UserError
from modelwarden.evidence import digest
from modelwarden.typed import decoder

_FOLDER: Final = "reports.frameworks"
_ENDING: Final = ".json"


class FrameworkError(UserError):
    """A framework that nobody knows, or a file that is none."""


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """One control gives evidence for one obligation."""

    control: str
    ref: str
    """As the framework numbers it; for a life-cycle theme, our short name of it."""
    verified: bool
    verified_by: str | None = None
    verified_on: str | None = None


class Framework(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `reports/frameworks/`."""

    framework: str
    title: str
    published: str
    """Date of the text."""
    effective_from: str
    """Date from which its duties hold."""
    source: str
    verified: bool
    """Whether a person has read the dates in the primary text."""
    mappings: tuple[Mapping, ...]
    supersedes: tuple[str, ...] = ()
    superseded_by: str | None = None
    superseded_on: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    """Obligation -> what it is about, in our words; only where its name does not say it."""

    def digest(self) -> str:
        """Of the whole file's content."""
        return digest(msgspec.to_builtins(self))

    def obligations(self) -> dict[str, tuple[Mapping, ...]]:
        """Obligation -> its mappings, in the order of the file's controls."""
        found: dict[str, list[Mapping]] = {}
        for one in self.mappings:
            found.setdefault(one.ref, []).append(one)
        return {ref: tuple(some) for ref, some in sorted(found.items())}

    def state(self, as_of: str) -> str:
        """In force on a day (`2026-11-20...`), or why it is not; empty where it is."""
        day = as_of[:10]
        if self.superseded_on and day >= self.superseded_on:
            return f"superseded on {self.superseded_on} by {self.superseded_by}"
        return f"not in force before {self.effective_from}" if day < self.effective_from else ""


def names() -> list[str]:
    """The frameworks that ship, sorted."""
    return [name.removesuffix(_ENDING) for name in builtin.names(_FOLDER) if name.endswith(_ENDING)]


def framework(name: str) -> Framework:
    """The framework of this name.

    Raises:
        FrameworkError: there is none, or its file is broken.
    """
    known = names()
    if name not in known:
        raise FrameworkError(f"unknown framework `{name}`", f"use one of {', '.join(known)}")
    try:
        found = decoder(Framework).decode(builtin.read(_FOLDER, name + _ENDING))
    except msgspec.DecodeError as error:
        raise FrameworkError(f"reports/frameworks/{name}{_ENDING}: {error}", "install modelwarden again") from error
    return found


def frameworks(as_of: str) -> list[Framework]:
    """Those in force on a day."""
    return [one for one in map(framework, names()) if not one.state(as_of)]

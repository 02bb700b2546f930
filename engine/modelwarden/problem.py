"""Problems: what is wrong with a bundle, each with its rule, its place and the next step."""

from __future__ import annotations

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One mistake in one file of a bundle."""

    rule: str
    """Short name, the same in every version: `guard-position`."""
    path: str
    """As the bundle shows it: `house/stale_key.cedar`."""
    line: int
    """From 1; 0 for the file as a whole."""
    message: str
    help: str = ""
    warning: bool = False
    """Told by `lint` and no reason to refuse the bundle."""

    def __str__(self) -> str:
        """`house/stale_key.cedar:12: message`."""
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


class Complaint(Struct, frozen=True):
    """A mistake in one statement; `place` is the keyword or annotation that it belongs to, and becomes a line."""

    rule: str
    place: str
    message: str
    help: str = ""
    warning: bool = False

"""Slices: the packages of a cell shared out by their groups, where one task would not come to the end of it.

A slice holds the groups whose hash leaves `index` when divided by `of`, a power of two. So each slice falls into two of
twice as many, and no group into two slices: which version is the newest can be told in each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from msgspec import Struct

from modelwarden.arn import parse_arn

MOST: Final = 1024
"""Of one cell; a group that outgrows a task even then is too large for it."""


class Slice(Struct, frozen=True, order=True):
    """One of `of` slices of a cell."""

    index: int = 0
    of: int = 1

    @property
    def name(self) -> str:
        return f"{self.index}-{self.of}"

    def holds(self, package: str) -> bool:
        """Whether a package belongs to it; one without a group is a group by itself."""
        return (
            self.of == 1
            or int(hashlib.sha256(parse_arn(package).name.encode()).hexdigest(), 16) % self.of == self.index
        )

    def into(self, parts: int) -> tuple[Slice, ...]:
        """The same packages in at least so many slices, or as many as there can be; none where it cannot be split."""
        times = min(1 << max(1, (parts - 1).bit_length()), MOST // self.of)
        return tuple(Slice(self.index + self.of * one, self.of * times) for one in range(times)) if times > 1 else ()


WHOLE: Final = Slice()


def apart(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Those of which none holds what another does. A coarse one stands for the finer ones that were made of it, since
    whoever was given up may have come to its end all the same."""
    chosen: list[Slice] = []
    for one in sorted(slices, key=lambda one: (one.of, one.index)):
        if not any(one.index % wide.of == wide.index for wide in chosen):
            chosen.append(one)
    return tuple(chosen)


def is_whole(parts: Iterable[Slice]) -> bool:
    """Whether slices that are apart hold every package of the cell."""
    return sum(Fraction(1, one.of) for one in parts) == 1

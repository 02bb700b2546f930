"""What bias reports hold, as the controls about bias read it: one entry for each value of a protected attribute."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from msgspec import Struct

from modelwarden.control import View

PRE_TRAINING: Final = frozenset({"CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"})
"""Metrics of the data; all others need predictions and stand in the post-training section."""
NEUTRAL: Final = {"DI": 1, "DPPL": 0, "RD": 0, "DRR": 0}
"""What a model scores that predicts the positive label for everybody."""
TOLERANCE: Final = Fraction(1, 10**9)


class Entry(Struct, frozen=True):
    """One value of a protected attribute in one section of one report; what was not read is empty."""

    head: str
    """Prefix of its facts."""
    attribute: str
    value: str
    section: str
    metrics: tuple[tuple[str, str], ...]
    """(name, prefix of its facts)"""

    def __str__(self) -> str:
        return f"`{self.attribute}` = `{self.value}`"


def entries(evidence: View, attributes: Collection[str], unread: list[str]) -> Iterator[Entry]:
    """One for each value of a protected attribute; what was not read goes to `unread`, as the facets of a broken report do."""
    for report in listed(evidence, "/bias_report", unread):
        if evidence.value(f"{report}/state") != "valid":
            unread.append(f"{report}/state")
        for facet in listed(evidence, f"{report}/facet", unread):
            attribute = _text(evidence, f"{facet}/name", unread)
            if attribute in attributes:
                value = _text(evidence, f"{facet}/value_or_threshold", unread)
                section = _text(evidence, f"{facet}/section", unread)
                metrics = listed(evidence, f"{facet}/metric", unread)
                named = tuple((_text(evidence, f"{metric}/name", unread), metric) for metric in metrics)
                yield Entry(facet, attribute, value, section, named)


def missing(attributes: Sequence[str], bounded: Collection[str], found: Sequence[Entry]) -> Iterator[str]:
    """What must be there and is not, in words: each bounded metric for each value that any section reports."""
    held = {(entry.attribute, entry.value, entry.section, name) for entry in found for name, _ in entry.metrics}
    for attribute in attributes:
        values = dict.fromkeys(entry.value for entry in found if entry.attribute == attribute)
        if not values:
            yield f"`{attribute}`"
        for value in values:
            for metric in bounded:
                section = "pre_training" if metric in PRE_TRAINING else "post_training"
                if (attribute, value, section, metric) not in held:
                    yield f"{metric} of `{attribute}` = `{value}`"


def listed(evidence: View, prefix: str, unread: list[str]) -> list[str]:
    """The members of a list; its count goes to `unread` unless it is known and they are all of them."""
    members = evidence.members(prefix)
    if evidence.value(f"{prefix}_count") != len(members):
        unread.append(f"{prefix}_count")
    return members


def exact(number: object) -> Fraction | None:
    """The number as its decimal text says it, without a float's rounding; None for anything else."""
    if isinstance(number, bool) or not isinstance(number, int | float | str):
        return None
    try:
        decimal = Decimal(str(number))
    except InvalidOperation:
        return None
    return Fraction(decimal) if decimal.is_finite() and abs(decimal.adjusted()) <= 400 else None


def _text(evidence: View, pointer: str, unread: list[str]) -> str:
    value = evidence.value(pointer)
    if value is None:
        unread.append(pointer)
    return "" if value is None else str(value)

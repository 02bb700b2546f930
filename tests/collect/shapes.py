"""Answers drawn from botocore's own service models: whatever conforms to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.session import get_session
from hypothesis import strategies as st

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
NUMBERS = st.integers(-(2**31), 2**53)


@cache
def output(service: str, operation: str) -> Any:
    return get_session().get_service_model(service).operation_model(operation).output_shape


Hints = Mapping[str, Sequence[Any]]
"""Name of a member -> values that lead on to further calls."""


@st.composite
def structures(draw: st.DrawFn, shape: Any, texts: st.SearchStrategy[str], hints: Hints) -> dict[str, Any]:
    """Required members always, optional ones now and then; hinted ones mostly, and mostly as hinted."""
    found = {}
    for name, member in shape.members.items():
        if name in hints and draw(st.integers(0, 5)):
            found[name] = draw(st.sampled_from(hints[name]))
        elif name in shape.required_members or draw(st.booleans()):
            found[name] = draw(conforming(member, texts, hints))
    return found


def conforming(shape: Any, texts: st.SearchStrategy[str], hints: Hints | None = None) -> st.SearchStrategy[Any]:
    """Values of a shape; `texts` stand wherever a text may, besides the shape's own words."""
    hints = hints or {}
    match shape.type_name:
        case "structure":
            return structures(shape, texts, hints)
        case "list":
            return st.lists(conforming(shape.member, texts, hints), max_size=2)
        case "map":
            return st.dictionaries(texts, conforming(shape.value, texts, hints), max_size=2)
        case "string":
            return st.one_of(st.sampled_from(shape.enum), texts) if shape.enum else texts
        case "boolean":
            return st.booleans()
        case "timestamp":
            return TIMES
        case "blob":
            return st.binary(max_size=40)
        case "float" | "double":
            return st.floats(allow_nan=False)
    return NUMBERS


def answers(
    service: str, operation: str, texts: st.SearchStrategy[str], hints: Hints | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    """Successful answers of an operation."""
    return conforming(output(service, operation), texts, hints)

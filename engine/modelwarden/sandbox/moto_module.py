"""moto's modules, imported when they are first needed: most of them take their time."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def moto(name: str) -> Any:
    """A module below `moto`, for example `s3.models`. Untyped on purpose: the sandbox replaces parts of it."""
    return import_module(f"moto.{name}")

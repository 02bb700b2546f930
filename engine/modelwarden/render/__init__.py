"""One recorded run in the formats that people and tools read. Rendering is pure and cannot change a verdict."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from modelwarden.run import Run

FORMATS: Final = ("text", "json", "sarif", "junit", "markdown", "github", "gitlab")


def render(run: Run, format_: str, *, color: bool = False) -> str:
    """The run in one of `FORMATS`, ending with a newline; only `text` has colours."""
    if format_ == "text":
        from modelwarden.render import text

        return text.render(run, color=color)
    # A format is imported when it is asked for: SARIF costs nothing where nobody wants it.
    written: Callable[[Run], str] = import_module(f"modelwarden.render.{format_}").render
    return written(run)

"""What the HTML pages share: the frame without network, and the rows of one finding. Every value is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from modelwarden import builtin
from modelwarden.finding import ControlInfo, Observation, Ruling
from modelwarden.render.cause import help_for
from modelwarden.render.text import cut, kind_of, printable, waived

ORDER: Final = ("block", "undecided", "flag", "allow")
MAX_VALUE: Final = 300
_STYLE: Final = "page.css"
_AT_ONCE: Final = 500
"""Pieces of a template that are joined."""


def fill(name: str, **values: Any) -> str:
    """The template of this name with its values, the style sheet, and the hash that lets a browser apply it."""
    return "".join(parts(name, **values))


def parts(name: str, *, script: str = "", paper: str = "", **values: Any) -> Iterator[str]:
    """The same, piece by piece. Files of the templates: `script`, which the page may run, and nothing else; `paper`, a
    style sheet for a page that no browser shows.

    Every text is made printable, whatever it is about: nothing of it acts, in a browser or in a terminal.
    """
    files = {"style": _STYLE, "script": script, "paper": paper}
    own = {kind: _Own(file) for kind, file in files.items() if file}
    stream = _environment().get_template(name).stream(**own, **values)
    stream.enable_buffering(_AT_ONCE)
    return iter(stream)


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        loader=jinja2.FunctionLoader(lambda file: builtin.read("reports.templates", file).decode()),
    )


class _Own(str):
    """A file of ours, which must reach the page unchanged."""

    __slots__ = ()

    def __new__(cls, file: str) -> _Own:
        # A browser compares the hash with the very text between the tags.
        return super().__new__(cls, f"\n{builtin.read('reports.templates', file).decode()}")

    def __html__(self) -> str:
        return str(self)

    @property
    def sha256(self) -> str:
        """As a policy of contents names it."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self.encode()).digest()).decode()


def severity(ruling: Ruling) -> tuple[int, str]:
    """Sorts what stops a package before what is merely to be looked at."""
    return ({"blocks": 0, "undecides": 1, "flags": 2}[ruling.effect], ruling.finding.control)


def finding(ruling: Ruling, info: ControlInfo, *, facts: int | None = None) -> dict[str, Any]:
    """One finding as `finding.html.j2` shows it, with at most so many `facts`."""
    observed = ruling.finding.observed
    return {
        "control": info.id,
        "kind": kind_of(ruling),
        "effect": ruling.effect,
        "outcome": ruling.finding.outcome,
        "title": printable(info.title),
        "severity": info.severity,
        "observed": [_observed(seen) for seen in observed[:facts]],
        "more": len(observed[facts:]) if facts is not None else 0,
        "expected": printable(" ".join((ruling.finding.expected or info.expected).split())),
        "reason": printable(ruling.finding.reason),
        "level": f"{ruling.level} ({printable(ruling.why_level)})",
        "help": printable(help_for(ruling, info)),
        "rationale": printable(info.rationale),
        "policy": printable(f"{info.path}:{info.line}"),
        "waiver": waived(ruling),
    }


def _observed(seen: Observation) -> dict[str, str]:
    said, source = printable(str(seen)), seen.fact.source
    return {
        "fact": cut(said, MAX_VALUE + 1),
        "source": printable(f"{source.api} {source.at or ''}".strip()) if source else "",
    }

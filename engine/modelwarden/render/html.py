"""What the HTML pages share: the frame without script and network, and the rows of one finding. Every value is escaped."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from modelwarden import builtin
from modelwarden.finding import ControlInfo, Observation, Ruling
from modelwarden.render.cause import help_for
from modelwarden.render.text import cut, kind_of, printable, waived

ORDER: Final = ("block", "undecided", "flag", "allow")
MAX_VALUE: Final = 300
_STYLE: Final = "page.css"


def fill(name: str, **values: Any) -> str:
    """The template of this name with its values, the style sheet, and the hash that lets a browser apply it."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda file: builtin.read("reports.templates", file).decode()),
    )
    # A browser compares the hash with the very text between the tags.
    style = f"\n{builtin.read('reports.templates', _STYLE).decode()}"
    style_hash = "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(name).render(style=_Raw(style), style_hash=style_hash, **values)


class _Raw(str):
    """Our own style sheet, which must reach the page unchanged."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


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

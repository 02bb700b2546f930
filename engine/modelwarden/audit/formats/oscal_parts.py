"""What the documents of OSCAL have in common: identifiers that stay the same, and texts that mean nothing else."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID, uuid5

from modelwarden.audit.report import Report
from modelwarden.evidence import digest
from modelwarden.render.markdown import inline
from modelwarden.render.text import printable

VERSION: Final = "1.2.1"
NAMESPACE: Final = "urn:modelwarden:oscal"
"""Of our properties."""
_IDENTIFIERS: Final = UUID("8d2b2c0c-5a3e-5d0f-9d0e-6a1f5b0c7e11")
_TOKEN: Final = re.compile(r"[^A-Za-z0-9.-]+")


def identifier(*what: str) -> str:
    """A UUID that is the same for the same."""
    return str(uuid5(_IDENTIFIERS, digest(list(what))))


def metadata(report: Report, name: str) -> dict[str, Any]:
    return {
        "title": title(name),
        "last-modified": report.generated_at,
        "version": report.run,
        "oscal-version": VERSION,
        "props": [prop("modelwarden", report.versions.get("modelwarden", "unknown"))],
    }


def prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": plain(value)}


def plain(text: str) -> str:
    """A string: on one line, without blanks around, never empty."""
    return " ".join(printable(text).split()) or "none"


def title(text: str) -> str:
    """Markup on one line, in which text from outside is code."""
    return inline(plain(text))


prose: Final = title
"""Markup of a description; it is one line, too."""


def token(text: str) -> str:
    """An identifier of OSCAL: of `SC-28(1)` as its catalog has it, `sc-28.1`, and of anything else in the same manner."""
    lower = re.sub(r"\((\w+)\)", r".\1", text.lower())
    found = _TOKEN.sub("-", lower).strip("-.")
    return found if found[:1].isalpha() else f"id-{found}"

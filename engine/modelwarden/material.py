"""The material digest: what an approval binds to.

It covers what the package would run and what speaks for it: images, model data, environment, card, additional
specifications, customer metadata and reports. It leaves out what approving changes: status, description, life cycle
and modification times.
"""

from __future__ import annotations

from typing import Final

from modelwarden.evidence import Absent, Evidence, Fact, Present, digest

_PLAIN: Final = (
    "/package/arn",
    "/package/source_uri",
    "/card/content_sha256",
    "/customer_metadata_keys",
    "/evaluation/uri",
    "/evaluation/content_sha256",
    "/explainability/uri",
)
_LISTED: Final = (
    "/container/*/specification",
    "/container/*/image/uri",
    "/container/*/image/resolved_digest",
    "/container/*/environment_sha256",
    "/artifact/*/container",
    "/artifact/*/origin",
    "/artifact/*/uri",
    "/bias_report/*/uri",
    "/bias_report/*/content_sha256",
)
_CHANGE_MARKERS: Final = ("version_id", "checksum_sha256", "etag")
"""Of an object, best first; one that is known is enough."""


PATTERNS: Final = (
    *_PLAIN,
    *_LISTED,
    "/customer_metadata/{key}",
    *(f"/artifact/*/{name}" for name in _CHANGE_MARKERS),
)
"""Everything that the digest reads."""


def material_digest(evidence: Evidence) -> str:
    """`sha256:<hex>`; empty where a part was not read, since an approval cannot bind to what nobody saw."""
    parts: list[list[object]] = []
    facts = [(pointer, evidence.get(pointer)) for pointer in _PLAIN]
    facts += [found for pattern in _LISTED for found in evidence.each(pattern)]
    keys = evidence.get("/customer_metadata_keys")
    if isinstance(keys, Present) and isinstance(keys.value, tuple):
        pointers = [f"/customer_metadata/{key.replace('~', '~0').replace('/', '~1')}" for key in keys.value]
        facts += [(pointer, evidence.get(pointer)) for pointer in pointers]
    for index in evidence.listing("/artifact")[1]:
        facts.append(_marker(evidence, f"/artifact/{index}"))
    for pointer, fact in facts:
        match fact:
            case Present(value):
                parts.append([pointer, value])
            case Absent():
                parts.append([pointer])
            case _:
                return ""
    return digest(sorted(parts, key=str))


def _marker(evidence: Evidence, prefix: str) -> tuple[str, Fact]:
    """The best known change marker of an object; the last one, known or not, where none is."""
    pointer = prefix
    for name in _CHANGE_MARKERS:
        pointer = f"{prefix}/{name}"
        fact = evidence.get(pointer)
        if isinstance(fact, Present):
            return pointer, fact
    return pointer, evidence.get(pointer)

"""Evidence that was read before, brought up to date where it can change although the package does not.

Images and keys live outside of the package: an image is deleted, a key disabled. They are looked up anew, once for all
packages that name them.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

from modelwarden.collect.cell import Cell
from modelwarden.collect.describe import Description
from modelwarden.collect.key import read_key
from modelwarden.collect.reading import Reading, Task, Wants
from modelwarden.evidence import Evidence, Fact, Present, Source

LIVE: Final = re.compile(r"/container/\d+/image/|/package/kms_key/")
"""Facts that are looked up anew, whatever they were."""
_IMAGE: Final = "/container/*/image/"
_KEY: Final = "/package/kms_key/"
_ARTIFACT_KEY: Final = re.compile(r"(/artifact/\d+/kms_key)/arn")
_SOURCE: Final = Source("earlier scan")


def refreshed(cell: Cell, evidence: Evidence, want: Wants) -> Evidence:
    """The evidence with facts of images and keys as they are now."""
    images, keys = want.below(_IMAGE), want.below(_KEY)
    tasks = Reading(cell, Description(_named(evidence), _SOURCE), Wants([*images, *keys])).tasks()
    if want.any("/artifact/*/kms_key/"):
        tasks += _artifact_keys(cell, evidence, rotation=want.exactly("/artifact/*/kms_key/rotation_enabled"))
    fresh = cell.lookups.pools.run(tasks)
    stale = re.compile(r"/container/\d+/image/manifest/")
    kept = {pointer: fact for pointer, fact in evidence.facts.items() if not (images and stale.match(pointer))}
    return Evidence(evidence.package, kept | fresh)


def _named(evidence: Evidence) -> dict[str, Any]:
    """Of a description, what names images and the key."""
    containers = [
        {
            "Image": _text(evidence.get(f"/container/{index}/image/uri")),
            "ImageDigest": _text(evidence.get(f"/container/{index}/image/pinned_digest")),
        }
        for index in evidence.listing("/container")[1]
    ]
    return {
        "InferenceSpecification": {"Containers": containers},
        "SecurityConfig": {"KmsKeyId": _text(evidence.get("/package/kms_key/id"))},
    }


def _artifact_keys(cell: Cell, evidence: Evidence, *, rotation: bool) -> list[Task]:
    """For each key that an artifact lies under. What was read of the object itself names it."""
    named = ((_ARTIFACT_KEY.fullmatch(pointer), fact) for pointer, fact in evidence.facts.items())
    return [
        partial(read_key, cell, found[1], str(fact.value), alias=False, rotation=rotation)
        for found, fact in named
        if found and isinstance(fact, Present)
    ]


def _text(fact: Fact) -> str | None:
    return str(fact.value) if isinstance(fact, Present) else None

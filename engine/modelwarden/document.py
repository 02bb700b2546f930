"""Evidence documents: what `modelwarden evidence` writes and `gate` reads, with the reference facts apart."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from modelwarden.arn import parse_arn
from modelwarden.evidence import Evidence, EvidenceError, Fact, Present, facts_from_json, facts_to_json

MAX_BYTES: Final = 16_000_000
"""Of one evidence document; a record of a large package is some 100 KB."""

_REFERENCE: Final = ("/reference/",)
_PACKAGE: Final = (
    "/package/",
    "/approval/",
    "/life_cycle/",
    "/creator/",
    "/approver/",
    "/trainer",
    "/metadata_properties/",
    "/customer_metadata",
    "/tag",
    "/group_policy/",
    "/container",
    "/artifact",
    "/card/",
    "/bias_report",
    "/evaluation/",
    "/explainability/",
)
"""What a package's own facts start with: nobody may hand in facts of the request or of the reference as evidence."""


def to_document(evidence: Evidence, reference: Mapping[str, Fact]) -> dict[str, Any]:
    """The published document (`reports/schemas/evidence.schema.json`)."""
    return evidence.to_json() | ({"reference": facts_to_json(reference)} if reference else {})


def read_document(target: str) -> tuple[Evidence, dict[str, Fact]]:
    """Evidence and reference facts of a file, or of stdin for `-`; both count as asserted.

    Raises:
        EvidenceError: it cannot be read, is too large, is no JSON (NaN, duplicate keys and wrong encodings included),
            or is no evidence document.
    """
    shown = "standard input" if target == "-" else target
    document = parse(_bytes(target, shown), shown)
    try:
        evidence = Evidence.from_json(document, prefixes=_PACKAGE)
        _check_package(evidence)
        raw = document.get("reference", {"facts": {}})
        if not isinstance(raw, dict):
            raise EvidenceError("`reference` must be an object")
        return evidence, facts_from_json(raw.get("facts"), raw.get("sources", []), _REFERENCE)
    except EvidenceError as error:
        raise EvidenceError(f"{shown}: {error}") from error


def _check_package(evidence: Evidence) -> None:
    """The document must be about one package: its name and its facts may not say different things."""
    stated = parse_arn(evidence.package).facts()
    for pointer, fact in stated.items():
        found = evidence.facts.get(pointer)
        if isinstance(found, Present) and isinstance(fact, Present) and found.value != fact.value:
            raise EvidenceError(f"`{pointer}` is `{found.value}`, but `package` is `{evidence.package}`")


def _bytes(target: str, shown: str) -> bytes:
    try:
        if target == "-":
            if sys.stdin is None:
                raise EvidenceError(f"{shown}: is closed", "pipe an evidence document into it, or name a file")
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(target).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EvidenceError(f"{shown}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise EvidenceError(f"{shown}: larger than {MAX_BYTES} bytes")
    return data


def parse(data: bytes, shown: str) -> Any:
    """Strict JSON: UTF-8, no NaN, no duplicate keys, no lone surrogates, no absurd depth or numbers.

    Raises:
        EvidenceError: anything else.
    """
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if b"\\ud" in data or b"\\uD" in data:
            # Escapes of surrogates: a lone one is no text, and no encoder would take it later.
            json.dumps(document, ensure_ascii=False).encode("utf-8")
        return document
    except UnicodeEncodeError as error:
        raise EvidenceError(f"{shown}: a lone surrogate is no text") from error
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{shown}: not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise EvidenceError(f"{shown}: nested too deeply") from error
    except ValueError as error:
        raise EvidenceError(f"{shown}: not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key `{twice}` stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not a JSON number")

"""Reports in S3: bytes become a JSON object, or the reason why they are none. Pure, and total over any bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from modelwarden.collect.text import unique
from modelwarden.evidence import Absent, Fact, Present, Source

MAX_BYTES: Final = 20_000_000
"""Of one report; those of Clarify are some 100 KB, with local attributions a few MB."""
MAX_LIST: Final = 2_000
"""Members of one list in a report that are believed."""


def read_report(pointer: str, body: bytes, source: Source) -> tuple[dict[str, Fact], dict[str, Any] | None]:
    """`state`, `problem` and `content_sha256` below the pointer, and the object where there is one."""
    facts: dict[str, Fact] = {
        f"{pointer}/content_sha256": Present("sha256:" + hashlib.sha256(body).hexdigest(), source)
    }
    try:
        document = _parse(body)
    except ValueError as error:
        return facts | {
            f"{pointer}/state": Present("malformed", source),
            f"{pointer}/problem": Present(plain(str(error)), source),
        }, None
    return facts | {f"{pointer}/state": Present("valid", source), f"{pointer}/problem": Absent(source)}, document


def malformed(pointer: str, problem: str, source: Source) -> dict[str, Fact]:
    """State and problem of a JSON object that has not the shape of a report."""
    return {f"{pointer}/state": Present("malformed", source), f"{pointer}/problem": Present(plain(problem), source)}


def _parse(body: bytes) -> dict[str, Any]:
    """Raises ValueError with a reason that names no content."""
    if len(body) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        # NaN and Infinity are no JSON, but Python's own writer emits them, and so do reports: the number parser judges.
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"a JSON {type(document).__name__} instead of an object")
    return document


def plain(text: str) -> str:
    """Text that every encoder takes: lone surrogates are spelled out; at most 1,024 characters."""
    return text[:1024].encode("utf-8", "backslashreplace").decode("utf-8")

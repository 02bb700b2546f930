"""Recording: raw responses, redacted, one file a call; and answering from them without AWS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from modelwarden.errors import UserError

REDACTED: Final = "redacted:sha256:"
"""Prefix of an environment value that was replaced by its digest."""


class RecordingError(UserError):
    """A recording that cannot be written or read."""

    help = "name a folder that `--record` wrote"


class Tape(Struct, frozen=True):
    """Where responses are kept and come from; both may be None."""

    record: Path | None = None
    replay: Path | None = None

    def find(self, account: str, region: str, api: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """What was recorded for a call; None where nothing is replayed.

        A call that the recording lacks is unknown, never absent: nobody made it.

        Raises:
            RecordingError: no such folder, or a file that is no recording.
        """
        if self.replay is None:
            return None
        if not self.replay.is_dir():
            raise RecordingError(f"{self.replay}: no such folder")
        path = self.replay / _name(account, region, api, parameters)
        if not path.exists():
            missing = {
                "state": "incomplete",
                "code": "not recorded",
                "message": f"the recording holds no {api} of this kind",
            }
            return {"failure": missing, "source": {"api": api, "at": None, "request_id": None}}
        try:
            document = _decode(json.loads(path.read_bytes()))
            if (
                not isinstance(document, dict)
                or not ("data" in document or "failure" in document)
                or "source" not in document
            ):
                raise ValueError("another shape")
        except (OSError, ValueError, RecursionError) as error:
            raise RecordingError(f"{path}: not a recorded response: {error}") from error
        return document

    def keep(
        self, account: str, region: str, api: str, parameters: Mapping[str, Any], document: dict[str, Any]
    ) -> None:
        """Write one response, environment values replaced by digests.

        Raises:
            RecordingError: the folder cannot be written to.
        """
        if self.record is None or self.replay is not None:
            return
        try:
            self.record.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = json.dumps(_encode(redacted(document)), indent=1, ensure_ascii=False)
            (self.record / _name(account, region, api, parameters)).write_text(
                text, encoding="utf-8", errors="surrogatepass"
            )
        except OSError as error:
            raise RecordingError(
                f"{self.record}: cannot be written: {error.strerror}", "name a writable folder"
            ) from error


def redacted(document: Any) -> Any:
    """The same document with the values of every `Environment` map replaced by digests."""
    if isinstance(document, dict):
        return {
            key: {name: redact(value) for name, value in inner.items()}
            if key == "Environment" and isinstance(inner, dict)
            else redacted(inner)
            for key, inner in document.items()
        }
    return [redacted(item) for item in document] if isinstance(document, list) else document


def redact(value: Any) -> str:
    """A value by its digest; the law: `redact(redact(x)) == redact(x)`."""
    text = str(value)
    if text.startswith(REDACTED):
        return text
    return REDACTED + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _name(account: str, region: str, api: str, parameters: Mapping[str, Any]) -> str:
    key = json.dumps([account, region, api, parameters], sort_keys=True, default=str)
    return f"{api.replace(':', '-')}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$time": value.astimezone(UTC).isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {str(key): _encode(inner) for key, inner in value.items()}
    return [_encode(item) for item in value] if isinstance(value, list | tuple) else value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"$time"}:
            return datetime.fromisoformat(value["$time"])
        if value.keys() == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: _decode(inner) for key, inner in value.items()}
    return [_decode(item) for item in value] if isinstance(value, list) else value

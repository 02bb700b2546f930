"""Recording: raw responses, redacted, one file a call; and answering from them without AWS."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args

from msgspec import Struct

from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.trail import essence
from modelwarden.errors import UserError
from modelwarden.evidence import Source
from modelwarden.snapshot import RowState

REDACTED: Final = "redacted:sha256:"
"""Prefix of a value that was replaced by its digest."""

MAX_BYTES: Final = 64_000_000
"""Of one recorded response; a report is read up to 20 MB, and base64 adds a third."""

_REDACTED: Final = re.compile(re.escape(REDACTED) + "[0-9a-f]{64}")
_SECRET: Final = ("Environment", "HyperParameters", "Metadata")
"""Maps whose values people may have put secrets into; their names are kept."""


class RecordingError(UserError):
    """A recording that cannot be written or read."""

    help = "name a folder that `--record` wrote"


class Tape(Struct, frozen=True):
    """Where responses are kept and come from; both may be None."""

    record: Path | None = None
    replay: Path | None = None

    def find(
        self,
        account: str,
        region: str,
        api: str,
        parameters: Mapping[str, Any],
        wrong: Callable[[Mapping[str, Any]], str] = lambda data: "",
    ) -> dict[str, Any] | None:
        """What was recorded for a call; None where nothing is replayed.

        A call that the recording lacks is unknown, never absent: nobody made it. `wrong` says what keeps data from
        being an answer of the API.

        Raises:
            RecordingError: no such folder, or a file that is no recording.
        """
        if self.replay is None:
            return None
        if not self.replay.is_dir():
            raise RecordingError(f"{self.replay}: no such folder")
        path = self.replay / _name(account, region, api, parameters)
        if not path.exists():
            told = {
                "state": "incomplete",
                "code": "not recorded",
                "message": f"the recording holds no {api} of this kind",
            }
            return {"failure": told, "source": {"api": api, "at": None, "request_id": None}}
        try:
            document = _checked(_decode(json.loads(_read(path))))
            problem = wrong(document["data"]) if "data" in document else ""
            if problem:
                raise ValueError(problem)
        except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise RecordingError(f"{path}: not a recorded response: {error}") from error
        return document

    def keep(
        self, account: str, region: str, api: str, parameters: Mapping[str, Any], answer: Answer | Failure
    ) -> None:
        """Write one response, redacted, for the eyes of its owner only.

        Raises:
            RecordingError: the folder cannot be written to.
        """
        if self.record is None or self.replay is not None:
            return
        text = json.dumps(_encode(redacted(to_tape(answer))), indent=1, ensure_ascii=False)
        try:
            self.record.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self.record / _name(account, region, api, parameters), text.encode("utf-8", "surrogatepass"))
        except OSError as error:
            raise RecordingError(
                f"{self.record}: cannot be written: {error.strerror}", "name a writable folder"
            ) from error


def to_tape(answer: Answer | Failure) -> dict[str, Any]:
    """The law: `of_tape(to_tape(x)) == x`."""
    source = {"api": answer.source.api, "at": answer.source.at, "request_id": answer.source.request_id}
    if isinstance(answer, Answer):
        return {"data": dict(answer.data), "source": source}
    return {"failure": {"state": answer.state, "code": answer.code, "message": answer.message}, "source": source}


def of_tape(kept: dict[str, Any]) -> Answer | Failure:
    """What `Tape.find` gave."""
    source = Source(**kept["source"])
    return Answer(kept["data"], source) if "data" in kept else Failure(**kept["failure"], source=source)


def redacted(document: Any) -> Any:
    """The same document without what a recording must not give away.

    Values of secret maps become digests; events of CloudTrail keep their essence; keys of callers are left out.
    """
    if isinstance(document, list):
        return [redacted(item) for item in document]
    if not isinstance(document, dict):
        return document
    return {name: _redacted(name, inner) for name, inner in document.items() if name != "AccessKeyId"}


def _redacted(name: str, inner: Any) -> Any:
    if name in _SECRET and isinstance(inner, dict):
        return {key: redact(value) for key, value in inner.items()}
    if name == "CloudTrailEvent":
        return essence(str(inner))
    return redacted(inner)


def redact(value: Any) -> str:
    """A value by its digest; the law: `redact(redact(x)) == redact(x)`."""
    text = str(value)
    if _REDACTED.fullmatch(text):
        return text
    return REDACTED + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _name(account: str, region: str, api: str, parameters: Mapping[str, Any]) -> str:
    key = json.dumps([account, region, api, parameters], sort_keys=True, default=str)
    return f"{api.replace(':', '-')}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError("no regular file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return data


def _write(path: Path, data: bytes) -> None:
    """Whoever else may write to the folder must not lead us out of it by a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)


def _checked(document: Any) -> dict[str, Any]:
    """Raises ValueError for anything but what `keep` writes."""
    if not isinstance(document, dict):
        raise ValueError("no object")
    source, failure, data = (document.get(name) for name in ("source", "failure", "data"))
    texts = (str, type(None))
    if not isinstance(source, dict) or source.keys() != {"api", "at", "request_id"}:
        raise ValueError("no source")
    if not isinstance(source["api"], str) or not all(isinstance(source[name], texts) for name in ("at", "request_id")):
        raise ValueError("a source of other types")
    if document.keys() == {"data", "source"} and isinstance(data, dict):
        return document
    if document.keys() != {"failure", "source"} or not isinstance(failure, dict):
        raise ValueError("neither data nor failure")
    if failure.keys() != {"state", "code", "message"} or not all(isinstance(one, str) for one in failure.values()):
        raise ValueError("a failure of another shape")
    if failure["state"] not in get_args(RowState):
        raise ValueError("a failure of an unknown state")
    return document


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$time": value.astimezone(UTC).isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        # A name of AWS's that begins like ours gets one more sign.
        return {f"${key}" if str(key).startswith("$") else str(key): _encode(inner) for key, inner in value.items()}
    return [_encode(item) for item in value] if isinstance(value, list | tuple) else value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"$time"}:
            return datetime.fromisoformat(value["$time"])
        if value.keys() == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key.removeprefix("$"): _decode(inner) for key, inner in value.items()}
    return [_decode(item) for item in value] if isinstance(value, list) else value

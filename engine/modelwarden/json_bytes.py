"""JSON that we wrote, read back: whatever bytes stand there instead are told in one way."""

from __future__ import annotations

from typing import Any

import msgspec


class NotJson(ValueError):
    """The bytes are no JSON document."""


def decoded(data: bytes | str, decoder: msgspec.json.Decoder[Any] | None = None) -> Any:
    """The document, or what a decoder makes of it.

    Raises:
        NotJson: not UTF-8, not JSON, nested too deeply, or nothing that the decoder knows.
    """
    try:
        return decoder.decode(data) if decoder else msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # msgspec checks that texts are UTF-8 by making them, and lets Python's own error through.
        raise NotJson(str(error)) from error

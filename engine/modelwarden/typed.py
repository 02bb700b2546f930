"""Values of a type, made of JSON and of documents: the one place where msgspec is told of types.

msgspec 0.22 describes a type when it meets it first. Of two threads that meet it at once, one uses what the other has
half described, and the process ends by SIGSEGV. Here types are described one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Final, TypeVar, overload

import msgspec

T = TypeVar("T")
Hook = Callable[[type, Any], Any]

_DESCRIBING: Final = RLock()  # what is collected as garbage meanwhile may read JSON, too
_DECODERS: Final[dict[tuple[Any, Hook | None], msgspec.json.Decoder[Any]]] = {}


def decoder(kind: type[T], hook: Hook | None = None) -> msgspec.json.Decoder[T]:
    """Of JSON, one for all who ask; `hook` makes what msgspec cannot, as its `dec_hook`."""
    with _DESCRIBING:
        found = _DECODERS.get((kind, hook))
        if found is None:
            found = _DECODERS[kind, hook] = msgspec.json.Decoder(kind, dec_hook=hook)
        return found


@overload
def converted(document: object, kind: type[T]) -> T: ...
@overload
def converted(document: object, kind: Any) -> Any: ...
def converted(document: object, kind: Any) -> Any:
    """What a document of dicts and lists is as a value of a type, which may be a union.

    Raises:
        msgspec.ValidationError: it is none.
    """
    decoder(kind)
    return msgspec.convert(document, kind)

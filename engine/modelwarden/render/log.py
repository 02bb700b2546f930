"""One event of a long job as one line: for people, or as JSON for a collector of logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct, field

from modelwarden.render.text import cut, printable

Level = Literal["info", "warning", "error"]
_WIDTH: Final = 400
"""Of the text of one event; what is cut off is in the record."""
_RESERVED: Final = frozenset({"time", "level", "event", "account", "region"})


class Event(Struct, frozen=True):
    """What happened."""

    name: str
    """`cell`, `going`, `finished` ...: one word, so that a filter can name it."""
    text: str = ""
    """For people; empty where only a machine is told."""
    level: Level = "info"
    account: str = ""
    region: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    """Further members of the JSON line; their values are plain JSON values."""


def text_line(event: Event) -> str:
    """Law: one line, whatever names from outside it holds."""
    return cut(printable(event.text), _WIDTH)


def json_line(event: Event, time: str) -> str:
    """An object in ASCII on one line; `time` is UTC. Laws: `json.loads` reads it, and no field replaces a member of ours."""
    place = {name: value for name, value in (("account", event.account), ("region", event.region)) if value}
    more = {name: value for name, value in event.fields.items() if name not in _RESERVED}
    # ASCII, since a terminal or a viewer of logs would act on some of what names may hold.
    document = {"time": time, "level": event.level, "event": event.name, **place, **more}
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")

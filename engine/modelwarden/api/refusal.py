"""Refusals: what a call is told instead of an answer, as RFC 9457 has it. Schema: reports/schemas/problem.schema.json."""

from __future__ import annotations

from typing import Final

from modelwarden.api.message import Reply, reply

PROBLEM: Final = "application/problem+json"
TYPE: Final = "urn:modelwarden:problem:"

KINDS: Final[dict[str, tuple[int, str]]] = {
    "malformed": (400, "the call cannot be read"),
    "not-proven": (401, "nobody proved who asks"),
    "no-route": (404, "there is no such route"),
    "no-package": (404, "there is no such model package"),
    "no-decision": (404, "there is no such decision"),
    "not-seen": (404, "no scan has seen it"),
    "no-method": (405, "the route has no such method"),
    "not-acceptable": (406, "the answer has no form that was asked for"),
    "in-use": (409, "a call with this key is at work"),
    "no-length": (411, "the call does not say how long it is"),
    "too-large": (413, "the call is too large"),
    "not-json": (415, "the body is not JSON"),
    "misdirected": (421, "the call was meant for another server"),
    "invalid": (422, "the body does not say what it must"),
    "key-reused": (422, "this key belongs to another question"),
    "headers-too-large": (431, "the headers are too large"),
    "defect": (500, "something went wrong here"),
    "unavailable": (503, "something that is needed cannot be reached or read"),
}
"""Last part of the type -> status and title. A type and its status never change."""


class Refusal(Exception):
    """A call that is not answered: why, in one line, and the next step."""

    def __init__(self, kind: str, detail: str, help: str, **headers: str) -> None:  # noqa: A002 - told by this name
        super().__init__(detail)
        self.kind, self.detail, self.help = kind, detail, help
        self.headers = headers
        """`_` in a name stands for `-`."""

    def reply(self, instance: str = "") -> Reply:
        """As it is told; `instance` names this one case, which is in the log."""
        status, title = KINDS[self.kind]
        # What a caller sent may hold half of a character, which no encoder takes.
        detail = " ".join(self.detail.split()).encode("utf-8", "backslashreplace").decode()
        told = {"type": TYPE + self.kind, "title": title, "status": status, "detail": detail, "help": self.help}
        told |= {"instance": instance} if instance else {}
        return reply(status, told, PROBLEM, **self.headers)


class Unavailable(Exception):
    """Something that is needed cannot be reached or read. What exactly is for the log, not for every caller."""

"""Refused: something was looked at to its end, and is not what it should be."""

from __future__ import annotations

from typing import Any

from modelwarden.document import parse
from modelwarden.errors import UserError
from modelwarden.evidence import EvidenceError


class Refused(UserError):
    """What was to be verified is not genuine, or not what was asked for: exit code 1, and one line that says which."""

    help = "do not use it; find out who wrote or changed it"
    exit_code = 1


class NotSigned(UserError):
    """A decision that must not or cannot be signed."""

    help = "the decision itself stands; it is recorded with its run"


def strict(data: bytes, where: str) -> Any:
    """JSON without duplicate keys, NaN and wrong encodings.

    Raises:
        Refused: anything else.
    """
    try:
        return parse(data, where)
    except EvidenceError as error:
        raise Refused(" ".join(str(error).split())) from error

"""What a function is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping

from modelwarden.errors import UserError


class NotSetUp(UserError):
    """A function whose environment does not say what it needs."""

    help = "deploy it with the template in deploy/"


def given(environment: Mapping[str, str], name: str) -> str:
    """Raises NotSetUp where a variable is missing, or says nothing."""
    value = environment.get(name, "")
    if not value:
        raise NotSetUp(f"{name} is not set")
    return value

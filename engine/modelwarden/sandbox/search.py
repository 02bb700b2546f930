"""Search over model packages."""

from __future__ import annotations

from typing import Final

from modelwarden.sandbox.world import Handler

OPERATIONS: Final[dict[str, Handler]] = {}

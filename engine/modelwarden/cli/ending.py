"""How a command ends that is told to end, and has begun what must not be left half done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

TERMINATED: Final = 128 + signal.SIGTERM
"""The exit code that a shell gives to who was ended by SIGTERM."""


@contextmanager
def orderly() -> Iterator[None]:
    """SIGTERM is raised in the block as SystemExit, as Ctrl-C is as KeyboardInterrupt; a second one ends it at once."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

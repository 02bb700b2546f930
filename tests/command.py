"""One command line of modelwarden, as a user calls it."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelwarden import cli

SCRIPT = Path(sys.executable).with_name("modelwarden")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Done:
    """One finished command."""

    code: int
    out: str
    err: str


def process(*arguments: str | Path, folder: Path, environment: Mapping[str, str], stdin: bytes | None = None) -> Done:
    """In a process of its own, by the console script."""
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)], cwd=folder, env=environment, input=stdin, capture_output=True, timeout=120
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def inside(*arguments: str | Path, folder: Path, environment: Mapping[str, str]) -> Done:
    """In this process, which saves what a process needs to start; for commands that bring no process to an end."""
    out, err = io.StringIO(), io.StringIO()
    with _as_started(folder, environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([*map(str, arguments)])
    return Done(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_started(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Folder and environment of a new process; what a command sets for its process is set back."""
    before, limits = dict(os.environ), gc.get_threshold()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    os.environ.clear()
    os.environ.update(environment)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        gc.set_threshold(*limits)
        for number, handler in handlers.items():
            signal.signal(number, handler)

"""A scan on a Dask cluster that is there: its workers collect and judge, and this process only drives.

The folder of the scan, settings and bundles must lie at the same paths everywhere; credentials are the workers' own.
A task whose worker dies runs again elsewhere, and leaves what it would have left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from modelwarden.errors import UserError
from modelwarden.gate import Recipe
from modelwarden.scan import partition
from modelwarden.scan.executor import Lost, Pools
from modelwarden.scan.station import Spec, stop_station
from modelwarden.settings.sources import SETTINGS

_RETRIES: Final = 1
"""Of a task that raises; Dask itself counts how often one may take its worker with it."""
_LOOK_SECONDS: Final = 2.0
_ALONE_SECONDS: Final = 60.0
"""Without any worker, before a scan gives up."""
_ANSWER_SECONDS: Final = 30
"""For a scheduler and its workers to answer in."""
_FAREWELL_SECONDS: Final = 3
"""The same at the end, when nothing depends on it: a worker that did not hear it forgets the scan with the next one."""


class ClusterError(UserError):
    """A cluster that cannot work on the scan."""

    help = "docs/scan.md says what a cluster must share"


class _Watch(Struct):
    """When the cluster was looked at, and had a worker, in seconds of the monotonic clock; and whether it was told to stop."""

    looked: float
    manned: float
    stopped: bool = False


class _Cluster(Pools, frozen=True):
    """Both pools are the cluster."""

    client: Any
    spec: Spec
    watch: _Watch

    def lost(self, error: Exception) -> str:
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            return f"a task was given up, since {error.allowed_failures + 1} workers were lost while they ran it"
        if isinstance(error, CancelledError):
            return "the scheduler was lost, or cancelled the tasks"
        return ""

    def look(self, *, stopped: bool) -> None:
        now = time.monotonic()
        if now - self.watch.looked < _LOOK_SECONDS and stopped == self.watch.stopped:
            return
        self.watch.looked, self.watch.stopped = now, stopped
        with contextlib.suppress(OSError, TimeoutError):  # without a scheduler there is no task either: they tell
            if stopped:
                _everywhere(self.client, stop_station, self.spec)
            if self.client.nthreads():
                self.watch.manned = now
        if now - self.watch.manned > _ALONE_SECONDS:
            raise Lost(
                f"the cluster has had no worker for {_ALONE_SECONDS:.0f} seconds",
                f"start workers and go on with `modelwarden scan --resume {self.spec.folder}`: what was read is kept",
            )


@contextmanager
def dask(address: str, spec: Spec) -> Iterator[Pools]:
    """The cluster of a scheduler, `tcp://HOST:PORT`. Each worker that is there has shown that it can work on the scan.

    Raises:
        ClusterError: no Dask here, no scheduler or worker there, or one that does not see the scan or differs.
    """
    client = _client(address)
    try:
        _check(address, client, spec)
        executor = client.get_executor(pure=False, retries=_RETRIES)
        now = time.monotonic()
        yield _Cluster(executor, executor, client, spec, _Watch(now, now))
    finally:
        with contextlib.suppress(Exception):  # workers that are gone have nothing to forget
            _everywhere(client, partition.leave, spec, _FAREWELL_SECONDS)
        client.close(timeout=_FAREWELL_SECONDS)


def portable(recipe: Recipe) -> Recipe:
    """The same with absolute paths: the working directory of a worker is another."""
    sources, environment = recipe.sources, dict(recipe.environment)
    config = (
        sources.config or environment.get("MODELWARDEN_CONFIG") or (SETTINGS if os.path.lexists(SETTINGS) else None)
    )
    if "MODELWARDEN_BUNDLE" in environment:
        paths = environment["MODELWARDEN_BUNDLE"].split(os.pathsep)
        environment["MODELWARDEN_BUNDLE"] = os.pathsep.join(_absolute(path) for path in paths if path)
    if "MODELWARDEN_ORGANIZATION" in environment:
        environment["MODELWARDEN_ORGANIZATION"] = _absolute(environment["MODELWARDEN_ORGANIZATION"])
    flags = dict(sources.flags)
    bundles = flags.get("bundle")
    if isinstance(bundles, tuple):
        flags["bundle"] = tuple(_absolute(path) for path in bundles)
    there = structs.replace(
        sources,
        config=Path(_absolute(str(config))) if config else None,
        organization=_absolute(sources.organization) if sources.organization else None,
        flags=flags,
    )
    return Recipe(there, environment)


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path.cwd() / path)


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            "--executor dask needs distributed, which is not installed", "pip install 'modelwarden[dask]'"
        ) from error
    for name in ("distributed", "distributed.client"):  # stderr is ours, and the errors are told by us
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        make: Any = Client  # which has no types
        return make(address, timeout=_ANSWER_SECONDS, set_as_default=False, name="modelwarden")
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(
            f"--scheduler {address}: no scheduler answers: {why}", "it looks like tcp://HOST:8786"
        ) from error


def _check(address: str, client: Any, spec: Spec) -> None:
    """Every worker makes its station, for which it must see the plan, have the versions and load the same rules."""
    try:
        answers = _everywhere(client, partition.enter, spec)
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"--scheduler {address}: its workers do not answer", "look at their logs") from error
    if not answers:
        raise ClusterError(f"--scheduler {address}: the cluster has no worker", "start some: `dask worker ADDRESS`")
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, ImportError):
            raise ClusterError(f"worker {worker}: {answer}", "install the same modelwarden on every worker") from answer
        if isinstance(answer, UserError):
            raise ClusterError(f"worker {worker}: {answer}", _next(answer, spec)) from answer
        if isinstance(answer, Exception):
            raise ClusterError(f"worker {worker}: {type(answer).__name__}: {answer}") from answer


def _next(answer: UserError, spec: Spec) -> str:
    if str(answer).startswith(str(spec.folder / "plan.json")):
        return "let every worker see the folder of runs at the same path: name a shared one with --runs"
    return answer.help


def _everywhere(
    client: Any, function: Callable[[Spec], None], spec: Spec, seconds: float = _ANSWER_SECONDS
) -> dict[str, Any]:
    """Worker -> what it answered, or the error that it raised."""
    found: dict[str, Any] = client.run(function, spec, on_error="return", callback_timeout=seconds)
    return found

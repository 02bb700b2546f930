"""A user's Python controls, in a process of their own: exit, loop or crash is an unknown finding and never an exit code of ours.

The process (`rule_process`) answers JSON lines on a descriptor of its own, so that whatever a control prints goes to
stderr and never into an answer. It has limits of time and memory and none of the AWS credentials. That keeps mistakes
apart and is no sandbox: whoever names a bundle trusts its authors.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

from modelwarden.control import Control, ParameterValue
from modelwarden.evidence import Evidence
from modelwarden.finding import ControlInfo, Finding, Observation, Outcome
from modelwarden.typed import converted

if TYPE_CHECKING:  # most gates have no such controls, and need not load what starts them
    import subprocess

SECONDS: Final = 10.0
"""Time that loading a file, and each judging of a control, may take."""
MAX_ANSWER: Final = 16 * 2**20
_START: Final = (
    "import sys; sys.path.append(sys.argv[2]); from modelwarden.rule_process import main; main(sys.argv[1:2])"
)
"""Finds us where we were found, after everything else: Lambda puts its code onto the path of its own process alone."""


class WorkerError(Exception):
    """A file could not be loaded; `line` is 0 where nobody can tell it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Workers:
    """The process that holds a user's controls; started when first asked, restarted after it died."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = SECONDS if seconds is None else seconds
        self._homes: dict[str, str] = {}
        """Control id -> the file that defines it."""
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self._lock = threading.Lock()
        """One question at a time: a scan judges many packages at once, and there is one process."""

    def load(self, file: Path) -> list[ControlInfo]:
        """The metadata of every control that a file defines.

        Raises:
            WorkerError: it does not load.
        """
        answer = self._ask({"do": "load", "file": str(file)})
        try:
            if "error" in answer:
                raise WorkerError(str(answer["error"]), int(answer.get("line", 0)))
            infos = [converted(document, ControlInfo) for document in answer["controls"]]
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
            raise WorkerError(f"gave no metadata that can be read: {error}") from error
        self._homes |= dict.fromkeys((info.id for info in infos), str(file))
        return infos

    def judge(
        self,
        controls: Sequence[Control],
        facts: Evidence,
        parameters: Mapping[str, ParameterValue],
        unknown_parameters: Mapping[str, str],
        moment: str,
    ) -> dict[str, Finding]:
        """Control id -> finding. Never raises."""
        common = {
            "do": "judge",
            "evidence": Evidence(facts.package, facts.facts).to_json(),
            "parameters": dict(parameters),
            "unknown": dict(unknown_parameters),
            "moment": moment,
        }
        return {control.id: self._judge_one(control.id, common, facts) for control in controls}

    def _judge_one(self, id_: str, common: dict[str, Any], facts: Evidence) -> Finding:
        answer = self._ask({**common, "id": id_, "file": self._homes.get(id_, "")})
        if "error" in answer:
            return Finding(id_, "unknown", reason=f"the control {answer['error']}")
        try:
            return _finding(answer["finding"], id_, facts)
        except (KeyError, TypeError, ValueError):
            return Finding(id_, "unknown", reason="the control gave an answer that cannot be read")

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One question, one answer; `{"error": ...}` when the process exits, crashes or takes too long."""
        with self._lock:
            return self._asked(question)

    def _asked(self, question: dict[str, Any]) -> dict[str, Any]:
        number = os.urandom(8).hex()
        try:
            process = self._running()
            line = _exchange(process, self._answers, msgspec.json.encode(question | {"number": number}), self._seconds)
            if line.endswith(b"\n"):
                answer = msgspec.json.decode(line)
                if isinstance(answer, dict) and answer.get("number") == number:
                    return answer
                raise ValueError("the answer belongs to no question")
            self._close_channels()
            return {"error": _ending(process)}
        except TimeoutError:
            return self._failed(f"did not answer within {self._seconds:g} s")
        except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
            return self._failed(f"could not be asked: {error}")
        except BaseException:  # an interrupt must not leave the process behind; it goes on as it came
            self.close()
            raise

    def _failed(self, error: str) -> dict[str, Any]:
        self.close()
        return {"error": error}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None and self._answers >= 0:
            return self._process
        import subprocess

        self.close()
        self._answers, write = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P: the folder that the gate runs in belongs to the judged party and must not be imported from.
                # -u: what a rule prints must be out before its process is ended.
                [sys.executable, "-P", "-u", "-c", _START, str(write), str(Path(__file__).parents[1])],
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno() if _has_stderr() else subprocess.DEVNULL,
                pass_fds=(write,),
                env={
                    name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))
                },
                start_new_session=True,
            )
        finally:
            os.close(write)
        return self._process

    def close(self) -> None:
        """End the process and all that it started."""
        self._close_channels()
        if self._process is not None:
            _kill(self._process)
        self._process = None

    def _close_channels(self) -> None:
        if self._answers >= 0:
            os.close(self._answers)
        self._answers = -1
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def _exchange(process: subprocess.Popen[bytes], answers: int, question: bytes, seconds: float) -> bytes:
    """Write a question and read up to the end of a line; less than a line if the other side broke off.

    INVARIANT: nothing here waits for ever. A process that the control started may hold the descriptors open.

    Raises:
        TimeoutError: the time is over.
    """
    import selectors

    assert process.stdin is not None
    until, waiting, line = time.monotonic() + seconds, memoryview(question + b"\n"), b""
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(answers, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready or time.monotonic() > until:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj == answers:
                    chunk = os.read(answers, 65_536)
                    line += chunk
                    if not chunk or len(line) > MAX_ANSWER:
                        return line.rstrip(b"\n")
                else:
                    try:
                        waiting = waiting[os.write(key.fd, waiting) :]
                    except BrokenPipeError:
                        waiting = waiting[:0]
                    if not waiting:
                        selector.unregister(key.fileobj)
    return line


def _ending(process: subprocess.Popen[bytes]) -> str:
    """How a process ended that gave no answer."""
    import subprocess

    try:
        code = process.wait(1)
    except subprocess.TimeoutExpired:
        code = None
    _kill(process)
    if code is None:
        return "broke off without an answer"
    return f"was killed by signal {-code}" if code < 0 else f"ended its process with code {code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    import signal

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_stderr() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, AttributeError, ValueError):
        return False
    return True


def _finding(document: dict[str, Any], id_: str, facts: Evidence) -> Finding:
    """What the worker said, with the facts as we know them.

    Raises:
        ValueError: it is no finding of this control.
    """
    texts = (document["expected"], document["reason"], *document["observed"], *document["unset_parameters"])
    outcomes = get_args(Outcome)
    if document["control"] != id_ or document["outcome"] not in outcomes or not all(isinstance(t, str) for t in texts):
        raise ValueError("no finding of this control")
    return Finding(
        id_,
        document["outcome"],
        document["expected"],
        tuple(Observation(pointer, facts.get(pointer)) for pointer in document["observed"]),
        document["reason"],
        tuple(document["unset_parameters"]),
    )

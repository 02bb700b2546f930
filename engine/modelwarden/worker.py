"""A user's Python controls, in a process of their own: exit, loop or crash is an unknown finding and never an exit code of ours.

Run as `python -m modelwarden.worker FILE...`. It answers JSON lines on a descriptor of its own, so that whatever a
control prints goes to stderr and never into an answer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Final

import msgspec
from msgspec.structs import asdict

from modelwarden.control import ATTRIBUTE, Control, ControlError, ParameterValue
from modelwarden.evidence import Evidence, EvidenceError
from modelwarden.finding import ControlInfo, Finding, Observation
from modelwarden.rule import judge_rule

SECONDS: Final = 10.0
"""Time that loading the files, and each control, may take."""


class WorkerError(Exception):
    """The files could not be loaded."""


class Workers:
    """The process that holds a user's controls; started when first asked, restarted after it died."""

    def __init__(self, files: Sequence[Path], seconds: float = SECONDS) -> None:
        self._files = [str(file) for file in files]
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None

    def describe(self) -> list[tuple[str, ControlInfo]]:
        """`[(file, metadata)]` of every control in the files.

        Raises:
            WorkerError: a file does not load; the message names it.
        """
        answer = self._ask({"do": "describe"})
        if "error" in answer:
            raise WorkerError(answer["error"])
        return [(entry["file"], _info(entry["info"])) for entry in answer["controls"]]

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
            "evidence": Evidence(facts.package, facts.facts).to_json(),
            "parameters": _plain(parameters),
            "unknown": dict(unknown_parameters),
            "moment": moment,
        }
        return {control.id: self._judge_one(control.id, common) for control in controls}

    def _judge_one(self, id_: str, common: dict[str, Any]) -> Finding:
        answer = self._ask({"do": "judge", "id": id_, **common})
        if "error" in answer:
            return Finding(id_, "unknown", reason=f"the control {answer['error']}")
        return _finding(answer["finding"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One question, one answer; `{"error": ...}` when the process exits, crashes or takes too long."""
        process, answers = self._running()
        timer = threading.Timer(self._seconds, process.kill)
        timer.start()
        try:
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(question) + b"\n")
            process.stdin.flush()
            line = answers.readline()
        except OSError:
            line = b""
        finally:
            timer.cancel()
        if line.endswith(b"\n"):
            answer: dict[str, Any] = msgspec.json.decode(line)
            return answer
        late = timer.finished.is_set() and process.poll() is not None and process.returncode == -9
        self._stop()
        code = process.wait()
        return {
            "error": f"did not answer within {self._seconds:g} s"
            if late or code == -9
            else f"ended its process with code {code}"
        }

    def _running(self) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        if self._process is None or self._process.poll() is not None or self._answers is None:
            self._stop()
            read, write = os.pipe()
            command = [sys.executable, "-m", "modelwarden.worker", str(write), *self._files]
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, files the user named
                command,
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno() if _has_stderr() else subprocess.DEVNULL,
                pass_fds=(write,),
            )
            os.close(write)
            self._answers = os.fdopen(read, "rb")
        return self._process, self._answers

    def _stop(self) -> None:
        if self._answers is not None:
            self._answers.close()
        if self._process is not None:
            self._process.kill()
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            self._process.wait()
        self._process = self._answers = None

    close = _stop


def _has_stderr() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, AttributeError, ValueError):
        return False
    return True


def _plain(parameters: Mapping[str, ParameterValue]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}


def _info(document: dict[str, Any]) -> ControlInfo:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    return ControlInfo(**fields)


def _finding(document: dict[str, Any]) -> Finding:
    facts = Evidence.from_json(document["evidence"]).facts
    return Finding(
        document["control"],
        document["outcome"],
        document["expected"],
        tuple(Observation(pointer, facts[pointer]) for pointer in document["observed"]),
        document["reason"],
        tuple(document["unset_parameters"]),
    )


# Below: what runs inside the worker process.


def load_file(path: str) -> ModuleType:
    """Import one file by its path, outside of any package."""
    name = f"modelwarden_user_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ControlError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def controls_of(module: ModuleType) -> list[Control]:
    """The decorated functions of a module, in the order of definition."""
    functions = [value for value in vars(module).values() if hasattr(value, ATTRIBUTE) and callable(value)]
    return [
        Control(getattr(function, ATTRIBUTE), function)
        for function in functions
        if function.__module__ == module.__name__
    ]


def _answer(question: dict[str, Any], loaded: dict[str, tuple[str, Control]], failure: str) -> dict[str, Any]:
    if question["do"] == "describe":
        if failure:
            return {"error": failure}
        return {"controls": [{"file": file, "info": asdict(control.info)} for file, control in loaded.values()]}
    file_and_control = loaded.get(question["id"])
    if file_and_control is None:
        return {"error": "is not in the files that were loaded"}
    try:
        facts = Evidence.from_json(question["evidence"])
    except EvidenceError as error:
        return {"error": f"could not be given the evidence: {error}"}
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in question["parameters"].items()
    }
    finding = judge_rule(file_and_control[1], facts, parameters, question["unknown"], question["moment"])
    shown = {seen.pointer: seen.fact for seen in finding.observed}
    document = asdict(finding) | {"observed": list(shown), "evidence": Evidence(facts.package, shown).to_json()}
    return {"finding": document}


def main(arguments: Sequence[str]) -> None:
    """Load the files, then answer questions until stdin ends."""
    answers = os.fdopen(int(arguments[0]), "wb")
    loaded: dict[str, tuple[str, Control]] = {}
    failure = ""
    for path in arguments[1:]:
        try:
            for control in controls_of(load_file(path)):
                if control.id in loaded:
                    raise ControlError(f"duplicate control id `{control.id}`, also in {loaded[control.id][0]}")
                loaded[control.id] = (path, control)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's file raises is told as one line
            failure = failure or f"{path}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    for line in sys.stdin.buffer:
        answers.write(msgspec.json.encode(_answer(msgspec.json.decode(line), loaded, failure), enc_hook=str) + b"\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

"""What runs inside the process of a user's Python controls: it loads their files and judges with them.

Started by `worker`; questions are JSON lines on stdin, answers go to the descriptor that it names.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from modelwarden.control import Control, ControlError
from modelwarden.evidence import Evidence
from modelwarden.rule import controls_of, judge_rule

MAX_MEMORY: Final = 4 * 2**30
"""Bytes of address space."""


def load_file(path: str) -> ModuleType:
    """Import one file by its path, outside of any package."""
    name = f"modelwarden_user_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ControlError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def _answer(question: dict[str, Any], loaded: dict[str, list[Control]]) -> dict[str, Any]:
    path = question["file"]
    try:
        if path not in loaded:
            loaded[path] = controls_of(load_file(path))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's file raises is told as one line
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", "line": _line(error, path)}
    if question["do"] == "load":
        return {"controls": [control.info for control in loaded[path]]}
    control = next(control for control in loaded[path] if control.id == question["id"])
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in question["parameters"].items()
    }
    facts = Evidence.from_json(question["evidence"])
    finding = judge_rule(control, facts, parameters, question["unknown"], question["moment"])
    document = asdict(finding) | {"observed": [seen.pointer for seen in finding.observed]}
    return {"finding": document}


def _line(error: BaseException, path: str) -> int:
    """Where in the file it was raised."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _limit_memory() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(MAX_MEMORY, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def main(arguments: Sequence[str]) -> None:
    """Answer questions until stdin ends."""
    answers = os.fdopen(int(arguments[0]), "wb")
    questions = os.fdopen(os.dup(0), "rb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a control that asks for input gets none
        os.dup2(nothing.fileno(), 0)
    _limit_memory()
    loaded: dict[str, list[Control]] = {}
    for line in questions:
        question = msgspec.json.decode(line)
        number = {"number": question["number"]}
        try:
            answer = msgspec.json.encode(_answer(question, loaded) | number)
        except Exception as error:  # noqa: BLE001 - what cannot be judged or told is an answer too
            answer = msgspec.json.encode({"error": f"could not be judged: {type(error).__name__}"} | number)
        answers.write(answer + b"\n")
        answers.flush()
    # Threads that a control left behind must not outlive the gate.
    os._exit(0)

"""What SageMaker does with a definition, as far as AWS documents it for Lambda, Condition and Fail steps: no simulator runs one.

A step waits for the steps that it names or whose outputs it takes. A Lambda step hands its arguments to the function, and hands
on those outputs that it declares; a function that raises fails the step. All conditions must hold for `IfSteps`, else
`ElseSteps` become ready. A step that fails ends the execution, and nothing that had not begun begins (Amazon SageMaker AI
Developer Guide, "Pipelines steps"; API reference, StopPipelineExecution).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Function = Callable[[Any], Any]
ARN = "arn:aws:sagemaker:eu-west-1:444455556666:pipeline/promotion/execution/4xk2m8q0zt1p"


class StepFailed(Exception):
    """A step that cannot go on."""


@dataclass
class Execution:
    """One execution of a definition."""

    definition: dict[str, Any]
    functions: Mapping[str, Function]
    parameters: Mapping[str, str] = field(default_factory=dict)
    status: str = "Executing"
    ran: list[str] = field(default_factory=list)
    """Names of the steps that succeeded, in order."""
    why: str = ""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self) -> Execution:
        ready = list(self.definition["Steps"])
        while ready and self.status == "Executing":
            step = next(one for one in ready if self._awaits(one) <= set(self.ran))
            ready.remove(step)
            try:
                ready += getattr(self, f"_{step['Type'].lower()}")(step)
                self.ran.append(step["Name"])
            except StepFailed as error:
                self.status, self.why = "Failed", f"{step['Name']}: {error}"
        self.status = "Succeeded" if self.status == "Executing" else self.status
        return self

    def _awaits(self, step: dict[str, Any]) -> set[str]:
        own = step["Arguments"]["Conditions"] if step["Type"] == "Condition" else step["Arguments"]
        return {*step.get("DependsOn", []), *re.findall(r'"Get": "Steps\.([\w-]+)\.', json.dumps(own))}

    def _lambda(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        given = self._filled(step["Arguments"])
        try:
            told = json.loads(json.dumps(self.functions[step["FunctionArn"]](json.loads(json.dumps(given)))))
        except Exception as error:
            raise StepFailed(f"{type(error).__name__}: {error}") from error
        declared = {one["OutputName"] for one in step["OutputParameters"]}
        self.outputs[step["Name"]] = {name: one for name, one in dict(told or {}).items() if name in declared}
        return []

    def _condition(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        holds = all(self._holds(one) for one in step["Arguments"]["Conditions"])
        found: list[dict[str, Any]] = step["Arguments"]["IfSteps" if holds else "ElseSteps"]
        return found

    def _holds(self, condition: dict[str, Any]) -> bool:
        assert condition.keys() == {"Type", "QueryValue", "Values"}
        assert condition["Type"] == "In"
        return self._filled(condition["QueryValue"]) in condition["Values"]

    def _fail(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        raise StepFailed(self._filled(step["Arguments"]["ErrorMessage"]))

    def _filled(self, value: Any) -> Any:
        match value:
            case {"Get": path}:
                return self._got(path)
            case {"Std:Join": {"On": between, "Values": parts}}:
                return between.join(str(self._filled(one)) for one in parts)
            case dict():
                return {key: self._filled(one) for key, one in value.items()}
            case list():
                return [self._filled(one) for one in value]
        return value

    def _got(self, path: str) -> Any:
        if path == "Execution.PipelineExecutionArn":
            return ARN
        for found, place in self._places():
            if found == path:
                return place
        raise StepFailed(f"nothing stands at {path}")

    def _places(self) -> Iterator[tuple[str, Any]]:
        yield from ((f"Parameters.{name}", value) for name, value in self.parameters.items())
        for step, outputs in self.outputs.items():
            yield from ((f"Steps.{step}.OutputParameters['{name}']", value) for name, value in outputs.items())

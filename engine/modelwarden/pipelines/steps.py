"""The steps as JSON of a pipeline definition (`Version` 2020-12-01), without the SDK. Pure.

The condition names the good verdicts: an answer without one, or with any other, ends in the fail step. Nothing here is ever
cached: a `CacheConfig` would repeat an old yes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from modelwarden.arn import ArnError, parse_arn
from modelwarden.errors import UserError
from modelwarden.pipelines.message import GOOD, OUTPUTS, Act, arguments
from modelwarden.request import STAGES, Stage

Step = dict[str, Any]
EXECUTION: Final = {"Get": "Execution.PipelineExecutionArn"}
PARAMETER: Final = "ModelPackageArn"
"""Of a pipeline that only asks: the package, by whoever starts it."""
_VERSION: Final = "2020-12-01"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,54}")
"""Of 64 characters that a step's name may have, the longest ending of ours takes nine."""
_FUNCTION: Final = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z]{2}(?:-[a-z]+)+-\d:\d{12}:function:[\w-]{1,64}(?::[\w$-]{1,128})?", re.ASCII
)
_REFERENCE: Final = re.compile(r"Parameters\.[A-Za-z0-9][\w-]{0,255}|Steps\.[A-Za-z0-9][\w-]{0,63}\.[\w.\[\]'-]{1,256}")


class NoSteps(UserError):
    """Steps that cannot be made."""


class Gate(Struct, frozen=True):
    """A gate in a pipeline: which function is asked what, and how its steps are called."""

    function: str
    """ARN of the function of deploy/pipeline.yaml."""
    stage: Stage
    moment: Literal["approve", "deploy"] = "approve"
    approves: bool = False
    """Whether the function sets Approved where the gate allows it, before anything else goes on."""
    name: str = "Gate"
    """Of the Lambda step; the others begin with it."""

    def __post_init__(self) -> None:
        if not _FUNCTION.fullmatch(self.function):
            raise NoSteps(
                f"`{self.function}` is not the ARN of a Lambda function",
                "it is the output FunctionArn of deploy/pipeline.yaml",
            )
        if not _NAME.fullmatch(self.name):
            raise NoSteps(
                f"`{self.name}` is no name of a step", "use up to 55 letters, digits, hyphens and underscores"
            )
        if self.stage not in STAGES or self.moment not in ("approve", "deploy"):
            raise NoSteps(
                f"nothing is promoted to `{self.stage}` at the moment `{self.moment}`",
                f"stages are {', '.join(STAGES)}, moments approve and deploy",
            )
        if self.approves and self.moment != "approve":
            raise NoSteps(
                f"nothing is approved at the moment {self.moment}", "ask for the moment approve, or approve nothing"
            )

    @property
    def condition(self) -> str:
        return f"{self.name}-Check"

    @property
    def refusal(self) -> str:
        return f"{self.name}-Refused"

    @property
    def approval(self) -> str:
        return f"{self.name}-Approve"

    def asks(self, act: Act, package: object, execution: object) -> Mapping[str, Any]:
        """Arguments of a Lambda step."""
        return arguments(act, package, self.stage, self.moment, execution)

    def refused(self, output: Mapping[str, Any]) -> list[Any]:
        """The parts of what the fail step says; `output`: name of an output -> what stands for it."""
        says = ("modelwarden: ", output["verdict"], f" for {self.stage}: ", output["reasons"], "; run ", output["run"])
        return list(says)


def steps(gate: Gate, package: object, *, then: Sequence[Step] = (), after: Sequence[str] = ()) -> list[Step]:
    """The steps of a gate, to be put among those of a pipeline.

    Args:
        package: an ARN, or what stands for one (`reference`).
        then: steps that run only where the gate allowed it, and where it approves, only after that.
        after: names of steps that must have ended before the gate asks.

    Raises:
        NoSteps: one of `then` has no name, or one of ours.
    """
    _check_names(gate, then)
    output = {name: {"Get": f"Steps.{gate.name}.OutputParameters['{name}']"} for name in OUTPUTS}
    good = {"Type": "In", "QueryValue": output["verdict"], "Values": list(GOOD)}
    message = {"Std:Join": {"On": "", "Values": gate.refused(output)}}
    approval = [_asking(gate, gate.approval, "approve", package)] if gate.approves else []
    allowed = [*approval, *(_behind(one, gate.approval) if gate.approves else one for one in then)]
    refusal: Step = {"Name": gate.refusal, "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    arguments = {"Conditions": [good], "IfSteps": allowed, "ElseSteps": [refusal]}
    return [
        _asking(gate, gate.name, "gate", package, after),
        {"Name": gate.condition, "Type": "Condition", "Arguments": arguments},
    ]


def reference(text: str) -> object:
    """What stands for a package in a definition: its ARN, a parameter of the pipeline, or a property of a step.

    Raises:
        NoSteps: none of the three.
    """
    if _REFERENCE.fullmatch(text):
        return {"Get": text}
    try:
        return parse_arn(text).text
    except ArnError as error:
        raise NoSteps(
            f"`{text}` is neither the ARN of a model package nor a reference to one",
            "write Parameters.NAME, or Steps.NAME.ModelPackageArn of the step that registers it",
        ) from error


def definition(made: Sequence[Step], parameters: Sequence[str] = ()) -> dict[str, Any]:
    """A whole definition, as CreatePipeline takes it; `parameters`: names of those that whoever starts it must give."""
    return {
        "Version": _VERSION,
        "Metadata": {},
        "Parameters": [{"Name": name, "Type": "String"} for name in parameters],
        "PipelineExperimentConfig": None,
        "Steps": list(made),
    }


def _asking(gate: Gate, name: str, act: Act, package: object, after: Sequence[str] = ()) -> Step:
    return {
        "Name": name,
        "Type": "Lambda",
        "Arguments": gate.asks(act, package, EXECUTION),
        **({"DependsOn": list(after)} if after else {}),
        "FunctionArn": gate.function,
        "OutputParameters": [{"OutputName": one, "OutputType": "String"} for one in OUTPUTS],
    }


def _behind(step: Step, name: str) -> Step:
    return {**step, "DependsOn": [*step.get("DependsOn", []), name]}


def _check_names(gate: Gate, then: Sequence[Step]) -> None:
    taken = {gate.name, gate.condition, gate.refusal, gate.approval}
    for one in then:
        name = one.get("Name")
        if not isinstance(name, str) or not name:
            raise NoSteps("a step that shall follow has no `Name`", "write each as it stands in a pipeline definition")
        if name in taken:
            raise NoSteps(f"two steps are called `{name}`", "name the gate or the step otherwise")
        taken.add(name)

"""Pipelines of every form that the gate's steps have, by our own JSON and by the SageMaker SDK.

`python -m tests.pipelines.drawn` prints what the SDK makes of them; it imports neither pytest nor what needs the engine's own
dependencies beyond msgspec and botocore.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from modelwarden.pipelines import sdk
from modelwarden.pipelines.steps import PARAMETER, Gate, Step, definition, reference, steps

FUNCTION = "arn:aws:lambda:eu-west-1:111111111111:function:modelwarden-pipeline"
DEPLOY = "arn:aws:lambda:eu-west-1:444455556666:function:deploy"
PACKAGE = "arn:aws:sagemaker:eu-west-1:444455556666:model-package/credit-default/1"
REGISTERED = "Steps.Register.OutputParameters['package']"

GATES = {
    "asks": Gate(FUNCTION, "Staging"),
    "deploys": Gate(FUNCTION, "Production", "deploy"),
    "approves": Gate(FUNCTION, "Development", approves=True),
    "approves and goes on": Gate(FUNCTION, "Development", approves=True, name="Promotion_1"),
    "knows the package": Gate(FUNCTION, "Production"),
    "follows a step": Gate(FUNCTION, "Production", "deploy", name="Last"),
}
GOES_ON = ("deploys", "approves and goes on", "follows a step")
FOLLOWS = "follows a step"


def _lambda(name: str, function: str, package: Any, outputs: list[Step], **more: Any) -> Step:
    return {
        "Name": name,
        "Type": "Lambda",
        "Arguments": {"package": package},
        **more,
        "FunctionArn": function,
        "OutputParameters": outputs,
    }


def by_us(name: str) -> dict[str, Any]:
    """The definition of one of the pipelines, as `modelwarden pipeline-steps` prints its steps."""
    text = PACKAGE if name == "knows the package" else REGISTERED if name == FOLLOWS else f"Parameters.{PARAMETER}"
    package = reference(text)
    register = _lambda("Register", DEPLOY, "x", [{"OutputName": "package", "OutputType": "String"}])
    then = [_lambda("Deploy", DEPLOY, package, [])] if name in GOES_ON else []
    after = ["Register"] if name == FOLLOWS else []
    made = steps(GATES[name], package, then=then, after=after)
    return definition(
        [register, *made] if name == FOLLOWS else made, [PARAMETER] if text.startswith("Parameters.") else []
    )


def by_the_sdk(name: str) -> dict[str, Any]:
    """The same, with objects of the SDK."""
    from sagemaker.core.lambda_helper import Lambda
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaStep
    from sagemaker.mlops.workflow.pipeline import Pipeline

    function = Lambda(function_arn=DEPLOY)
    parameter = ParameterString(name=PARAMETER)
    register = LambdaStep("Register", function, inputs={"package": "x"}, outputs=[LambdaOutput("package")])
    registered = register.properties.Outputs["package"]
    package = PACKAGE if name == "knows the package" else registered if name == FOLLOWS else parameter
    then = [LambdaStep("Deploy", function, inputs={"package": package})] if name in GOES_ON else []
    after = [register] if name == FOLLOWS else []
    made = sdk.steps(GATES[name], package, then=then, after=after)
    pipeline = Pipeline(
        name="promotion",
        parameters=[parameter] if package is parameter else [],
        pipeline_experiment_config=None,
        steps=[register, *made] if name == FOLLOWS else made,
    )
    found: dict[str, Any] = json.loads(pipeline.definition())
    return found


def recorded() -> dict[str, Any]:
    """What the SDK that is installed makes of all of them."""
    return {"sagemaker": version("sagemaker"), "definitions": {name: by_the_sdk(name) for name in GATES}}


if __name__ == "__main__":
    print(json.dumps(recorded(), indent=1))

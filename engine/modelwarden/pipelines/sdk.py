"""The same steps as objects of the SageMaker SDK for Python, version 3 (extra `sagemaker`).

The SDK is imported when steps are made: that takes seconds, and fails without a region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import NoRegionError

from modelwarden.errors import UserError
from modelwarden.pipelines.message import GOOD, OUTPUTS, Act
from modelwarden.pipelines.steps import Gate


class NoSdk(UserError):
    """The SDK cannot be used."""

    help = "pip install 'modelwarden[sagemaker]'"


def steps(
    gate: Gate, package: Any, *, then: Sequence[Any] = (), after: Sequence[Any] = (), session: Any = None
) -> list[Any]:
    """A LambdaStep and the ConditionStep behind it, for the list of steps of a Pipeline.

    Args:
        package: an ARN, a ParameterString, or a property of the step that registers the package.
        then: steps that run only where the gate allowed it, and where it approves, only after that.
        after: steps, or names of steps, that must have ended before the gate asks.
        session: of the SDK; its own where there is none.

    Raises:
        NoSdk: it is not installed, is none of version 3, or has no region.
    """
    try:
        from sagemaker.core.lambda_helper import Lambda
        from sagemaker.core.workflow.conditions import ConditionIn
        from sagemaker.core.workflow.execution_variables import ExecutionVariables
        from sagemaker.core.workflow.functions import Join
        from sagemaker.mlops.workflow.condition_step import ConditionStep
        from sagemaker.mlops.workflow.fail_step import FailStep
        from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaStep
    except ImportError as error:
        raise NoSdk(f"steps of the SageMaker SDK need its version 3: {error}") from error
    except NoRegionError as error:
        raise NoSdk("the SageMaker SDK cannot be imported without a region", "set AWS_DEFAULT_REGION") from error

    function = Lambda(function_arn=gate.function, session=session)

    def asking(name: str, act: Act, after: Sequence[Any] = ()) -> Any:
        inputs = dict(gate.asks(act, package, ExecutionVariables.PIPELINE_EXECUTION_ARN))
        outputs = [LambdaOutput(output_name=one) for one in OUTPUTS]
        return LambdaStep(
            name=name, lambda_func=function, inputs=inputs, outputs=outputs, depends_on=list(after) or None
        )

    first = asking(gate.name, "gate", after)
    output = first.properties.Outputs
    allowed = list(then)
    if gate.approves:
        approval = asking(gate.approval, "approve")
        for one in then:
            one.add_depends_on([approval])
        allowed = [approval, *then]
    refusal = FailStep(name=gate.refusal, error_message=Join(on="", values=gate.refused(output)))
    good = ConditionIn(value=output["verdict"], in_values=list(GOOD))
    return [first, ConditionStep(name=gate.condition, conditions=[good], if_steps=allowed, else_steps=[refusal])]

"""The state machine as the simulator executes it: its tasks call the functions in this process, and AWS is the sandbox."""

from __future__ import annotations

import io
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

Function = Callable[[dict[str, Any], Any], Any]
MODULES = (
    "component.state.exec.state_map.item_reader.eval.resource_eval_s3",
    "component.state.exec.state_task.lambda_eval_utils",
    "component.state.exec.state_task.service.state_task_service_aws_sdk",
)
"""Of the simulator's parser, that call AWS."""


class Lambda:
    """Answers `Invoke` as Lambda does, by calling."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.functions = functions
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def invoke(self, **asked: Any) -> dict[str, Any]:
        name, payload = asked["FunctionName"], json.loads(asked.get("Payload") or b"{}")
        self.asked.append((name, payload))
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
        try:
            answer = self.functions[name](payload, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, Lambda tells it so
            told = {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "stackTrace": traceback.format_tb(error.__traceback__),
            }
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}


def execute(
    patch: pytest.MonkeyPatch, client: Callable[[str], Any], definition: str, functions: Lambda, name: str = "scan"
) -> dict[str, Any]:
    """Run a machine to its end: its description. `client` makes clients of the account in which it runs."""
    import moto.stepfunctions.models  # noqa: F401 - loads the parser

    machines = client("stepfunctions")
    for module in MODULES:
        __import__(f"moto.stepfunctions.parser.asl.{module}")
        patch.setattr(
            sys.modules[f"moto.stepfunctions.parser.asl.{module}"],
            "boto_client_for",
            lambda region, service, state_credentials=None: functions if service == "lambda" else client(service),
        )
    from moto.core.config import default_user_config

    patch.setitem(default_user_config, "stepfunctions", {"execute_state_machine": True})
    arn = machines.create_state_machine(name=name, definition=definition, roleArn="arn:aws:iam::111111111111:role/m")
    run = machines.start_execution(stateMachineArn=arn["stateMachineArn"], name=uuid4().hex, input="{}")["executionArn"]
    until = time.monotonic() + 240
    while time.monotonic() < until:
        told: dict[str, Any] = machines.describe_execution(executionArn=run)
        if told["status"] != "RUNNING":
            return told
        time.sleep(0.1)
    raise AssertionError("the machine does not end")

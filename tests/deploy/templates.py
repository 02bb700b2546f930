"""The templates as CloudFormation reads them, and what the simulated CloudFormation can make of them."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import loads

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
Template = dict[str, Any]

UNDEPLOYED = {
    "AWS::ApiGatewayV2::Api": "moto makes none from a template",
    "AWS::ApiGatewayV2::Integration": "moto makes none from a template",
    "AWS::ApiGatewayV2::Route": "moto makes none from a template",
    "AWS::ApiGatewayV2::Stage": "moto makes none from a template",
    "AWS::CloudFormation::LambdaHook": "moto has none",
    "AWS::CloudWatch::Alarm": "moto makes none from a template",
    "AWS::Events::EventBusPolicy": "moto has none",
    "AWS::IAM::RolePolicy": "moto makes none from a template",
    "AWS::Lambda::Permission": "moto knows neither its API nor an organization in it",
    "AWS::Lambda::EventSourceMapping": "moto's own ignores which messages failed: the tests hand them over themselves",
    "AWS::S3::BucketPolicy": "moto makes none from a template",
    "AWS::Scheduler::Schedule": "moto makes none from a template",
    "AWS::SQS::QueuePolicy": "moto has none",
}
"""Type that is left out of what the simulated CloudFormation is given -> why."""


@cache
def _read(name: str) -> str:
    return json.dumps(loads((DEPLOY / name).read_text()))


def load(name: str) -> Template:
    """A template with its functions written out; whoever changes it changes a copy."""
    found: Template = json.loads(_read(name))
    return found


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of every resource of a type."""
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def documents(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Policy documents inside a role or a policy, without who may assume the role."""
    inner = [one["PolicyDocument"] for one in properties.get("Policies", [])]
    return [*inner, *([properties["PolicyDocument"]] if "PolicyDocument" in properties else [])]


def actions(*policies: dict[str, Any]) -> set[str]:
    """Actions that documents allow."""
    statements = [one for policy in policies for one in policy["Statement"] if one["Effect"] == "Allow"]
    return {action for one in statements for action in listed(one["Action"])}


def translated(template: Template) -> Template:
    """What SAM makes of a template.

    Raises:
        InvalidDocumentException: a property that SAM does not know, among others.
    """
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    packaged = copy.deepcopy(template)
    for one in resources(packaged, "AWS::Serverless::Function").values():
        one["CodeUri"] = {"Bucket": "deployment", "Key": "lambda.zip"}  # as `aws cloudformation package` writes it
    # No template names a managed policy of SAM, so that nothing has to be looked up in AWS.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="eu-west-1"))
    made: Template = translator.translate(packaged, {}, get_managed_policy_map=dict)
    return made


def reduced(template: Template) -> Template:
    """What is left of a template for moto: without what it does not make, and written so that it does not fail over it."""
    kept = {name: one for name, one in template["Resources"].items() if one["Type"] not in UNDEPLOYED}
    buses = {name: one["Properties"]["Name"] for name, one in kept.items() if one["Type"] == "AWS::Events::EventBus"}
    # What points to an HTTP API points to one of that name.
    apis = {name: name for name, one in template["Resources"].items() if one["Type"] == "AWS::ApiGatewayV2::Api"}
    left: Template = _without_refs({**template, "Resources": kept}, buses | apis)
    for one in resources(left, "AWS::KMS::Key").values():
        one.pop("Tags", None)  # KeyError
    for one in resources(left, "AWS::StepFunctions::StateMachine").values():
        one["DefinitionString"] = {"Fn::Sub": _as_text(one.pop("Definition"))}  # which moto does not read
    for one in left["Resources"].values():
        if one["Type"] == "AWS::Events::Rule" and "EventBusName" in one["Properties"]:
            one["DependsOn"] = list(buses)  # what a Ref says is gone
    return left


def _as_text(definition: Any) -> str:
    """A machine as one text, in which what the template points to stands between `${` and `}`."""

    def pointed(value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            if isinstance(value.get("Fn::Sub"), str):
                return value["Fn::Sub"]
            if "Ref" in value:
                return f"${{{value['Ref']}}}"
            if "Fn::GetAtt" in value:
                return f"${{{'.'.join(value['Fn::GetAtt'])}}}"
        if isinstance(value, dict):
            return {key: pointed(inner) for key, inner in value.items()}
        return [pointed(inner) for inner in value] if isinstance(value, list) else value

    # A number that is a parameter is no text.
    return re.sub(r'("MaxConcurrency": )"(\$\{\w+\})"', r"\1\2", json.dumps(pointed(definition)))


def _named(found: re.Match[str], names: dict[str, Any]) -> str:
    name = names.get(found[1])
    return name if isinstance(name, str) else found[0]


def _without_refs(value: Any, names: dict[str, Any]) -> Any:
    """A Ref to a bus is its name; to moto it is an object of its own, which nothing can be made of."""
    if isinstance(value, dict):
        pointed = value.get("Ref") or (value.get("Fn::GetAtt") or [""])[0]
        if len(value) == 1 and pointed in names and ("Ref" in value or value["Fn::GetAtt"][1] == "ApiEndpoint"):
            return names[pointed]
        if isinstance(value.get("Fn::Sub"), str):
            return {"Fn::Sub": re.sub(r"\$\{(\w+)\}", lambda found: _named(found, names), value["Fn::Sub"])}
        return {key: _without_refs(inner, names) for key, inner in value.items()}
    return [_without_refs(inner, names) for inner in value] if isinstance(value, list) else value

"""Endpoints of the scenario, with their configurations and models; those that a client made are moto's to describe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.packages import ordered, within
from modelwarden.sandbox.scenario import Scenario, ScenarioError, moment
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Cell, Handler, World, page

_SUMMARY: Final = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
_PACKAGE: Final = re.compile(
    r"(arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/)?[A-Za-z0-9][A-Za-z0-9-]{0,62}(/[0-9]{1,9})?"
)
_INSTANCES: Final = 1


def _backend(call: Call) -> Any:
    """What moto keeps of the models and endpoints that clients made."""
    return moto("sagemaker.models").sagemaker_backends[call.account][call.region]


def _missing(call: Call, what: str, kind: str, name: str) -> Refusal:
    """AWS says that it could not find them, and not, as of packages, that they do not exist."""
    arn = f"arn:aws:sagemaker:{call.region}:{call.account}:{kind}/{name}"
    return Refusal("ValidationException", f'Could not find {what} "{arn}".')


def _list(call: Call) -> Mapping[str, Any] | None:
    """A cell without endpoints of the scenario has those that clients made."""
    if not call.cell.endpoints and _backend(call).endpoints:
        return None
    wanted = call.parameters
    chosen = [
        endpoint
        for endpoint in call.cell.endpoints.values()
        if (wanted.get("NameContains") or "") in endpoint["EndpointName"]
        and wanted.get("StatusEquals") in (None, endpoint["EndpointStatus"])
        and within(endpoint["CreationTime"], wanted)
    ]
    found, token = page(ordered(chosen, wanted, "EndpointName"), call, 10)
    return {"Endpoints": [{name: one[name] for name in _SUMMARY} for one in found], **token}


def _describe(call: Call) -> Mapping[str, Any] | None:
    name = call.need("EndpointName")
    if name in call.cell.endpoints:
        return call.cell.endpoints[name]
    if name in _backend(call).endpoints:
        return None
    raise _missing(call, "endpoint", "endpoint", name)


def _describe_config(call: Call) -> Mapping[str, Any] | None:
    name = call.need("EndpointConfigName")
    if name in call.cell.endpoint_configs:
        return call.cell.endpoint_configs[name]
    if name in _backend(call).endpoint_configs:
        return None
    raise _missing(call, "endpoint configuration", "endpoint-config", name)


def _describe_model(call: Call) -> Mapping[str, Any] | None:
    name = call.need("ModelName")
    if name in call.cell.models:
        return call.cell.models[name]
    if name in _backend(call)._models:
        return None
    raise _missing(call, "model", "model", name)


def seed(world: World, scenario: Scenario) -> None:
    """Endpoints, configurations and models out of the list `endpoints`.

    An endpoint without `variants` has a configuration that another entry states, and a variant without `package`,
    `image` or `containers` a model of another; where none does, it was deleted. A variant without `model` holds
    inference components.

    Raises:
        ScenarioError: two entries state different things under one name, or a package has no name of one.
    """
    for where, one in scenario.each("endpoints"):
        at = moment(where, one["created"]) if one.get("created") else scenario.clock or datetime.now(UTC)
        cell = world.cell(one["account"], one["region"])
        arn, variants = f"arn:aws:sagemaker:{one['region']}:{one['account']}", one.get("variants")
        _state(where, cell.endpoints, one["name"], _endpoint(arn, one, at))
        if variants is None:
            continue
        if not isinstance(variants, list) or not all(isinstance(entry, dict) for entry in variants):
            raise ScenarioError(f"{where}: `variants` is not a list of objects")
        if unnamed := [entry for entry in variants if not entry.get("name")]:
            raise ScenarioError(f"{where}: a variant has no `name`: {unnamed[0]}")
        _state(where, cell.endpoint_configs, one["config"], _config(arn, one["config"], variants, at))
        for variant in variants:
            _model(where, cell, arn, variant, at)


def _state(where: str, table: dict[str, dict[str, Any]], name: str, answer: dict[str, Any]) -> None:
    """Times aside, what two entries state under one name must be the same."""
    known = table.setdefault(name, answer)
    times = ("CreationTime", "LastModifiedTime")
    if any(known.get(key) != answer.get(key) for key in known.keys() | answer.keys() if key not in times):
        raise ScenarioError(f"{where}: `{name}` is something else in an entry above", "state it once")


def _endpoint(arn: str, one: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "EndpointName": one["name"],
        "EndpointArn": f"{arn}:endpoint/{one['name']}",
        "EndpointConfigName": one["config"],
        "EndpointStatus": one.get("status", "InService"),
        "CreationTime": at,
        "LastModifiedTime": at,
        **({"ProductionVariants": [_running(variant) for variant in one["variants"]]} if one.get("variants") else {}),
    }


def _running(variant: Mapping[str, Any]) -> dict[str, Any]:
    count = {"CurrentInstanceCount": _INSTANCES, "DesiredInstanceCount": _INSTANCES}
    return {"VariantName": variant.get("name"), "CurrentWeight": 1.0, "DesiredWeight": 1.0, **count}


def _config(arn: str, name: str, variants: list[dict[str, Any]], at: datetime) -> dict[str, Any]:
    instances = {"InitialInstanceCount": _INSTANCES, "InstanceType": "ml.m5.large", "InitialVariantWeight": 1.0}
    return {
        "EndpointConfigName": name,
        "EndpointConfigArn": f"{arn}:endpoint-config/{name}",
        "ProductionVariants": [
            {
                "VariantName": variant["name"],
                **({"ModelName": variant["model"]} if variant.get("model") else {}),
                **instances,
            }
            for variant in variants
        ],
        "CreationTime": at,
    }


def _model(where: str, cell: Cell, arn: str, variant: Mapping[str, Any], at: datetime) -> None:
    """The model of a variant, where the variant says what it is made of."""
    name = variant.get("model")
    several = [_container(where, one) for one in variant.get("containers", [])]
    if not name or not (several or variant.get("package") or variant.get("image")):
        return
    held = {"Containers": several} if several else {"PrimaryContainer": _container(where, variant)}
    role = f"arn:aws:iam::{arn.rpartition(':')[2]}:role/ModelServing"
    own = {"ModelName": name, "ModelArn": f"{arn}:model/{name}", "ExecutionRoleArn": role, "CreationTime": at}
    _state(where, cell.models, name, {**own, **held, "EnableNetworkIsolation": False})


def _container(where: str, one: Mapping[str, Any]) -> dict[str, Any]:
    package = one.get("package")
    if package and not _PACKAGE.fullmatch(str(package)):
        raise ScenarioError(f"{where}: `{package}` is not the name or ARN of a model package")
    named = {
        "ModelPackageName": package,
        "InferenceSpecificationName": one.get("specification"),
        "Image": one.get("image"),
        "ModelDataUrl": one.get("data"),
    }
    return {member: value for member, value in named.items() if value}


OPERATIONS: Final[dict[str, Handler]] = {
    "sagemaker:ListEndpoints": _list,
    "sagemaker:DescribeEndpoint": _describe,
    "sagemaker:DescribeEndpointConfig": _describe_config,
    "sagemaker:DescribeModel": _describe_model,
}

"""What a resource of a template would run: the model packages behind a model, an endpoint's configuration, an endpoint or an
inference component that is about to be made.

Properties of CloudFormation are spelled as the API spells them. What a resource only names, a model or a configuration, is
described as it is for an endpoint that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Final, TypedDict

import msgspec

from modelwarden.collect.aws import Aws, Failure
from modelwarden.collect.deployment import (
    NO_MODEL,
    Ask,
    Endpoint,
    Held,
    configured,
    of_containers,
    of_model,
    of_variants,
)
from modelwarden.typed import converted

_BESIDE: Final = ("Image", "ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources")
"""What a container that names a package brings besides it was never judged with it."""


class _Container(TypedDict, total=False):
    ModelPackageName: str
    Image: str
    ModelDataUrl: str
    ModelDataSource: Any
    AdditionalModelDataSources: Any


class _Model(TypedDict, total=False):
    ModelName: str
    PrimaryContainer: _Container
    Containers: list[_Container]


class _Pool(TypedDict, total=False):
    ModelNameOverride: str


class _Variant(TypedDict, total=False):
    VariantName: str
    ModelName: str
    InstancePools: list[_Pool]


class _Configuration(TypedDict, total=False):
    ProductionVariants: list[_Variant]
    ShadowProductionVariants: list[_Variant]


class _Endpoint(TypedDict, total=False):
    EndpointConfigName: str


class _Specification(TypedDict, total=False):
    ModelName: str
    Container: _Container


class _Component(TypedDict, total=False):
    Specification: _Specification
    Specifications: list[_Specification]


def proposed(aws: Aws, arn: str, kind: str, properties: Mapping[str, Any]) -> tuple[Held, ...]:
    """What a resource would run, each once; nothing where it runs nothing by itself.

    `arn` begins as those of its account and region do, with anything for a name; `kind` is one of `KINDS`.
    """
    _, _, _, region, account, _ = arn.split(":", 5)
    failure: Failure | None = aws.enter(account, region)
    if failure is not None:
        return (Held(problem=f"{failure.source.api}: {failure.code}: {failure.message}"),)
    shape, told = KINDS[kind]
    try:
        said = converted(properties, shape)
    except msgspec.ValidationError as error:
        return (Held(problem=f"its properties are not those of a {kind}: {error}"),)
    ask: Ask = cache(partial(aws.call, account, region, "sagemaker"))
    found = dict.fromkeys(told(ask, Endpoint("", arn, ""), said))
    # A variant without a model runs what its inference components bring, and these are asked about by themselves.
    return tuple(held for held in found if held.problem != NO_MODEL)


def _of_model(_: Ask, endpoint: Endpoint, said: Any) -> Iterator[Held]:
    name = said.get("ModelName", "")
    for container in [*filter(None, [said.get("PrimaryContainer")]), *said.get("Containers", ())]:
        beside = [one for one in _BESIDE if container.get(one)]
        if container.get("ModelPackageName") and beside:
            yield Held(name, problem=f"a container brings {', '.join(beside)} besides its package")
    yield from of_containers(name, endpoint, said)


def _of_configuration(ask: Ask, endpoint: Endpoint, said: Any) -> Iterator[Held]:
    return (held for _, held in of_variants(ask, endpoint, said))


def _of_endpoint(ask: Ask, endpoint: Endpoint, said: Any) -> Iterator[Held]:
    name = said.get("EndpointConfigName")
    if not name:
        yield Held(problem="the endpoint names no configuration")
        return
    yield from (held for _, held in configured(ask, endpoint, name, ()))


def _of_component(ask: Ask, endpoint: Endpoint, said: Any) -> Iterator[Held]:
    specifications = [*([said["Specification"]] if "Specification" in said else []), *said.get("Specifications", ())]
    for one in specifications:
        if one.get("ModelName"):
            yield from of_model(ask, endpoint, one["ModelName"])
        elif one.get("Container"):
            yield from of_containers("", endpoint, {"PrimaryContainer": one["Container"]})
        else:
            yield Held(problem="the inference component names neither model nor container")
    if not specifications:
        yield Held(problem="the inference component has no specification")


Told = Callable[[Ask, Endpoint, Any], Iterator[Held]]
KINDS: Final[dict[str, tuple[Any, Told]]] = {
    "AWS::SageMaker::Model": (_Model, _of_model),
    "AWS::SageMaker::EndpointConfig": (_Configuration, _of_configuration),
    "AWS::SageMaker::Endpoint": (_Endpoint, _of_endpoint),
    "AWS::SageMaker::InferenceComponent": (_Component, _of_component),
}
"""Type of a resource -> the properties that say what it runs, and how they are read."""

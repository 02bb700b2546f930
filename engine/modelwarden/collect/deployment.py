"""What runs: the model packages behind the endpoints of an account and region, and what runs without one.

ListEndpoints names the endpoints. Each names a configuration, whose variants name models, whose containers name a model
package or an image. A step that cannot be read leaves a deployment with a problem, and never one less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from modelwarden.arn import ArnError, parse_arn
from modelwarden.collect.aws import Answer, Aws, Failure
from modelwarden.collect.describe import dig
from modelwarden.collect.pages import listed
from modelwarden.collect.text import whole
from modelwarden.evidence import Unknown
from modelwarden.snapshot import Deployment

Capture = Literal["", "absent", "Started", "Stopped"]
"""As in `Deployment`."""
Ask = Callable[..., "Answer | Failure"]
"""One operation of the cell, by name; the same question is asked once."""


class Deployments(Struct, frozen=True):
    """What runs in a cell."""

    found: tuple[Deployment, ...]
    """Sorted by endpoint and variant; what is listed twice stands here once."""
    unread: Unknown | None
    """Why endpoints may be missing; None where the list was read to its end."""
    names: Mapping[str, str] = field(default_factory=dict)
    """ARN -> name of the endpoint: an ARN has it in lower case."""


class _Held(Struct, frozen=True):
    """A model or none: what a variant holds, or why that cannot be told."""

    model: str = ""
    package: str | None = None
    image: str = ""
    problem: str = ""


class _Endpoint(Struct, frozen=True):
    """An endpoint as the list shows it, or as its description does."""

    name: str
    arn: str
    status: str
    changed: datetime | None = None
    capture: Capture = ""
    capture_percent: int | None = None

    @property
    def packages(self) -> str:
        """What the ARN of a package of the same account and region begins with."""
        return f"{self.arn.rpartition(':')[0]}:model-package/"


def deployments(aws: Aws, account: str, region: str) -> Deployments:
    """Everything that the endpoints of an account run in a region. The account has been entered before."""
    endpoints: dict[str, _Endpoint] = {}
    unread = listed(
        partial(aws.call, account, region, "sagemaker", "ListEndpoints"), "Endpoints", partial(_take, endpoints)
    )
    ask: Ask = cache(partial(aws.call, account, region, "sagemaker"))
    found = {one for endpoint in endpoints.values() for one in _of_endpoint(ask, endpoint)}
    names = {one.arn: one.name for one in endpoints.values()}
    return Deployments(tuple(sorted(found, key=_order)), unread, names)


def run_by(aws: Aws, endpoint: str) -> tuple[Deployment, ...]:
    """What one endpoint runs, by its ARN; nothing where AWS says that there is none. The account has been entered before."""
    _, _, _, region, account, name = endpoint.split(":", 5)
    ask: Ask = cache(partial(aws.call, account, region, "sagemaker"))
    found = set(_of_endpoint(ask, _Endpoint(name.removeprefix("endpoint/"), endpoint, "")))
    return tuple(sorted(found, key=_order))


def _order(one: Deployment) -> tuple[str, ...]:
    return one.endpoint, one.variant, one.model, one.package or "", one.image, one.problem, one.status


def _take(endpoints: dict[str, _Endpoint], entry: Mapping[str, Any]) -> bool:
    """Keep an entry of the list, by ARN; whether it names an endpoint."""
    if not entry.get("EndpointArn") or not entry.get("EndpointName"):
        return False
    endpoints[whole(entry["EndpointArn"])] = _summary(entry)
    return True


def _summary(entry: Mapping[str, Any]) -> _Endpoint:
    arn, status = whole(entry["EndpointArn"]), whole(entry.get("EndpointStatus") or "")
    return _Endpoint(entry["EndpointName"], arn, status)


def _of_endpoint(ask: Ask, listed: _Endpoint) -> Iterator[Deployment]:
    """Nothing only where AWS says that the endpoint is not there any more."""
    told = ask("DescribeEndpoint", EndpointName=listed.name)
    if isinstance(told, Failure) and told.state == "read":
        return
    wrong = _wrong(told, "EndpointArn", listed.arn)
    if isinstance(told, Failure) or wrong:
        yield _deployment(listed, "", _Held(problem=wrong))
        return
    endpoint = _described(listed, told.data)
    named = [told.data.get("EndpointConfigName"), dig(told.data, "PendingDeploymentSummary", "EndpointConfigName")]
    configurations = [name for name in named if name]
    if not configurations:
        yield _deployment(endpoint, "", _Held(problem="the endpoint names no configuration"))
    for name in configurations:
        for variant, held in _configured(ask, endpoint, name, _variants(told.data)):
            yield _deployment(endpoint, variant, held)


def _described(listed: _Endpoint, data: Mapping[str, Any]) -> _Endpoint:
    """An endpoint as its description has it. A state of data capture that we do not know is one that nobody could read."""
    told = dig(data, "DataCaptureConfig") or {}
    status, percent = told.get("CaptureStatus"), told.get("CurrentSamplingPercentage")
    capture: Capture = "" if told else "absent"
    return replace(
        listed,
        status=whole(data["EndpointStatus"]),
        changed=data["LastModifiedTime"],
        capture=status if status in ("Started", "Stopped") else capture,
        capture_percent=percent if isinstance(percent, int) else None,
    )


def _deployment(endpoint: _Endpoint, variant: str, held: _Held) -> Deployment:
    return Deployment(
        endpoint.arn,
        endpoint.status,
        variant,
        held.model,
        held.package,
        held.image,
        problem=held.problem,
        capture=endpoint.capture,
        capture_percent=endpoint.capture_percent,
    )


def _variants(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A shadow variant runs as well, on a copy of what is asked of the others."""
    return [*(data.get("ProductionVariants") or ()), *(data.get("ShadowProductionVariants") or ())]


def _configured(
    ask: Ask, endpoint: _Endpoint, name: str, running: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, _Held]]:
    """(variant, what it holds) by a configuration; where that cannot be read, a problem of each running variant."""
    told = ask("DescribeEndpointConfig", EndpointConfigName=name)
    wrong = _wrong(told, "EndpointConfigName", name, endpoint.changed)
    if isinstance(told, Failure) or wrong:
        known = [whole(variant.get("VariantName") or "") for variant in running]
        yield from ((variant, _Held(problem=wrong)) for variant in known or [""])
        return
    variants = _variants(told.data)
    if not variants:
        yield "", _Held(problem="the configuration has no variant")
    for variant in variants:
        named = [
            variant.get("ModelName"),
            *(pool.get("ModelNameOverride") for pool in variant.get("InstancePools") or ()),
        ]
        models = [model for model in named if model]
        if not models:
            nobody = "the variant names no model, and inference components are not read"
            yield whole(variant.get("VariantName") or ""), _Held(problem=nobody)
        for model in models:
            for held in _of_model(ask, endpoint, model):
                yield whole(variant.get("VariantName") or ""), held


def _of_model(ask: Ask, endpoint: _Endpoint, name: str) -> Iterator[_Held]:
    """What each container of a model is."""
    told = ask("DescribeModel", ModelName=name)
    wrong = _wrong(told, "ModelName", name, endpoint.changed)
    if isinstance(told, Failure) or wrong:
        yield _Held(whole(name), problem=wrong)
        return
    primary = told.data.get("PrimaryContainer")
    containers = [*([primary] if primary else []), *(told.data.get("Containers") or ())]
    if not containers:
        yield _Held(whole(name), problem="the model has no container")
    for container in containers:
        yield _of_container(whole(name), endpoint, container)


def _of_container(model: str, endpoint: _Endpoint, container: Mapping[str, Any]) -> _Held:
    """A package goes before the image that it brings with it."""
    package, image = whole(container.get("ModelPackageName") or ""), whole(container.get("Image") or "")
    if not package:
        return _Held(model, image=image, problem="" if image else "a container names neither package nor image")
    arn = package if package.startswith("arn:") else endpoint.packages + package
    try:
        parse_arn(arn)
    except ArnError:
        return _Held(model, problem="a container names a package that has no name of one")
    return _Held(model, arn)


def _wrong(told: Answer | Failure, member: str, expected: str, until: datetime | None = None) -> str:
    """Why an answer does not say what runs; empty where it does.

    `until`: when the endpoint was last changed. A configuration or model that is younger was made anew under the name
    of the one that runs, and says nothing about it.
    """
    if isinstance(told, Failure):
        return f"{told.source.api}: {'it was deleted' if told.state == 'read' else told.code}"
    if str(told.data.get(member)).casefold() != expected.casefold():
        return f"{told.source.api}: the description of another one"
    if until is not None and told.data["CreationTime"] > until:
        return f"{told.source.api}: made anew after the endpoint was last changed"
    return ""

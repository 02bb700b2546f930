"""What runs: the model packages behind the endpoints of an account and region, and what runs without one.

ListEndpoints names the endpoints. Each names a configuration, whose variants name models, whose containers name a model
package or an image. A step that cannot be read leaves a deployment with a problem, and never one less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, Literal

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

NO_MODEL: Final = "the variant names no model, and inference components are not read"


class Deployments(Struct, frozen=True):
    """What runs in a cell."""

    found: tuple[Deployment, ...]
    """Sorted by endpoint and variant; what is listed twice stands here once."""
    unread: Unknown | None
    """Why endpoints may be missing; None where the list was read to its end."""
    names: Mapping[str, str] = field(default_factory=dict)
    """ARN -> name of the endpoint: an ARN has it in lower case."""


class Held(Struct, frozen=True):
    """A model or none: what a variant holds, or why that cannot be told."""

    model: str = ""
    package: str | None = None
    image: str = ""
    problem: str = ""


class Endpoint(Struct, frozen=True):
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
    endpoints: dict[str, Endpoint] = {}
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
    found = set(_of_endpoint(ask, Endpoint(name.removeprefix("endpoint/"), endpoint, "")))
    return tuple(sorted(found, key=_order))


def _order(one: Deployment) -> tuple[str, ...]:
    return one.endpoint, one.variant, one.model, one.package or "", one.image, one.problem, one.status


def _take(endpoints: dict[str, Endpoint], entry: Mapping[str, Any]) -> bool:
    """Keep an entry of the list, by ARN; whether it names an endpoint."""
    if not entry.get("EndpointArn") or not entry.get("EndpointName"):
        return False
    endpoints[whole(entry["EndpointArn"])] = _summary(entry)
    return True


def _summary(entry: Mapping[str, Any]) -> Endpoint:
    arn, status = whole(entry["EndpointArn"]), whole(entry.get("EndpointStatus") or "")
    return Endpoint(entry["EndpointName"], arn, status)


def _of_endpoint(ask: Ask, listed: Endpoint) -> Iterator[Deployment]:
    """Nothing only where AWS says that the endpoint is not there any more."""
    told = ask("DescribeEndpoint", EndpointName=listed.name)
    if isinstance(told, Failure) and told.state == "read":
        return
    wrong = _wrong(told, "EndpointArn", listed.arn)
    if isinstance(told, Failure) or wrong:
        yield _deployment(listed, "", Held(problem=wrong))
        return
    endpoint = _described(listed, told.data)
    named = [told.data.get("EndpointConfigName"), dig(told.data, "PendingDeploymentSummary", "EndpointConfigName")]
    configurations = [name for name in named if name]
    if not configurations:
        yield _deployment(endpoint, "", Held(problem="the endpoint names no configuration"))
    for name in configurations:
        for variant, held in configured(ask, endpoint, name, _variants(told.data)):
            yield _deployment(endpoint, variant, held)


def _described(listed: Endpoint, data: Mapping[str, Any]) -> Endpoint:
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


def _deployment(endpoint: Endpoint, variant: str, held: Held) -> Deployment:
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


def configured(
    ask: Ask, endpoint: Endpoint, name: str, running: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Held]]:
    """(variant, what it holds) by a configuration; where that cannot be read, a problem of each running variant."""
    told = ask("DescribeEndpointConfig", EndpointConfigName=name)
    wrong = _wrong(told, "EndpointConfigName", name, endpoint.changed)
    if isinstance(told, Failure) or wrong:
        known = [whole(variant.get("VariantName") or "") for variant in running]
        yield from ((variant, Held(problem=wrong)) for variant in known or [""])
        return
    yield from of_variants(ask, endpoint, told.data)


def of_variants(ask: Ask, endpoint: Endpoint, data: Mapping[str, Any]) -> Iterator[tuple[str, Held]]:
    """The same by what a configuration says."""
    variants = _variants(data)
    if not variants:
        yield "", Held(problem="the configuration has no variant")
    for variant in variants:
        named = [
            variant.get("ModelName"),
            *(pool.get("ModelNameOverride") for pool in variant.get("InstancePools") or ()),
        ]
        models = [model for model in named if model]
        if not models:
            yield whole(variant.get("VariantName") or ""), Held(problem=NO_MODEL)
        for model in models:
            for held in of_model(ask, endpoint, model):
                yield whole(variant.get("VariantName") or ""), held


def of_model(ask: Ask, endpoint: Endpoint, name: str) -> Iterator[Held]:
    """What each container of a model is."""
    told = ask("DescribeModel", ModelName=name)
    wrong = _wrong(told, "ModelName", name, endpoint.changed)
    if isinstance(told, Failure) or wrong:
        yield Held(whole(name), problem=wrong)
        return
    yield from of_containers(whole(name), endpoint, told.data)


def of_containers(model: str, endpoint: Endpoint, data: Mapping[str, Any]) -> Iterator[Held]:
    """The same by what a model says."""
    primary = data.get("PrimaryContainer")
    containers = [*([primary] if primary else []), *(data.get("Containers") or ())]
    if not containers:
        yield Held(model, problem="the model has no container")
    for container in containers:
        yield _of_container(model, endpoint, container)


def _of_container(model: str, endpoint: Endpoint, container: Mapping[str, Any]) -> Held:
    """A package goes before the image that it brings with it."""
    package, image = whole(container.get("ModelPackageName") or ""), whole(container.get("Image") or "")
    if not package:
        return Held(model, image=image, problem="" if image else "a container names neither package nor image")
    arn = package if package.startswith("arn:") else endpoint.packages + package
    try:
        parse_arn(arn)
    except ArnError:
        return Held(model, problem="a container names a package that has no name of one")
    return Held(model, arn)


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

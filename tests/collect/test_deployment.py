"""What runs: each endpoint is told by what it holds or by why that cannot be told, and none is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.collect.answer import Failure
from modelwarden.collect.aws import Answer, Aws
from modelwarden.collect.deployment import Deployment, Deployments, deployments
from modelwarden.evidence import Unknown
from tests.organization import SCENARIO

from .conftest import ACCOUNT, REGION, Organization, Said, Script, failure

HUB, LENDING, CLAIMS, MARKETING = "222222222222", "444455556666", "555566667777", "666677778888"
VIRGINIA = "us-east-1"
LIST, ENDPOINT, CONFIG, MODEL = (
    f"sagemaker:{name}" for name in ("ListEndpoints", "DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel")
)
KINDS = ("deny", "throttle", "expired", "500", "cut", "html", "empty", "drop", "malform")
CELLS = sorted({(one["account"], one["region"]) for one in SCENARIO["endpoints"]})


def package(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:sagemaker:{REGION}:{account}:model-package/{name}"


def endpoint(name: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:sagemaker:{region}:{account}:endpoint/{name}"


def read(aws: Aws, account: str, region: str) -> Deployments:
    assert aws.enter(account, region) is None
    return replace(deployments(aws, account, region), names={})


# The demo over HTTP.

_DEMO = {
    (HUB, REGION): [
        Deployment(
            endpoint("mailroom-sorter", HUB), "InService", "AllTraffic", "mailroom-005", package("mailroom/5", HUB), ""
        )
    ],
    (LENDING, REGION): [
        Deployment(
            endpoint("credit-decision", LENDING),
            "InService",
            "AllTraffic",
            "credit-default-016",
            package("credit-default/16", LENDING),
            "",
        ),
        Deployment(
            endpoint("credit-preview", LENDING),
            "InService",
            "AllTraffic",
            "credit-default-020",
            package("credit-default/20", LENDING),
            "",
        ),
    ],
    (ACCOUNT, REGION): [
        Deployment(endpoint("churn-live"), "InService", "challenger", "churn-014-fast", package("churn/14"), ""),
        Deployment(endpoint("churn-live"), "InService", "champion", "churn-002", package("churn/2"), ""),
    ],
    (CLAIMS, REGION): [
        Deployment(
            endpoint("claims-mailroom", CLAIMS),
            "Updating",
            "AllTraffic",
            "mailroom-006",
            package("mailroom/6", HUB),
            "",
        )
    ],
    (CLAIMS, VIRGINIA): [
        Deployment(
            endpoint("claims-fraud-score", CLAIMS, VIRGINIA),
            "InService",
            "AllTraffic",
            "claims-fraud-deleted",
            None,
            "",
            "sagemaker:DescribeModel: it was deleted",
        )
    ],
    (MARKETING, VIRGINIA): [
        Deployment(
            endpoint("campaign-experiment", MARKETING, VIRGINIA),
            "InService",
            "AllTraffic",
            "campaign-notebook",
            None,
            "333333333333.dkr.ecr.us-east-1.amazonaws.com/ml/scoring:4.2",
        )
    ],
}
DEMO = {cell: [replace(one, capture="absent") for one in rows] for cell, rows in _DEMO.items()}
"""None of them captures its data."""


def test_every_endpoint_of_the_demo_is_told(organization: Organization) -> None:
    aws = organization.collector().aws
    found = {cell: read(aws, *cell) for cell in CELLS}
    assert found == {cell: Deployments(tuple(rows), None) for cell, rows in DEMO.items()}
    assert {row.endpoint.rpartition("/")[2] for rows in DEMO.values() for row in rows} == {
        one["name"] for one in SCENARIO["endpoints"]
    }


def test_a_deleted_model_is_awss_word_and_no_gap_in_coverage(organization: Organization) -> None:
    collector = organization.collector()
    read(collector.aws, CLAIMS, VIRGINIA)
    assert {row.state for row in collector.ledger} == {"read"}


def test_a_cell_without_endpoints_is_read_in_one_call(organization: Organization) -> None:
    collector = organization.collector()
    assert read(collector.aws, ACCOUNT, VIRGINIA) == Deployments((), None)
    assert [(row.api, row.calls) for row in collector.ledger if "sagemaker" in row.api] == [(LIST, 1)]


def test_each_endpoint_configuration_and_model_is_asked_for_once(organization: Organization) -> None:
    collector = organization.collector()
    read(collector.aws, ACCOUNT, REGION)
    rows = {row.api: (row.state, row.calls) for row in collector.ledger if row.api.startswith("sagemaker:")}
    assert rows == {LIST: ("read", 1), ENDPOINT: ("read", 1), CONFIG: ("read", 1), MODEL: ("read", 2)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", [LIST, ENDPOINT, CONFIG, MODEL])
def test_nothing_vanishes_because_a_call_failed(organization: Organization, api: str, kind: str) -> None:
    organization.ask("POST", "faults", [{"kind": kind, "op": api}])
    aws = organization.collector().aws
    for cell in ((LENDING, REGION), (ACCOUNT, REGION), (MARKETING, VIRGINIA)):
        calm = DEMO[cell]
        found = read(aws, *cell)
        (state,) = [one.state for one in aws.ledger() if (one.account, one.region, one.api) == (*cell, api)]
        assert state != "read"
        if api == LIST:
            assert found.found == ()
            assert found.unread is not None
            assert found.unread.source is not None
            assert found.unread.source.api == LIST
            continue
        assert found.unread is None
        assert {one.endpoint for one in found.found} == {one.endpoint for one in calm}
        assert all(one.package is None and one.image == "" for one in found.found)
        assert all(one.problem.startswith(f"{api}: ") for one in found.found)
        if api != ENDPOINT:
            assert [one.variant for one in found.found] == [one.variant for one in calm]


@pytest.mark.parametrize("api", [ENDPOINT, CONFIG, MODEL])
def test_a_failure_costs_one_endpoint_only(organization: Organization, api: str) -> None:
    """The list is in order of creation, so that the first of two endpoints is asked for first."""
    organization.ask("POST", "faults", [{"kind": "deny", "op": api, "times": 1}])
    lost, kept = read(organization.collector().aws, LENDING, REGION).found
    assert (lost.package, lost.problem) == (None, f"{api}: AccessDeniedException")
    assert kept == DEMO[LENDING, REGION][1]


def test_a_recording_says_the_same(organization: Organization, tmp_path: Path) -> None:
    live = read(organization.collector(record=tmp_path).aws, ACCOUNT, REGION)
    organization.ask("POST", "faults", [{"kind": "deny"}])
    assert read(organization.collector(replay=tmp_path).aws, ACCOUNT, REGION) == live


def test_a_page_that_comes_again_is_no_end(organization: Organization) -> None:
    organization.ask("POST", "faults", [{"kind": "bad-token", "op": LIST}])
    found = read(organization.collector().aws, LENDING, REGION)
    assert found.found == tuple(DEMO[LENDING, REGION])
    assert found.unread is not None
    assert (found.unread.reason, found.unread.detail) == (
        "malformed",
        "the list comes back to a page that was read",
    )


def test_a_token_that_is_refused_once_starts_the_list_anew(organization: Organization) -> None:
    """Once is a hiccup: the second round reads to the end, and tells no endpoint twice."""
    organization.ask("POST", "faults", [{"kind": "bad-token", "op": LIST, "times": 1}])
    assert read(organization.collector().aws, LENDING, REGION) == Deployments(tuple(DEMO[LENDING, REGION]), None)


def test_an_endpoint_that_was_deleted_since_it_was_listed_is_left_out(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = organization.collector().aws
    endpoints = organization.sandbox.world.cell(LENDING, REGION).endpoints
    real = aws.call

    def call(*which: Any, **given: Any) -> Answer | Failure:
        answer = real(*which, **given)
        if "ListEndpoints" in which:
            monkeypatch.delitem(endpoints, "credit-preview")
        return answer

    monkeypatch.setattr(aws, "call", call)
    assert read(aws, LENDING, REGION) == Deployments(tuple(DEMO[LENDING, REGION][:1]), None)


# Answers that the demo does not give.

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONTAINER = {"ModelPackageName": package("churn/7")}


def variant(name: str = "v", model: str | None = "m", **more: Any) -> dict[str, Any]:
    return {"VariantName": name, **({"ModelName": model} if model else {}), **more}


def summary(name: str) -> dict[str, Any]:
    return {"EndpointName": name, "EndpointArn": endpoint(name), "EndpointStatus": "Creating"}


def script(
    *variants: Mapping[str, Any], model: Mapping[str, Any] | None = None, names: tuple[str, ...] = ("e",), **said: Said
) -> Script:
    """Endpoints that share one configuration; every model is made of `model`."""

    def described(given: Mapping[str, Any]) -> dict[str, Any]:
        running = {"EndpointConfigName": "c", "EndpointStatus": "InService", "LastModifiedTime": NOON}
        return {**summary(given["EndpointName"]), **running, "ProductionVariants": [{"VariantName": "v"}]}

    def configured(given: Mapping[str, Any]) -> dict[str, Any]:
        return {**given, "ProductionVariants": list(variants or [variant()]), "CreationTime": NOON}

    def modelled(given: Mapping[str, Any]) -> dict[str, Any]:
        return {**given, "CreationTime": NOON, **({"PrimaryContainer": CONTAINER} if model is None else model)}

    answers: dict[str, Said] = {
        "ListEndpoints": {"Endpoints": [summary(name) for name in names]},
        "DescribeEndpoint": described,
        "DescribeEndpointConfig": configured,
        "DescribeModel": modelled,
    }
    return Script({**answers, **said})


def told(aws: Script) -> Deployments:
    return replace(deployments(aws, ACCOUNT, REGION), names={})  # type: ignore[arg-type]


def row(held: str | None = None, image: str = "", problem: str = "", **more: str) -> Deployment:
    given = {
        "endpoint": endpoint("e"),
        "status": "InService",
        "variant": "v",
        "model": "m",
        "capture": "absent",
        **more,
    }
    return Deployment(package=held, image=image, problem=problem, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"CaptureStatus": "Started", "CurrentSamplingPercentage": 20}, ("Started", 20)),
        ({"CaptureStatus": "Stopped", "CurrentSamplingPercentage": 0}, ("Stopped", 0)),
        ({"CaptureStatus": "Whirling"}, ("", None)),
        ({}, ("absent", None)),
        (None, ("absent", None)),
    ],
)
def test_data_capture_is_told_or_is_not_there_or_is_not_known(said: Any, expected: tuple[str, int | None]) -> None:
    def described(given: Mapping[str, Any]) -> dict[str, Any]:
        running = {**summary("e"), "EndpointConfigName": "c", "EndpointStatus": "InService", "LastModifiedTime": NOON}
        return {**running, "DataCaptureConfig": said}

    (found,) = told(script(DescribeEndpoint=described)).found
    assert (found.capture, found.capture_percent) == expected


def test_of_an_endpoint_that_nobody_could_read_data_capture_is_not_known() -> None:
    (found,) = told(script(DescribeEndpoint=failure("AccessDenied"))).found
    assert (found.capture, found.capture_percent) == ("", None)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (package("churn/7"), package("churn/7")),
        ("churn/7", package("churn/7")),
        ("churn-single", package("churn-single")),
        (package("churn/7", HUB), package("churn/7", HUB)),
    ],
)
def test_a_package_is_told_by_its_arn(named: str, expected: str) -> None:
    found = told(script(model={"PrimaryContainer": {"ModelPackageName": named, "Image": "brought along"}}))
    assert found == Deployments((row(expected),), None)


@pytest.mark.parametrize("named", ["a/b/c", "arn:aws:iam::111122223333:role/x", package("churn/7") + "/8", "ch urn"])
def test_what_is_no_name_of_a_package_is_a_problem(named: str) -> None:
    (found,) = told(script(model={"PrimaryContainer": {"ModelPackageName": named}})).found
    assert found == row(problem="a container names a package that has no name of one")


def test_every_container_is_told() -> None:
    several = [CONTAINER, {"Image": "prepare:1"}, {"ModelPackageName": "churn/8"}, {"Mode": "MultiModel"}]
    assert told(script(model={"Containers": several})).found == (
        row(problem="a container names neither package nor image"),
        row(image="prepare:1"),
        row(package("churn/7")),
        row(package("churn/8")),
    )


def test_one_container_that_is_shown_twice_is_told_once() -> None:
    assert told(script(model={"PrimaryContainer": CONTAINER, "Containers": [CONTAINER]})).found == (
        row(package("churn/7")),
    )


def test_variants_in_the_shadow_and_models_of_single_pools_run_too() -> None:
    pools = [{"InstanceType": "ml.m5.large", "ModelNameOverride": "pooled"}, {"InstanceType": "ml.m5.xlarge"}]

    def configured(given: Mapping[str, Any]) -> dict[str, Any]:
        live, shadow = [variant(InstancePools=pools)], [variant("shadow", "other")]
        return {**given, "ProductionVariants": live, "ShadowProductionVariants": shadow, "CreationTime": NOON}

    found = told(script(DescribeEndpointConfig=configured)).found
    assert found == (
        row(package("churn/7"), variant="shadow", model="other"),
        row(package("churn/7")),
        row(package("churn/7"), model="pooled"),
    )


def test_what_is_being_rolled_out_is_told_beside_what_runs() -> None:
    def described(given: Mapping[str, Any]) -> dict[str, Any]:
        pending = {"EndpointConfigName": "new"}
        running = {**summary("e"), "EndpointStatus": "Updating", "EndpointConfigName": "c", "LastModifiedTime": NOON}
        return {**running, "PendingDeploymentSummary": pending}

    def configured(given: Mapping[str, Any]) -> dict[str, Any]:
        name = given["EndpointConfigName"]
        return {**given, "ProductionVariants": [variant(model=f"of-{name}")], "CreationTime": NOON}

    found = told(script(DescribeEndpoint=described, DescribeEndpointConfig=configured)).found
    assert [(one.status, one.model) for one in found] == [("Updating", "of-c"), ("Updating", "of-new")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"variants": [variant(model=None)]},
            row(model="", problem="the variant names no model, and inference components are not read"),
        ),
        ({"model": {}}, row(problem="the model has no container")),
        ({"model": {"Containers": [], "PrimaryContainer": {}}}, row(problem="the model has no container")),
        (
            {"DescribeEndpointConfig": {"EndpointConfigName": "c", "ProductionVariants": [], "CreationTime": NOON}},
            row(variant="", model="", problem="the configuration has no variant"),
        ),
        (
            {"DescribeEndpoint": {**summary("e"), "LastModifiedTime": NOON}},
            row(status="Creating", variant="", model="", problem="the endpoint names no configuration"),
        ),
        (
            {"DescribeEndpoint": {**summary("another"), "LastModifiedTime": NOON}},
            row(
                status="Creating",
                variant="",
                model="",
                capture="",
                problem="sagemaker:DescribeEndpoint: the description of another one",
            ),
        ),
        (
            {"DescribeEndpointConfig": {"EndpointConfigName": "d", "ProductionVariants": [], "CreationTime": NOON}},
            row(model="", problem="sagemaker:DescribeEndpointConfig: the description of another one"),
        ),
        (
            {"DescribeModel": {"ModelName": "n", "PrimaryContainer": CONTAINER, "CreationTime": NOON}},
            row(problem="sagemaker:DescribeModel: the description of another one"),
        ),
        (
            {"DescribeEndpointConfig": failure("ValidationException", "read", "Could not find it")},
            row(model="", problem="test:Call: it was deleted"),
        ),
        ({"DescribeModel": failure("ThrottlingException", "throttled")}, row(problem="test:Call: ThrottlingException")),
    ],
)
def test_what_cannot_be_told_is_a_problem(change: dict[str, Any], expected: Deployment) -> None:
    variants = change.get("variants", [])
    rest = {name: value for name, value in change.items() if name != "variants"}
    assert told(script(*variants, **rest)) == Deployments((expected,), None)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ({}, row(package("churn/7"))),
        (
            {"config": 1},
            row(model="", problem="sagemaker:DescribeEndpointConfig: made anew after the endpoint was last changed"),
        ),
        ({"model": 1}, row(problem="sagemaker:DescribeModel: made anew after the endpoint was last changed")),
    ],
)
def test_what_was_made_anew_under_the_same_name_says_nothing(later: dict[str, int], expected: Deployment) -> None:
    """Else an approved package could be slipped under the name of what really runs."""

    def at(what: str) -> datetime:
        return NOON + timedelta(seconds=later.get(what, 0))

    said: dict[str, Said] = {
        "DescribeEndpointConfig": {
            "EndpointConfigName": "c",
            "ProductionVariants": [variant()],
            "CreationTime": at("config"),
        },
        "DescribeModel": {"ModelName": "m", "PrimaryContainer": CONTAINER, "CreationTime": at("model")},
    }
    assert told(script(**said)).found == (expected,)


@pytest.mark.parametrize(
    ("code", "state", "message", "left_out"),
    [
        ("ValidationException", "read", 'Could not find endpoint "x".', True),
        ("ResourceNotFound", "read", "", True),
        ("ValidationException", "malformed", "1 validation error detected", False),
        ("AccessDeniedException", "denied", 'Could not find endpoint "x".', False),
    ],
)
def test_only_awss_word_that_it_does_not_exist_leaves_an_endpoint_out(
    code: str, state: str, message: str, left_out: bool
) -> None:
    found = told(script(DescribeEndpoint=failure(code, state, message)))
    lost = row(status="Creating", variant="", model="", capture="", problem=f"test:Call: {code}")
    assert found == Deployments(() if left_out else (lost,), None)


def test_an_endpoint_without_variants_and_configuration_is_told_all_the_same() -> None:
    bare = {**summary("e"), "EndpointConfigName": "c", "LastModifiedTime": NOON}
    found = told(script(DescribeEndpoint=bare, DescribeEndpointConfig=failure("AccessDeniedException")))
    problem = "test:Call: AccessDeniedException"
    assert found == Deployments((row(status="Creating", variant="", model="", problem=problem),), None)


def test_endpoints_share_what_they_name() -> None:
    aws = script(variant("a"), variant("b"), names=("e", "f", "g"))
    assert len(told(aws).found) == 6
    assert Counter(operation for operation, _ in aws.asked) == {
        "ListEndpoints": 1,
        "DescribeEndpoint": 3,
        "DescribeEndpointConfig": 1,
        "DescribeModel": 1,
    }


def test_a_denied_description_is_not_asked_for_again() -> None:
    aws = script(names=("e", "f"), DescribeModel=failure("AccessDeniedException"))
    assert [one.problem for one in told(aws).found] == ["test:Call: AccessDeniedException"] * 2
    assert aws.times("DescribeModel") == 1


# Pages.


def pages(*answers: dict[str, Any] | Failure) -> Script:
    """ListEndpoints answers these in order, and then the last one again."""
    left = list(answers)
    return script(ListEndpoints=lambda _: left.pop(0) if len(left) > 1 else left[0])


def listed(*names: str, token: str | None = None) -> dict[str, Any]:
    return {"Endpoints": [summary(name) for name in names], **({"NextToken": token} if token else {})}


def names(found: Deployments) -> list[str]:
    return [one.endpoint.rpartition("/")[2] for one in found.found]


def test_every_page_is_read_also_behind_an_empty_one() -> None:
    aws = pages(listed("b", token="1"), listed(token="2"), listed("a", "b"))
    found = told(aws)
    assert (names(found), found.unread) == (["a", "b"], None)
    assert [given.get("NextToken") for operation, given in aws.asked if operation == "ListEndpoints"] == [
        None,
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("answers", "reason", "rounds"),
    [
        ([listed("a", token="1"), failure("AccessDeniedException")], "AccessDeniedException", 2),
        ([listed("a", token="1"), listed("b", token="1")], "malformed", 4),
        (
            [listed("a", token="1"), failure("ValidationException", "malformed", "Invalid NextToken")],
            "ValidationException",
            3,
        ),
        ([{"Endpoints": [summary("a"), {"EndpointName": "nameless"}]}], "malformed", 2),
        ([{"Endpoints": [summary("a"), {"EndpointArn": endpoint("nameless")}]}], "malformed", 2),
    ],
)
def test_what_is_known_stays_and_the_rest_is_unread(answers: list[Any], reason: str, rounds: int) -> None:
    aws = pages(*answers)
    found = told(aws)
    assert "a" in names(found)
    assert "nameless" not in names(found)
    assert isinstance(found.unread, Unknown)
    assert found.unread.reason == reason
    assert aws.times("ListEndpoints") == rounds

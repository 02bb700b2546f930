"""Faults do what they say, to the calls they name and to no others; counters count."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, PaginationError
from botocore.parsers import ResponseParserError

from modelwarden.sandbox.faults import KINDS, Faults

from .conftest import CHURN, REGION, RETAIL, SHARED, Organization

BUCKET = f"example-models-{RETAIL}"
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sagemaker": ("sagemaker:DescribeModelPackage", "describe_model_package", {"ModelPackageName": f"{CHURN}/1"}),
    "s3": ("s3:GetObject", "get_object", {"Bucket": BUCKET, "Key": "churn/1/bias/analysis.json"}),
    "sts": ("sts:GetCallerIdentity", "get_caller_identity", {}),
    "ec2": ("ec2:DescribeRegions", "describe_regions", {}),
    "ecr": ("ecr:DescribeImages", "describe_images", {"registryId": SHARED, "repositoryName": "ml/base"}),
    "kms": ("kms:DescribeKey", "describe_key", {"KeyId": "alias/ml"}),
    "organizations": ("organizations:DescribeOrganization", "describe_organization", {}),
}


def outcome(organization: Organization, service: str, attempts: int = 1) -> tuple[str, int]:
    """("", 200) or the (code, status) of the error."""
    _, method, parameters = CALLS[service]
    try:
        getattr(organization.client(service, attempts=attempts), method)(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "", 200


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (
            "throttle",
            {
                "sagemaker": ("ThrottlingException", 400),
                "s3": ("SlowDown", 503),
                "sts": ("Throttling", 400),
                "ec2": ("RequestLimitExceeded", 503),
                "ecr": ("ThrottlingException", 400),
                "kms": ("ThrottlingException", 400),
                "organizations": ("TooManyRequestsException", 400),
            },
        ),
        (
            "deny",
            {
                "sagemaker": ("AccessDeniedException", 400),
                "s3": ("AccessDenied", 403),
                "sts": ("AccessDenied", 403),
                "ec2": ("UnauthorizedOperation", 403),
                "ecr": ("AccessDeniedException", 400),
                "kms": ("AccessDeniedException", 400),
                "organizations": ("AccessDeniedException", 400),
            },
        ),
        (
            "expired",
            {
                "sagemaker": ("ExpiredTokenException", 400),
                "s3": ("ExpiredToken", 400),
                "sts": ("ExpiredToken", 403),
                "ec2": ("RequestExpired", 400),
                "ecr": ("ExpiredTokenException", 400),
                "kms": ("ExpiredTokenException", 400),
                "organizations": ("ExpiredTokenException", 400),
            },
        ),
    ],
)
def test_refusals_are_those_of_each_service(
    organization: Organization, kind: str, codes: dict[str, tuple[str, int]]
) -> None:
    assert {service: outcome(organization, service) for service in CALLS} == dict.fromkeys(CALLS, ("", 200))
    organization.fail(kind=kind)
    assert {service: outcome(organization, service) for service in CALLS} == codes
    organization.ask("DELETE", "faults")
    assert {service: outcome(organization, service) for service in CALLS} == dict.fromkeys(CALLS, ("", 200))


def test_a_rule_names_operation_account_and_region(organization: Organization) -> None:
    organization.fail(kind="deny", op="sagemaker:DescribeModelPackage", account=RETAIL, region=REGION)
    retail, shared = organization.client("sagemaker", RETAIL), organization.client("sagemaker", SHARED)
    with pytest.raises(ClientError):
        retail.describe_model_package(ModelPackageName=f"{CHURN}/1")
    assert retail.list_model_packages()["ModelPackageSummaryList"]
    assert shared.describe_model_package(ModelPackageName="shared/1")["ModelPackageArn"]
    organization.ask("DELETE", "faults")
    organization.fail(kind="deny", op="sagemaker:*", region="us-east-1")
    assert retail.describe_model_package(ModelPackageName=f"{CHURN}/1")["ModelPackageArn"]


def test_after_and_times_bound_a_rule(organization: Organization) -> None:
    organization.fail(kind="deny", op="kms:DescribeKey", after=1, times=2)
    codes = [outcome(organization, "kms")[0] for _ in range(5)]
    assert codes == ["", "AccessDeniedException", "AccessDeniedException", "", ""]
    assert organization.ask("GET", "faults")[0]["injected"] == 2


def test_rate_is_a_seeded_coin(organization: Organization) -> None:
    runs = []
    for _ in range(2):
        organization.ask("DELETE", "faults")
        organization.fail(kind="throttle", op="kms:DescribeKey", rate=0.5)
        runs.append([outcome(organization, "kms")[0] for _ in range(20)])
    assert runs[0] == runs[1]
    assert 3 < runs[0].count("ThrottlingException") < 17


def test_throttle_by_token_bucket_lets_the_burst_pass(organization: Organization) -> None:
    organization.fail(kind="throttle", op="kms:DescribeKey", tps=0.01, burst=3)
    codes = [outcome(organization, "kms")[0] for _ in range(5)]
    assert codes == ["", "", "", "ThrottlingException", "ThrottlingException"]


def test_latency_adds_to_the_normal_answer_and_to_other_faults(organization: Organization) -> None:
    organization.fail(kind="latency", op="kms:*", ms=200)
    started = time.monotonic()
    assert outcome(organization, "kms") == ("", 200)
    assert time.monotonic() - started >= 0.2
    organization.fail(kind="deny", op="kms:*")
    assert outcome(organization, "kms") == ("AccessDeniedException", 400)


def test_500_is_retried_by_clients_and_recovers(organization: Organization) -> None:
    organization.fail(kind="500", op="sagemaker:DescribeModelPackage", times=1)
    assert outcome(organization, "sagemaker") == ("InternalFailure", 500)
    organization.ask("DELETE", "faults")
    organization.fail(kind="500", op="sagemaker:DescribeModelPackage", times=1)
    assert outcome(organization, "sagemaker", attempts=3) == ("", 200)


@pytest.mark.parametrize("kind", ["html", "empty", "cut"])
def test_spoilt_bodies_look_like_empty_successes_to_botocore(organization: Organization, kind: str) -> None:
    """This is the trap that collectors must guard against: no error, and nothing in the answer."""
    organization.fail(kind=kind, op="sagemaker:DescribeModelPackage")
    answer = organization.client("sagemaker").describe_model_package(ModelPackageName=f"{CHURN}/1")
    assert set(answer) == {"ResponseMetadata"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_cut_objects_are_shorter_than_announced(organization: Organization) -> None:
    organization.fail(kind="cut", op="s3:GetObject")
    answer = organization.client("s3").get_object(Bucket=BUCKET, Key="churn/1/bias/analysis.json")
    with pytest.raises((BotoCoreError, OSError, http.client.HTTPException)):
        answer["Body"].read()


def test_answers_without_a_body_are_cut_within_their_headers(organization: Organization) -> None:
    """Clients take the end of the connection for the end of the headers: what came later was never said."""
    whole = organization.client("s3").head_object(Bucket=BUCKET, Key="old.bin")
    organization.fail(kind="cut", op="s3:HeadObject")
    cut = organization.client("s3").head_object(Bucket=BUCKET, Key="old.bin")
    assert cut["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "ContentLength" in whole
    assert "ContentLength" not in cut


@pytest.mark.parametrize("kind", ["drop", "down"])
def test_connections_end_without_an_answer(organization: Organization, kind: str) -> None:
    organization.fail(kind=kind, op="sagemaker:*", region=REGION)
    with pytest.raises(ConnectionClosedError):
        outcome(organization, "sagemaker")
    assert outcome(organization, "kms") == ("", 200)
    organization.ask("DELETE", "faults")
    assert outcome(organization, "sagemaker") == ("", 200)


def test_bad_tokens_are_repeated_or_refused(organization: Organization) -> None:
    pages = organization.client("sagemaker").get_paginator("list_model_packages")
    organization.fail(kind="bad-token", op="sagemaker:ListModelPackages")
    with pytest.raises(PaginationError):
        list(pages.paginate(ModelPackageType="Both"))
    organization.ask("DELETE", "faults")
    organization.fail(kind="bad-token", op="sagemaker:ListModelPackages", times=1)
    with pytest.raises(ClientError, match="Invalid NextToken"):
        list(pages.paginate(ModelPackageType="Both"))


def test_malformed_answers_have_other_types(organization: Organization) -> None:
    organization.fail(kind="malform", op="sagemaker:*")
    client = organization.client("sagemaker")
    with pytest.raises((ValueError, AttributeError, TypeError, BotoCoreError)):
        client.describe_model_package(ModelPackageName=f"{CHURN}/1")
    organization.ask("DELETE", "faults")
    organization.fail(kind="malform", op="s3:*")
    s3 = organization.client("s3")
    with pytest.raises(ValueError, match="garbage"):
        s3.head_object(Bucket=BUCKET, Key="old.bin")
    body = json.loads(s3.get_object(Bucket=BUCKET, Key="churn/1/bias/analysis.json")["Body"].read())
    assert body["post_training_bias_metrics"] == "garbage"
    with pytest.raises(ClientError, match="500"):
        s3.list_objects_v2(Bucket=BUCKET)


def test_every_kind_is_tried_on_every_service(organization: Organization) -> None:
    """Whatever goes wrong, the sandbox itself goes on: after each fault the same call succeeds."""
    for kind in KINDS:
        organization.fail(kind=kind, ms=1)
        for service, (_, method, parameters) in CALLS.items():
            try:
                getattr(organization.client(service), method)(**parameters)
            except (BotoCoreError, ClientError, ValueError, AttributeError, TypeError, KeyError, ResponseParserError):
                continue
        organization.ask("DELETE", "faults")
        assert {service: outcome(organization, service) for service in CALLS} == dict.fromkeys(CALLS, ("", 200)), kind


def test_mistaken_rules_are_refused_as_a_whole(organization: Organization) -> None:
    for rules in ([{"kind": "deny"}, {"kind": "explode"}], [{"kind": "deny", "who": "me"}], "deny"):
        with pytest.raises(urllib.error.HTTPError) as error:
            organization.ask("POST", "faults", rules)
        assert error.value.code == 400
    assert organization.ask("GET", "faults") == []
    with pytest.raises(ValueError, match="unknown kind `explode`: use one of throttle, deny"):
        Faults().add([{"kind": "explode"}])


def test_counters_count_by_account_region_and_operation(organization: Organization) -> None:
    organization.client("sagemaker", RETAIL).list_model_packages()
    organization.client("sagemaker", RETAIL).list_model_packages()
    organization.client("kms", SHARED, "us-east-1").describe_key(KeyId="alias/aws/s3")
    organization.fail(kind="deny", op="s3:*")
    with pytest.raises(ClientError):
        organization.client("s3", RETAIL).head_object(Bucket=BUCKET, Key="old.bin")
    told = organization.ask("GET", "stats")
    assert told["calls"] == [
        {"account": RETAIL, "region": REGION, "op": "s3:HeadObject", "count": 1},
        {"account": RETAIL, "region": REGION, "op": "sagemaker:ListModelPackages", "count": 2},
        {"account": SHARED, "region": "us-east-1", "op": "kms:DescribeKey", "count": 1},
    ]
    assert (told["total"], told["operations"]["sagemaker:ListModelPackages"]) == (4, 2)
    organization.ask("DELETE", "stats")
    assert organization.ask("GET", "stats")["total"] == 0


def test_the_timeline_tells_when_requests_were_answered(organization: Organization) -> None:
    organization.fail(kind="latency", op="kms:DescribeKey", ms=50)
    client = organization.client("kms")
    for _ in range(2):
        client.describe_key(KeyId="alias/ml")
    first, second = organization.ask("GET", "timeline")
    assert first["op"] == second["op"] == "kms:DescribeKey"
    assert first["began"] + 0.05 <= first["ended"] <= second["began"]
    organization.ask("DELETE", "stats")
    assert organization.ask("GET", "timeline") == []


def test_downloads_of_image_configurations_can_fail_too(organization: Organization) -> None:
    ecr = organization.client("ecr", SHARED)
    image = ecr.batch_get_image(repositoryName="ml/base", imageIds=[{"imageTag": "2026.10"}])["images"][0]
    digest = json.loads(image["imageManifest"])["config"]["digest"]
    url = ecr.get_download_url_for_layer(repositoryName="ml/base", layerDigest=digest)["downloadUrl"]
    organization.ask("DELETE", "stats")
    with urllib.request.urlopen(url, timeout=5) as response:
        assert json.loads(response.read())["rootfs"]["type"] == "layers"
    organization.fail(kind="deny", op="ecr:DownloadLayer")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url, timeout=5)
    assert organization.ask("GET", "stats")["operations"] == {"ecr:DownloadLayer": 2}


def test_connections_are_kept_alive(organization: Organization) -> None:
    connection = http.client.HTTPConnection(organization.sandbox.endpoint.removeprefix("http://"), timeout=5)
    connection.request("GET", "/_sandbox/health")
    assert json.loads(connection.getresponse().read())["status"] == "ok"
    socket = connection.sock
    for _ in range(3):
        connection.request("GET", "/_sandbox/stats")
        connection.getresponse().read()
        assert connection.sock is socket
    connection.close()


def test_the_clock_can_be_set(organization: Organization) -> None:
    assert organization.ask("GET", "health")["now"].startswith("2026-11-20T06:00:0")
    organization.ask("POST", "clock", {"now": "2027-01-01T00:00:00Z"})
    client = organization.client("sagemaker")
    client.update_model_package(ModelPackageArn=f"{CHURN}/1", ApprovalDescription="later")
    assert client.describe_model_package(ModelPackageName=f"{CHURN}/1")["LastModifiedTime"].year == 2027

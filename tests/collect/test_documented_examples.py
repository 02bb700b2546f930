"""Examples that AWS documents, read by the collector. They know nothing of the simulated organization, nor does this file.

Those of ECR, KMS, S3 and STS ship with botocore. SageMaker and CloudTrail have none there: what stands here for them has
the shape of the page that is named, and our own values (synthetic).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.session import get_session

from modelwarden.evidence import Absent, Evidence, Present, Unknown
from modelwarden.request import Principal

from .shapes import output
from .wire import Said, Wire, identity, of_headers, of_json, of_xml


def examples(service: str, operation: str) -> list[dict[str, Any]]:
    """What botocore ships for one operation."""
    loader = get_session().get_component("data_loader")
    found: dict[str, Any] = loader.load_service_model(service, "examples-1")["examples"]
    assert found.get(operation), f"botocore has no example of {service}:{operation} any more"
    return list(found[operation])


def package(arn: str, answers: Mapping[str, Said | list[Said]], **members: Any) -> Evidence:
    """A package of the caller's own account that answers so, with whatever its description names."""
    head = {"ModelPackageArn": arn, "ModelPackageName": "p", "ModelPackageStatus": "Completed", "CreationTime": 1.5e9}
    account = arn.split(":")[4]
    own = {
        "sts:GetCallerIdentity": identity(account, f"arn:aws:iam::{account}:user/ada"),
        "sagemaker:DescribeModelPackage": of_json({**head, **members}),
    }
    return Wire(own | answers).collector().package(arn)


def container(**members: Any) -> dict[str, Any]:
    return {"InferenceSpecification": {"Containers": [members]}}


def arn_in(region: str, account: str = "111122223333") -> str:
    return f"arn:aws:sagemaker:{region}:{account}:model-package/example/1"


def values(evidence: Evidence, prefix: str, *names: str) -> dict[str, Any]:
    """Values of present facts; the kind of the others."""
    found = {name: evidence.get(f"{prefix}/{name}") for name in names}
    return {name: fact.value if isinstance(fact, Present) else type(fact) for name, fact in found.items()}


KEYS = examples("kms", "DescribeKey")


@pytest.mark.parametrize("example", KEYS, ids=[one["id"] for one in KEYS])
def test_kms_describe_key(example: dict[str, Any]) -> None:
    asked, metadata = example["input"]["KeyId"], example["output"]["KeyMetadata"]
    arn = metadata["Arn"]
    answers = {
        "kms:DescribeKey": of_json(example["output"]),
        "kms:GetKeyRotationStatus": of_json(examples("kms", "GetKeyRotationStatus")[0]["output"]),
    }
    _, _, _, region, account, _ = (asked if asked.startswith("arn:") else arn).split(":", 5)
    evidence = package(arn_in(region, account), answers, SecurityConfig={"KmsKeyId": asked})
    found = values(evidence, "/package/kms_key", "id", "arn", "manager", "state", "origin", "rotation_enabled")
    told = {"arn": arn, "manager": metadata["KeyManager"], "state": metadata["KeyState"]}
    # The documented key store key has key material elsewhere, so that nobody asks KMS whether it rotates.
    rotates = True if metadata["Origin"] == "AWS_KMS" else Absent
    told |= {"origin": metadata["Origin"], "rotation_enabled": rotates}
    if asked.startswith("arn:") and asked != arn:
        # One example names another account in its answer than in its request: an answer about another key is none.
        told = dict.fromkeys(told, Unknown)
    assert found == {"id": asked, **told}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, ("arn:aws:iam::123456789012:user/Alice", "Alice", "person")),
        (1, ("arn:aws:iam::123456789012:role/my-role-name", "arn:aws:iam::123456789012:role/my-role-name", "role")),
        (2, ("arn:aws:sts::123456789012:federated-user/my-federated-user-name",) * 2 + ("role",)),
    ],
)
def test_sts_get_caller_identity(number: int, expected: tuple[str, str, str]) -> None:
    told = examples("sts", "GetCallerIdentity")[number]["output"]
    wire = Wire({"sts:GetCallerIdentity": identity(told["Account"], told["Arn"])})
    principal = wire.collector().caller()
    assert isinstance(principal, Principal)
    assert (principal.principal, principal.identity, principal.kind) == expected
    assert principal.state == "proven"


def test_s3_head_object() -> None:
    told = examples("s3", "HeadObject")[0]
    place = told["input"]
    wire = of_headers(output("s3", "HeadObject"), told["output"])
    found = container(ModelDataUrl=f"s3://{place['Bucket']}/{place['Key']}")
    evidence = package(arn_in("eu-west-1"), {"s3:HeadObject": wire}, **found)
    names = ("encryption/sse", "etag", "version_id", "checksum_sha256", "size", "modified_at", "kms_key/arn")
    assert values(evidence, "/artifact/0", *names) == {
        "encryption/sse": Absent,
        "etag": '"6805f2cfc46c0f04559748bb039d69ae"',
        "version_id": Absent,
        "checksum_sha256": Absent,
        "size": 3191,
        "modified_at": "2016-12-15T01:19:41Z",
        "kms_key/arn": Absent,
    }


def test_s3_get_object() -> None:
    told = examples("s3", "GetObject")[0]
    place = told["input"]
    wire = of_headers(output("s3", "GetObject"), told["output"], b"x" * int(told["output"]["ContentLength"]))
    report = {"ContentType": "image/jpeg", "S3Uri": f"s3://{place['Bucket']}/{place['Key']}"}
    evidence = package(
        arn_in("eu-west-1"), {"s3:GetObject": wire}, ModelMetrics={"ModelQuality": {"Statistics": report}}
    )
    assert values(evidence, "/evaluation", "state", "etag", "version_id", "modified_at", "metric_count") == {
        "state": "malformed",
        "etag": '"6805f2cfc46c0f04559748bb039d69ae"',
        "version_id": Absent,
        "modified_at": "2016-12-15T01:19:41Z",
        "metric_count": Unknown,
    }


def test_s3_list_objects_v2() -> None:
    """The example is the first page of two; the second is not documented, and so it stays unread."""
    told = examples("s3", "ListObjectsV2")[0]
    source = {"S3Uri": f"s3://{told['input']['Bucket']}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    listing = of_xml("ListBucketResult", told["output"])
    evidence = package(
        arn_in("eu-west-1"), {"s3:ListObjectsV2": [listing]}, **container(ModelDataSource={"S3DataSource": source})
    )
    assert values(evidence, "/artifact", "0/uri", "1/uri", "2/uri") == {
        "0/uri": "s3://examplebucket/happyface.jpg",
        "1/uri": "s3://examplebucket/test.jpg",
        "2/uri": Unknown,
    }
    assert isinstance(evidence.get("/artifact_count"), Unknown)


def test_ecr_images_and_repositories() -> None:
    image, repositories = examples("ecr", "BatchGetImage")[0], examples("ecr", "DescribeRepositories")[0]
    answers = {
        "ecr:BatchGetImage": of_json(image["output"]),
        "ecr:DescribeRepositories": of_json(repositories["output"]),
    }
    uri = "012345678910.dkr.ecr.us-west-2.amazonaws.com/ubuntu:precise"
    evidence = package(arn_in("us-west-2"), answers, **container(Image=uri))
    found = values(
        evidence, "/container/0/image", "repository", "tag", "resolved_digest", "tag_mutability", "tag_immutable"
    )
    assert found == {
        "repository": "ubuntu",
        "tag": "precise",
        "resolved_digest": Unknown,  # the documented manifest is shortened
        "tag_mutability": Absent,  # the example is older than the member
        "tag_immutable": Unknown,
    }
    fact = evidence.get("/container/0/image/resolved_digest")
    assert isinstance(fact, Unknown)
    assert fact.detail == "the manifest is not JSON"


def test_sagemaker_describe_model_package() -> None:
    """Shape: docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackage.html, `Response Syntax`."""
    leaf = {"ContentDigest": "sha256:00", "ContentType": "application/json", "S3Uri": "s3://example/r.json"}
    arn = arn_in("eu-west-1")
    evidence = package(
        arn,
        {},
        ModelPackageGroupName="Example",
        ModelPackageVersion=1,
        ApprovalDescription="reviewed",
        CertifyForMarketplace=False,
        CreatedBy={"DomainId": "d-1", "UserProfileArn": "arn:aws:sagemaker:::u", "UserProfileName": "ada"},
        LastModifiedTime=1.6e9,
        CustomerMetadataProperties={"team": "lending"},
        MetadataProperties={"CommitId": "c0ffee", "GeneratedBy": "a notebook", "ProjectId": "p-1", "Repository": "git"},
        ModelApprovalStatus="PendingManualApproval",
        ModelLifeCycle={"Stage": "QA", "StageStatus": "PendingApproval", "StageDescription": "first"},
        ModelMetrics={"Bias": {"Report": leaf, "PreTrainingReport": leaf}, "Explainability": {}, "ModelQuality": {}},
        ModelPackageStatusDetails={
            "ImageScanStatuses": [{"Name": "i", "Status": "Completed"}],
            "ValidationStatuses": [],
        },
        SkipModelValidation="None",
        SourceUri="s3://example/source.tar.gz",
        Task="OTHER",
        InferenceSpecification={
            "Containers": [
                {
                    "ContainerHostname": "one",
                    "Environment": {"SECRET": "s3cr3t"},
                    "Framework": "SKLEARN",
                    "FrameworkVersion": "1.9",
                    "Image": "example.com/team/image@sha256:aa",
                    "ModelDataETag": "e",
                    "ModelInput": {"DataInputConfig": "{}"},
                    "NearestModelName": "n",
                }
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large", "ml.c5.large"],
            "SupportedResponseMIMETypes": ["text/csv"],
            "SupportedTransformInstanceTypes": ["ml.m5.large"],
        },
        AdditionalInferenceSpecifications=[{"Name": "neo", "Containers": [{"Image": "busybox"}]}],
    )
    assert values(evidence, "", *_DESCRIBED) == _DESCRIBED
    assert "s3cr3t" not in json.dumps(evidence.to_json())


_DESCRIBED: dict[str, Any] = {
    "package/group": "example",
    "package/version": 1,
    "package/status": "Completed",
    "package/registration_type": Absent,
    "package/created_at": "2017-07-14T02:40:00Z",
    "package/modified_at": "2020-09-13T12:26:40Z",
    "package/source_uri": "s3://example/source.tar.gz",
    "package/realtime_instance_types": ("ml.c5.large", "ml.m5.large"),
    "package/kms_key/id": Absent,
    "package/kms_key/manager": Absent,
    "approval/status": "PendingManualApproval",
    "approval/description": "reviewed",
    "life_cycle/state": "set",
    "life_cycle/stage": "QA",
    "creator/principal": Absent,
    "metadata_properties/commit_id": "c0ffee",
    "customer_metadata_keys": ("team",),
    "customer_metadata/team": "lending",
    "container_count": 2,
    "container/0/specification": "InferenceSpecification",
    "container/0/environment_keys": ("SECRET",),
    "container/0/image/source": "example.com/team/image",
    "container/0/image/reference": "digest",
    "container/0/image/resolved_digest": Unknown,
    "container/1/specification": "neo",
    "container/1/image/source": "docker.io/library/busybox",
    "container/1/framework": Absent,
    "artifact_count": 0,
    "bias_report_count": 2,
    "bias_report/0/kind": "Report",
    "bias_report/1/declared_digest": "sha256:00",
    "bias_report/0/state": Unknown,
    "evaluation/uri": Absent,
    "evaluation/state": Absent,
    "explainability/uri": Absent,
    "card/state": Absent,
    "trainer_count": 0,
    "tag_keys": Unknown,
}


def test_sagemaker_list_tags() -> None:
    """Shape: docs.aws.amazon.com/sagemaker/latest/dg/nbi-metadata.html, output of `list-tags`."""
    answers = {"sagemaker:ListTags": of_json({"Tags": [{"Key": "test", "Value": "true"}]})}
    evidence = package(arn_in("eu-west-1"), answers)
    assert values(evidence, "", "tag_keys", "tag/test", "tag/owner") == {
        "tag_keys": ("test",),
        "tag/test": "true",
        "tag/owner": Absent,
    }


def test_cloudtrail_lookup_events() -> None:
    """Shape: API_LookupEvents.html of CloudTrail, and understanding-sagemaker-entries.html for the entry inside.

    That page shows ARNs whose name is in lower case where the parameter's is not.
    """
    entry = {
        "eventVersion": "1.05",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": "arn:aws:iam::111122223333:user/grace",
            "accountId": "111122223333",
            "accessKeyId": "AKIAEXAMPLE",
            "userName": "grace",
        },
        "eventTime": "2026-11-02T13:39:06Z",
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": "UpdateModelPackage",
        "awsRegion": "eu-west-1",
        "requestParameters": {
            "modelPackageArn": "arn:aws:sagemaker:eu-west-1:111122223333:model-package/Example/1",
            "modelApprovalStatus": "Approved",
        },
        "responseElements": {"modelPackageArn": arn_in("eu-west-1")},
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
    }
    event = {
        "EventId": "a6f85b21",
        "EventName": "UpdateModelPackage",
        "ReadOnly": "false",
        "AccessKeyId": "AKIAEXAMPLE",
        "EventTime": 1793540346.0,
        "EventSource": "sagemaker.amazonaws.com",
        "Username": "grace",
        "Resources": [],
        "CloudTrailEvent": json.dumps(entry),
    }
    answers = {"cloudtrail:LookupEvents": of_json({"Events": [event]})}
    evidence = package(arn_in("eu-west-1"), answers, ModelApprovalStatus="Approved")
    assert values(evidence, "/approver", "principal", "identity", "kind", "person", "approved_at") == {
        "principal": "arn:aws:iam::111122223333:user/grace",
        "identity": "grace",
        "kind": "person",
        "person": "grace",
        "approved_at": "2026-11-02T13:39:06Z",
    }

"""Every operation that the product calls answers over HTTP, in the shape that botocore's own model demands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from modelwarden.sandbox.operations import FILLING, USED

from .conftest import CHURN, MANAGEMENT, REGION, RETAIL, SHARED, Organization

BUCKET = f"example-models-{RETAIL}"
IMAGE = {"registryId": SHARED, "repositoryName": "ml/scoring"}
PYTHON = {"string": str, "boolean": bool, "integer": int, "long": int, "float": (int, float), "double": (int, float)}

READING: dict[str, dict[str, Any]] = {
    "sts:GetCallerIdentity": {},
    "sts:AssumeRole": {"RoleArn": f"arn:aws:iam::{RETAIL}:role/ModelwardenReader", "RoleSessionName": "run-1"},
    "organizations:DescribeOrganization": {},
    "organizations:ListAccounts": {},
    "organizations:ListRoots": {},
    "organizations:ListOrganizationalUnitsForParent": {"ParentId": "@root"},
    "organizations:ListAccountsForParent": {"ParentId": "ou-tiny-workload"},
    "organizations:ListTagsForResource": {"ResourceId": RETAIL},
    "ec2:DescribeRegions": {},
    "sagemaker:DescribeModelPackage": {"ModelPackageName": f"{CHURN}/1"},
    "sagemaker:ListModelPackages": {"ModelPackageType": "Both"},
    "sagemaker:ListModelPackageGroups": {},
    "sagemaker:DescribeModelPackageGroup": {"ModelPackageGroupName": "churn"},
    "sagemaker:GetModelPackageGroupPolicy": {"ModelPackageGroupName": "shared"},
    "sagemaker:ListTags": {"ResourceArn": f"arn:aws:sagemaker:{REGION}:{RETAIL}:model-package-group/churn"},
    "sagemaker:Search": {"Resource": "ModelPackage"},
    "sagemaker:BatchDescribeModelPackage": {"ModelPackageArnList": [f"{CHURN}/1", f"{CHURN}/99"]},
    "sagemaker:DescribeTrainingJob": {"TrainingJobName": "churn-train-1"},
    "sagemaker:ListModelCards": {},
    "sagemaker:DescribeModelCard": {"ModelCardName": "churn-card"},
    "sagemaker:ListEndpoints": {},
    "sagemaker:DescribeEndpoint": {"EndpointName": "churn-live"},
    "sagemaker:DescribeEndpointConfig": {"EndpointConfigName": "churn-live-1"},
    "sagemaker:DescribeModel": {"ModelName": "churn-1"},
    "sagemaker:QueryLineage": {"StartArns": [f"{CHURN}/1"]},
    "sagemaker:UpdateModelPackage": {"ModelPackageArn": f"{CHURN}/2", "ApprovalDescription": "seen"},
    "ecr:BatchGetImage": {**IMAGE, "imageIds": [{"imageTag": "4.2"}, {"imageTag": "gone"}]},
    "ecr:DescribeImages": IMAGE,
    "ecr:DescribeRepositories": {"registryId": SHARED},
    "ecr:GetDownloadUrlForLayer": {**IMAGE, "layerDigest": "@config"},
    "kms:DescribeKey": {"KeyId": "alias/ml"},
    "kms:GetKeyRotationStatus": {"KeyId": "11111111-2222-4333-8444-555555555555"},
    "s3:HeadObject": {"Bucket": BUCKET, "Key": "churn/1/model.tar.gz"},
    "s3:GetObject": {"Bucket": BUCKET, "Key": "churn/1/bias/analysis.json"},
    "s3:ListObjectsV2": {"Bucket": BUCKET, "Prefix": "churn/"},
    "s3:GetBucketEncryption": {"Bucket": BUCKET},
    "s3:GetBucketVersioning": {"Bucket": BUCKET},
    "cloudtrail:LookupEvents": {},
    "cloudwatch:GetMetricData": {
        "MetricDataQueries": [
            {
                "Id": "m0",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"},
                    "Period": 86_400,
                    "Stat": "Sum",
                },
            }
        ],
        "StartTime": "2026-11-19T00:00:00Z",
        "EndTime": "2026-11-20T00:00:00Z",
    },
}
EMPTY_BY_NATURE = {"sagemaker:QueryLineage"}
OWNER = {"organizations": MANAGEMENT, "sagemaker:GetModelPackageGroupPolicy": SHARED}


def mistakes(shape: Shape | None, value: Any, where: str = "") -> list[str]:
    """What a parsed answer lacks or has of the wrong type, by the shape of its operation."""
    if shape is None:
        return []
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            return [f"{where}: not a structure"]
        missing = [f"{where}.{name}: missing" for name in shape.required_members if name not in value]
        unknown = [
            f"{where}.{name}: unknown" for name in value if name not in shape.members and name != "ResponseMetadata"
        ]
        found = [
            mistakes(shape.members[name], one, f"{where}.{name}")
            for name, one in value.items()
            if name in shape.members
        ]
        return missing + unknown + [one for each in found for one in each]
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [one for number, each in enumerate(value) for one in mistakes(shape.member, each, f"{where}[{number}]")]
    if isinstance(shape, MapShape):
        return [one for key, each in value.items() for one in mistakes(shape.value, each, f"{where}.{key}")]
    if shape.type_name == "timestamp":
        return [] if isinstance(value, datetime) else [f"{where}: not a time"]
    if shape.type_name == "blob":
        return [] if hasattr(value, "read") or isinstance(value, bytes) else [f"{where}: not a blob"]
    allowed = getattr(shape, "enum", None)
    wrong = not isinstance(value, PYTHON[shape.type_name]) or (allowed and value not in allowed)
    return [f"{where}: {value!r} is not a {shape.type_name}"] if wrong else []


def call(organization: Organization, name: str, parameters: dict[str, Any], account: str) -> dict[str, Any]:
    service, _, operation = name.partition(":")
    client = organization.client(service, account)
    method: Callable[..., dict[str, Any]] = getattr(client, botocore.xform_name(operation))
    return method(**parameters)


def checked(organization: Organization, name: str, parameters: dict[str, Any], account: str = RETAIL) -> dict[str, Any]:
    """The parsed answer, which has no mistakes."""
    service, _, operation = name.partition(":")
    answer = call(organization, name, parameters, account)
    model = botocore.session.get_session().get_service_model(service)
    assert mistakes(model.operation_model(operation).output_shape, answer, operation) == []
    return answer


def test_the_table_is_complete() -> None:
    assert set(READING) == {
        f"{service}:{operation}" for service, operations in USED.items() for operation in operations
    }


@pytest.mark.parametrize("name", READING)
def test_every_operation_answers_in_the_shape_of_botocore(shared: Organization, name: str) -> None:
    parameters = dict(READING[name])
    if parameters.get("ParentId") == "@root":
        parameters["ParentId"] = shared.client("organizations", MANAGEMENT).list_roots()["Roots"][0]["Id"]
    if parameters.get("layerDigest") == "@config":
        image = shared.client("ecr").batch_get_image(**IMAGE, imageIds=[{"imageTag": "4.2"}])["images"][0]
        parameters["layerDigest"] = json.loads(image["imageManifest"])["config"]["digest"]
    account = OWNER.get(name, OWNER.get(name.partition(":")[0], RETAIL))
    answer = checked(shared, name, parameters, account)
    members = {key: value for key, value in answer.items() if key != "ResponseMetadata" and value not in ([], {})}
    assert members or name in EMPTY_BY_NATURE


def test_the_empty_organization_can_be_filled_by_any_client(empty: Organization) -> None:
    """Every operation of the table `FILLING`, in the order in which somebody would use them."""
    assert [one["Id"] for one in empty.client("organizations", MANAGEMENT).list_accounts()["Accounts"]] == [MANAGEMENT]
    specification = {"Containers": [{"Image": f"{MANAGEMENT}.dkr.ecr.{REGION}.amazonaws.com/ml:1"}]}
    group = f"arn:aws:sagemaker:{REGION}:{MANAGEMENT}:model-package-group/churn"
    layer = b'{"architecture":"amd64","os":"linux"}'
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    done: dict[str, dict[str, Any]] = {}

    def step(name: str, **parameters: Any) -> dict[str, Any]:
        done[name] = checked(empty, name, parameters, MANAGEMENT)
        return done[name]

    step("organizations:CreateAccount", AccountName="retail", Email="retail@example.com")
    key = step("kms:CreateKey")["KeyMetadata"]["KeyId"]
    step("kms:CreateAlias", AliasName="alias/ml", TargetKeyId=key)
    step("kms:EnableKeyRotation", KeyId=key)
    assert empty.client("kms", MANAGEMENT).get_key_rotation_status(KeyId="alias/ml")["KeyRotationEnabled"] is True
    step("kms:DisableKey", KeyId=key)
    assert empty.client("kms", MANAGEMENT).describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    step("kms:ScheduleKeyDeletion", KeyId=key)
    step("s3:CreateBucket", Bucket="example-own", CreateBucketConfiguration={"LocationConstraint": REGION})
    step("s3:PutBucketVersioning", Bucket="example-own", VersioningConfiguration={"Status": "Enabled"})
    step("s3:PutObject", Bucket="example-own", Key="a", Body=b"x")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    step("s3:PutBucketEncryption", Bucket="example-own", ServerSideEncryptionConfiguration={"Rules": [rule]})
    step("s3:DeleteObject", Bucket="example-own", Key="a")
    step("ecr:CreateRepository", repositoryName="ml")
    upload = step("ecr:InitiateLayerUpload", repositoryName="ml")["uploadId"]
    part = {"repositoryName": "ml", "uploadId": upload}
    step("ecr:UploadLayerPart", **part, partFirstByte=0, partLastByte=len(layer) - 1, layerPartBlob=layer)
    step("ecr:CompleteLayerUpload", **part, layerDigests=[digest])
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(layer), "digest": digest}
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []})
    image = step("ecr:PutImage", repositoryName="ml", imageManifest=manifest, imageTag="1")["image"]
    assert image["imageId"]["imageDigest"] == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert empty.client("ecr", MANAGEMENT).get_download_url_for_layer(repositoryName="ml", layerDigest=digest)[
        "downloadUrl"
    ]
    step("sagemaker:CreateModelPackageGroup", ModelPackageGroupName="churn", Tags=[{"Key": "owner", "Value": "a"}])
    step("sagemaker:AddTags", ResourceArn=group, Tags=[{"Key": "cost-center", "Value": "1"}])
    step("sagemaker:DeleteTags", ResourceArn=group, TagKeys=["owner"])
    assert empty.client("sagemaker", MANAGEMENT).list_tags(ResourceArn=group)["Tags"] == [
        {"Key": "cost-center", "Value": "1"}
    ]
    package = step("sagemaker:CreateModelPackage", ModelPackageGroupName="churn", InferenceSpecification=specification)
    assert package["ModelPackageArn"].endswith(":model-package/churn/1")
    step("sagemaker:PutModelPackageGroupPolicy", ModelPackageGroupName="churn", ResourcePolicy='{"Statement": []}')
    step("sagemaker:DeleteModelPackageGroupPolicy", ModelPackageGroupName="churn")
    step("sagemaker:DeleteModelPackage", ModelPackageName=package["ModelPackageArn"])
    step("sagemaker:DeleteModelPackageGroup", ModelPackageGroupName="churn")
    step("sagemaker:CreateModelCard", ModelCardName="card", Content="{}", ModelCardStatus="Draft")
    step("sagemaker:UpdateModelCard", ModelCardName="card", ModelCardStatus="PendingReview")
    assert len(step("sagemaker:ListModelCardVersions", ModelCardName="card")["ModelCardVersionSummaryList"]) == 2
    step("sagemaker:DeleteModelCard", ModelCardName="card")
    assert set(done) == {
        f"{service}:{operation}" for service, operations in FILLING.items() for operation in operations
    }

"""Who a caller is, whom it may become, and what other services say about keys, objects and images."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import CHURN, CLOSED, MANAGEMENT, REGION, RETAIL, SHARED, Organization

BUCKET = f"example-models-{RETAIL}"
READER = "arn:aws:iam::{}:role/ModelwardenReader"


def refused(method: Any, **parameters: Any) -> tuple[str, int]:
    """(code, HTTP status) of a call that must fail."""
    with pytest.raises(ClientError) as error:
        method(**parameters)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def assumed(organization: Organization, account: str, **more: str) -> dict[str, str]:
    sts = organization.client("sts", MANAGEMENT)
    credentials = sts.assume_role(RoleArn=READER.format(account), RoleSessionName="run-1", **more)["Credentials"]
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def test_an_assumed_role_is_its_account(shared: Organization) -> None:
    keys = assumed(shared, RETAIL)
    identity = shared.client("sts", **keys).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{RETAIL}:assumed-role/ModelwardenReader/run-1"
    assert identity["Account"] == RETAIL
    assert len(keys["aws_access_key_id"]) == 20
    assert (
        shared.client("sagemaker", **keys).describe_model_package(ModelPackageName="churn/1")["ModelPackageArn"]
        == f"{CHURN}/1"
    )


def test_assume_role_needs_a_role_an_active_account_and_the_external_id(shared: Organization) -> None:
    assume = shared.client("sts", MANAGEMENT).assume_role
    denied = ("AccessDenied", 403)
    assert refused(assume, RoleArn=READER.format(CLOSED), RoleSessionName="run") == denied
    assert refused(assume, RoleArn=f"arn:aws:iam::{RETAIL}:role/NoSuchRole", RoleSessionName="run") == denied
    assert refused(assume, RoleArn=READER.format("999999999999"), RoleSessionName="run") == denied
    assert refused(assume, RoleArn=READER.format(SHARED), RoleSessionName="run") == denied
    assert refused(assume, RoleArn=READER.format(SHARED), RoleSessionName="run", ExternalId="wrong-word") == denied
    assert assumed(shared, SHARED, ExternalId="tiny-secret-word")


def test_roles_that_clients_create_can_be_assumed_by_whom_they_trust(organization: Organization) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "word"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    organization.client("iam", RETAIL).create_role(RoleName="Own", AssumeRolePolicyDocument=document)
    role = {"RoleArn": f"arn:aws:iam::{RETAIL}:role/Own", "RoleSessionName": "run"}
    assert organization.client("sts", MANAGEMENT).assume_role(**role, ExternalId="word")["Credentials"]
    assert refused(organization.client("sts", MANAGEMENT).assume_role, **role)[0] == "AccessDenied"
    assert refused(organization.client("sts", SHARED).assume_role, **role, ExternalId="word")[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("service", "method", "parameters", "code"),
    [
        ("sagemaker", "list_model_packages", {}, "UnrecognizedClientException"),
        ("sts", "get_caller_identity", {}, "InvalidClientTokenId"),
        ("s3", "list_objects_v2", {"Bucket": BUCKET}, "InvalidAccessKeyId"),
        ("ec2", "describe_regions", {}, "AuthFailure"),
    ],
)
def test_unknown_keys_are_refused(
    shared: Organization, service: str, method: str, parameters: dict[str, str], code: str
) -> None:
    client = shared.client(service, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
    assert refused(getattr(client, method), **parameters)[0] == code


def test_only_the_management_account_lists_accounts(shared: Organization) -> None:
    accounts = shared.client("organizations", MANAGEMENT).list_accounts()["Accounts"]
    assert {one["Id"]: one["State"] for one in accounts} == {
        MANAGEMENT: "ACTIVE",
        RETAIL: "ACTIVE",
        SHARED: "ACTIVE",
        CLOSED: "SUSPENDED",
    }
    assert refused(shared.client("organizations", RETAIL).list_accounts) == ("AccessDeniedException", 400)
    assert shared.client("organizations", RETAIL).describe_organization()["Organization"]["Id"] == "o-tiny123456"


def test_units_and_tags_of_accounts(shared: Organization) -> None:
    client = shared.client("organizations", MANAGEMENT)
    root = client.list_roots()["Roots"][0]
    assert f"/o-tiny123456/{root['Id']}" in root["Arn"]
    units = client.list_organizational_units_for_parent(ParentId=root["Id"])["OrganizationalUnits"]
    assert [(one["Id"], one["Name"]) for one in units] == [("ou-tiny-workload", "Workloads")]
    members = client.list_accounts_for_parent(ParentId="ou-tiny-workload")["Accounts"]
    assert {one["Id"] for one in members} == {RETAIL, SHARED, CLOSED}
    assert client.list_tags_for_resource(ResourceId=RETAIL)["Tags"] == [{"Key": "team", "Value": "retention"}]


def test_keys_tell_manager_state_and_origin_across_accounts(shared: Organization) -> None:
    kms = shared.client("kms", RETAIL)
    foreign = f"arn:aws:kms:{REGION}:{SHARED}:key/33333333-2222-4333-8444-555555555555"
    pending = kms.describe_key(KeyId="22222222-2222-4333-8444-555555555555")["KeyMetadata"]
    assert (pending["KeyState"], pending["Origin"], pending["Enabled"]) == ("PendingDeletion", "EXTERNAL", False)
    assert kms.describe_key(KeyId=foreign)["KeyMetadata"]["AWSAccountId"] == SHARED
    assert kms.describe_key(KeyId=foreign)["KeyMetadata"]["KeyState"] == "Disabled"
    managed = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert managed["KeyManager"] == "AWS"
    assert kms.get_key_rotation_status(KeyId=managed["Arn"])["KeyRotationEnabled"] is True
    assert kms.get_key_rotation_status(KeyId="alias/ml")["RotationPeriodInDays"] == 365
    assert kms.get_key_rotation_status(KeyId=foreign)["KeyRotationEnabled"] is False
    assert refused(kms.describe_key, KeyId="44444444-2222-4333-8444-555555555555")[0] == "NotFoundException"
    denied = f"arn:aws:kms:{REGION}:{SHARED}:key/44444444-2222-4333-8444-555555555555"
    assert refused(kms.describe_key, KeyId=denied) == ("AccessDeniedException", 400)
    assert refused(shared.client("kms", RETAIL, "us-east-1").describe_key, KeyId=foreign)[0] == "NotFoundException"


def test_objects_tell_their_encryption_version_and_size(shared: Organization) -> None:
    s3 = shared.client("s3")
    model = s3.head_object(Bucket=BUCKET, Key="churn/1/model.tar.gz")
    assert model["SSEKMSKeyId"] == f"arn:aws:kms:{REGION}:{RETAIL}:key/11111111-2222-4333-8444-555555555555"
    assert (model["ServerSideEncryption"], model["ContentLength"]) == ("aws:kms", 48214)
    assert model["LastModified"] == datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert model["VersionId"]
    assert len(s3.get_object(Bucket=BUCKET, Key="churn/1/model.tar.gz")["Body"].read()) == 48214
    assert s3.head_object(Bucket=BUCKET, Key="churn/2/model.tar.gz")["ServerSideEncryption"] == "AES256"
    assert "ServerSideEncryption" not in s3.head_object(Bucket=BUCKET, Key="old.bin")
    managed = s3.head_object(Bucket=BUCKET, Key="managed.bin")["SSEKMSKeyId"]
    assert shared.client("kms").describe_key(KeyId=managed)["KeyMetadata"]["KeyManager"] == "AWS"


def test_objects_that_are_missing_or_denied(shared: Organization) -> None:
    s3 = shared.client("s3")
    assert refused(s3.head_object, Bucket=BUCKET, Key="nothing") == ("404", 404)
    assert refused(s3.get_object, Bucket=BUCKET, Key="nothing") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=BUCKET, Key="secret.json") == ("403", 403)
    assert refused(s3.get_object, Bucket=BUCKET, Key="secret.json") == ("AccessDenied", 403)
    assert refused(s3.list_objects_v2, Bucket="example-no-such-bucket") == ("NoSuchBucket", 404)


def test_buckets_of_other_accounts_can_be_read_and_encrypt_by_default(shared: Organization) -> None:
    s3, plain = shared.client("s3", RETAIL), f"example-plain-{SHARED}"
    assert s3.get_object(Bucket=plain, Key="a.txt")["Body"].read() == b"hello"
    assert s3.head_object(Bucket=plain, Key="a.txt")["ServerSideEncryption"] == "AES256"
    rule = s3.get_bucket_encryption(Bucket=plain)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert "Status" not in s3.get_bucket_versioning(Bucket=plain)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="churn/1/", MaxKeys=2)
    assert [one["Key"] for one in listed["Contents"]] == ["churn/1/bias/analysis.json", "churn/1/evaluation.json"]
    assert listed["IsTruncated"] is True


def test_new_buckets_and_kms_objects_behave_as_on_aws(organization: Organization) -> None:
    s3 = organization.client("s3")
    s3.create_bucket(Bucket="example-own", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="example-own", Key="plain", Body=b"x")
    s3.put_object(Bucket="example-own", Key="kms", Body=b"x", ServerSideEncryption="aws:kms")
    assert s3.head_object(Bucket="example-own", Key="plain")["ServerSideEncryption"] == "AES256"
    key = s3.head_object(Bucket="example-own", Key="kms")["SSEKMSKeyId"]
    assert organization.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "AWS"


def test_images_have_true_digests_and_foreign_registries_answer(shared: Organization) -> None:
    ecr, place = shared.client("ecr", RETAIL), {"registryId": SHARED, "repositoryName": "ml/scoring"}
    answer = ecr.batch_get_image(**place, imageIds=[{"imageTag": "4.2"}, {"imageTag": "gone"}])
    image = answer["images"][0]
    assert image["imageId"]["imageDigest"] == f"sha256:{hashlib.sha256(image['imageManifest'].encode()).hexdigest()}"
    assert image["registryId"] == SHARED
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"
    digest = json.loads(image["imageManifest"])["config"]["digest"]
    url = ecr.get_download_url_for_layer(**place, layerDigest=digest)["downloadUrl"]
    content = urllib.request.urlopen(url, timeout=5).read()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    assert json.loads(content)["rootfs"]["diff_ids"]
    base = ecr.batch_get_image(registryId=SHARED, repositoryName="ml/base", imageIds=[{"imageTag": "2026.10"}])[
        "images"
    ][0]
    layers = [one["digest"] for one in json.loads(base["imageManifest"])["layers"]]
    assert [one["digest"] for one in json.loads(image["imageManifest"])["layers"]][: len(layers)] == layers


def test_an_image_index_names_images_that_exist(shared: Organization) -> None:
    ecr, place = shared.client("ecr", RETAIL), {"registryId": SHARED, "repositoryName": "ml/scoring"}
    index = ecr.batch_get_image(**place, imageIds=[{"imageTag": "multi"}])["images"][0]
    listed = [{"imageDigest": one["digest"]} for one in json.loads(index["imageManifest"])["manifests"]]
    assert len(ecr.batch_get_image(**place, imageIds=listed)["images"]) == 2
    plain = ["application/vnd.docker.distribution.manifest.v2+json"]
    refusal = ecr.batch_get_image(**place, imageIds=[{"imageTag": "multi"}], acceptedMediaTypes=plain)
    assert (refusal["images"], refusal["failures"][0]["failureCode"]) == ([], "ImageNotFound")


def test_repositories_tell_mutability_and_missing_ones_are_not_found(shared: Organization) -> None:
    ecr = shared.client("ecr", RETAIL)
    found = ecr.describe_repositories(registryId=SHARED, repositoryNames=["ml/scoring"])["repositories"][0]
    assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert found["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": "dev-*"}]
    assert refused(ecr.describe_repositories, repositoryNames=["ml/scoring"])[0] == "RepositoryNotFoundException"
    gone = {"registryId": SHARED, "repositoryName": "ml/scoring", "imageIds": [{"imageTag": "gone"}]}
    assert refused(ecr.describe_images, **gone)[0] == "ImageNotFoundException"
    missing = refused(ecr.get_repository_policy, registryId=SHARED, repositoryName="ml/base")
    assert missing[0] == "RepositoryPolicyNotFoundException"


def test_standing_denials_of_the_scenario(shared: Organization) -> None:
    own = refused(shared.client("ecr", SHARED).describe_repositories)
    assert own == ("AccessDeniedException", 400)
    assert shared.client("ecr", RETAIL).describe_repositories(registryId=SHARED)["repositories"]


@pytest.mark.parametrize(
    ("service", "method", "parameters"),
    [
        ("sagemaker", "list_monitoring_schedules", {}),
        ("athena", "list_engine_versions", {}),
        ("sts", "decode_authorization_message", {"EncodedMessage": "x"}),
        (
            "ecr",
            "list_image_referrers",
            {"repositoryName": "ml/base", "subjectId": {"imageDigest": "sha256:" + "0" * 64}},
        ),
        ("s3", "list_bucket_analytics_configurations", {"Bucket": BUCKET}),
    ],
)
def test_missing_operations_answer_501_at_once(
    shared: Organization, service: str, method: str, parameters: Any
) -> None:
    """The client would try five times; it does not."""
    client = shared.client(service, attempts=5)
    shared.ask("DELETE", "stats")
    assert refused(getattr(client, method), **parameters) == ("NotImplemented", 501)
    assert shared.ask("GET", "stats")["total"] == 1


def test_without_kms_decrypt_reports_and_encrypted_cards_are_closed(organization: Organization) -> None:
    """As on AWS: the card needs it under a customer key, unless only metadata are asked for; so does the body of an object."""
    sagemaker, s3 = organization.client("sagemaker"), organization.client("s3")
    organization.fail(kind="deny", op="kms:Decrypt", account=RETAIL)
    with pytest.raises(ClientError, match="not authorized to perform: kms:Decrypt"):
        sagemaker.describe_model_package(ModelPackageName=f"{CHURN}/1")
    assert sagemaker.describe_model_package(ModelPackageName=f"{CHURN}/1", IncludedData="MetadataOnly")["ModelCard"]
    assert sagemaker.describe_model_package(ModelPackageName=f"{CHURN}/2")["ModelCard"]
    assert refused(s3.get_object, Bucket=BUCKET, Key="churn/1/bias/analysis.json") == ("AccessDenied", 403)
    assert s3.head_object(Bucket=BUCKET, Key="churn/1/bias/analysis.json")["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket=BUCKET, Key="churn/2/model.tar.gz")["Body"].read() == b"synthetic"
    organization.ask("DELETE", "faults")
    assert s3.get_object(Bucket=BUCKET, Key="churn/1/bias/analysis.json")["Body"].read()


def test_accounts_that_clients_create_have_keys_and_a_role(empty: Organization) -> None:
    made = empty.client("organizations", MANAGEMENT).create_account(AccountName="new", Email="new@example.com")
    account = made["CreateAccountStatus"]["AccountId"]
    role = {"RoleArn": f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole", "RoleSessionName": "fill"}
    keys = empty.client("sts", MANAGEMENT).assume_role(**role)["Credentials"]
    sts = empty.client("sts", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key="x", aws_session_token="x")
    assert sts.get_caller_identity()["Account"] == account
    direct = empty.client("sts", aws_access_key_id=f"AKIA{account}SBOX", aws_secret_access_key="x")
    assert direct.get_caller_identity()["Account"] == account

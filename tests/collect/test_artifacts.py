"""Where model data lie, and what S3 says of them: nothing that may be an artifact is dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.session import get_session

from modelwarden.collect.artifact import _HARMLESS, _LOCATED, Location, locations, split
from modelwarden.evidence import Absent, Evidence, Present, Unknown

from .conftest import KEY, Script, below, described, failure, read

HEAD = {"ETag": '"e"', "LastModified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "ContentLength": 7}
PLAIN = {**HEAD, "ServerSideEncryption": "AES256", "VersionId": "v1"}
KEYED = {**HEAD, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
METADATA = {"Arn": KEY, "KeyManager": "CUSTOMER", "KeyState": "Enabled", "Origin": "AWS_KMS"}
PREFIX = {"S3DataSource": {"S3Uri": "s3://example/models/", "S3DataType": "S3Prefix", "CompressionType": "None"}}


def package(answers: dict[str, Any], *containers: dict[str, Any], **members: Any) -> Evidence:
    specification = {"InferenceSpecification": {"Containers": list(containers)}}
    script = Script({"DescribeModelPackage": described(**specification, **members), **answers})
    return read(script, needed=("/artifact_count", "/artifact/*/uri", "/artifact/*/kms_key/rotation_enabled"))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://example/a/model.tar.gz", ("example", "a/model.tar.gz")),
        ("s3://example/", ("example", "")),
        ("s3://Old_Bucket.1/a", ("Old_Bucket.1", "a")),
        ("https://example.s3.amazonaws.com/a/b", ("example", "a/b")),
        ("https://my.example.s3.eu-west-1.amazonaws.com/a", ("my.example", "a")),
        ("https://example.s3-eu-west-1.amazonaws.com/a", ("example", "a")),
        ("https://example.s3.dualstack.eu-west-1.amazonaws.com/a", ("example", "a")),
        ("https://example.s3.cn-north-1.amazonaws.com.cn/a", ("example", "a")),
        ("https://s3.eu-west-1.amazonaws.com/example/a%20b/c+d", ("example", "a b/c+d")),
        ("https://example.s3-evil.com/a", None),
        ("https://example.s3.eu-west-1.amazonaws.com.evil.com/a", None),
        ("https://example.s3.eu-west-1.amazonaws.com/a?versionId=1", None),
        ("https://example.s3.eu-west-1.amazonaws.com/%ff", None),
        ("https://user@example.s3.eu-west-1.amazonaws.com/a", None),
        ("https://example.com/model.tar.gz", None),
        ("s3://arn:aws:s3:eu-west-1:111122223333:accesspoint/models/a", None),
        ("s3://arn:aws:s3::111122223333:accesspoint/m.mrap/a", None),
        ("s3://example", None),
        ("s3:///a", None),
        ("http://example.s3.amazonaws.com/a", None),
        ("", None),
    ],
)
def test_only_what_is_certainly_s3_is_taken_for_s3(uri: str, expected: tuple[str, str] | None) -> None:
    assert split(uri) == expected


SOURCE = {"S3Uri": "s3://e/a", "S3DataType": "S3Object", "CompressionType": "None"}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, []),
        ({"ModelDataUrl": ""}, []),
        ({"ModelDataUrl": "s3://example/m"}, [Location(0, "ModelDataUrl", "s3://example/m")]),
        (
            {"ModelDataSource": {"S3DataSource": {**SOURCE, "S3DataType": "S3Prefix"}}},
            [Location(0, "ModelDataSource", "s3://e/a", prefix=True)],
        ),
        (
            {"ModelDataSource": {"S3DataSource": {**SOURCE, "ManifestS3Uri": "s3://e/manifest.csv"}}},
            [
                Location(0, "ModelDataSource", "s3://e/a"),
                Location(0, "ModelDataSource", "s3://e/manifest.csv", gap="a manifest may name further objects"),
            ],
        ),
        (
            {"ModelDataSource": {"HubDataSource": {"Arn": "a"}}},
            [Location(0, "ModelDataSource", "", gap="`ModelDataSource` names no S3 location")],
        ),
        (
            {"AdditionalModelDataSources": [{"ChannelName": "draft", "S3DataSource": SOURCE}, {"ChannelName": "x"}]},
            [
                Location(0, "AdditionalModelDataSources", "s3://e/a"),
                Location(0, "AdditionalModelDataSources", "", gap="`AdditionalModelDataSources` names no S3 location"),
            ],
        ),
        (
            {"AdditionalS3DataSource": {**SOURCE, "S3DataType": "S3Glob"}},
            [Location(0, "AdditionalS3DataSource", "s3://e/a", gap="an unknown S3DataType")],
        ),
        (
            {"BaseModel": {"HubContentName": "nova"}},
            [Location(0, "BaseModel", "", gap="the model data are content of a hub")],
        ),
        (
            {"BaseModel": {"HubContentName": "nova"}, "ModelDataUrl": "s3://example/m"},
            [Location(0, "ModelDataUrl", "s3://example/m")],
        ),
        (
            {"CheckpointConfig": {"Entries": [{"S3Uri": "s3://e/checkpoint/"}]}},
            [Location(0, "CheckpointConfig", "", gap="`CheckpointConfig` may name model data")],
        ),
        ({"MetricsConfig": {"Enabled": True}, "Environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://e/code"}}, []),
    ],
)
def test_every_location_is_listed_and_what_is_not_understood_too(
    container: dict[str, Any], expected: list[Location]
) -> None:
    assert list(locations([container], [])) == expected


def test_data_of_the_algorithm_that_a_package_was_made_from_are_artifacts() -> None:
    algorithm = {"AlgorithmName": "a", "ModelDataUrl": "s3://example/m", "ModelDataSource": {"S3DataSource": SOURCE}}
    expected = [Location(None, "SourceAlgorithms", "s3://example/m"), Location(None, "SourceAlgorithms", "s3://e/a")]
    assert list(locations([], [algorithm])) == expected
    evidence = package(
        {"HeadObject": PLAIN}, SourceAlgorithmSpecification={"SourceAlgorithms": [algorithm | {"ModelDataSource": {}}]}
    )
    assert evidence.get("/artifact_count") == Present(1, evidence.get("/artifact_count").source)
    assert isinstance(evidence.get("/artifact/0/container"), Absent)
    assert isinstance(evidence.get("/artifact/0/encryption/sse"), Present)


@pytest.mark.parametrize("shape", ["ModelPackageContainerDefinition", "SourceAlgorithm"])
def test_every_member_that_the_service_model_knows_is_sorted(shape: str) -> None:
    """A member that AWS adds is a question for a person: may it name model data?"""
    members = get_session().get_service_model("sagemaker").shape_for(shape).members
    assert set(members) - {*_LOCATED, *_HARMLESS} == set()


def test_a_location_that_is_not_understood_is_an_artifact_of_which_nothing_is_known() -> None:
    script = {"HeadObject": PLAIN}
    evidence = package(script, {"ModelDataUrl": "s3://arn:aws:s3:eu-west-1:111122223333:accesspoint/m/a"})
    facts = below(evidence.facts, "/artifact/0/")
    assert {name for name, fact in facts.items() if isinstance(fact, Present)} == {
        *("container", "origin", "location", "uri")
    }
    assert facts["encryption/sse"].reason == "location not understood"  # type: ignore[union-attr]
    gap = package(script, {"ModelDataSource": {"NewKind": {"Uri": "s3://e/a"}}})
    assert isinstance(gap.get("/artifact_count"), Unknown)
    assert isinstance(gap.get("/artifact/0/uri"), Unknown)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (failure("403"), Unknown),
        (failure("404", "read"), Absent),
        (failure("NoSuchBucket", "read"), Absent),
        (failure("301", "malformed"), Unknown),
        (failure("SlowDown", "throttled"), Unknown),
        (PLAIN, Present),
    ],
)
def test_an_object_is_absent_only_on_awss_word(answer: Any, state: type) -> None:
    evidence = package({"HeadObject": answer}, {"ModelDataUrl": "s3://example/m"})
    assert evidence.get("/artifact_count") == Present(1, evidence.get("/artifact_count").source)
    assert {type(evidence.get(f"/artifact/0/{name}")) for name in ("encryption/sse", "etag", "size")} == {state}
    assert type(evidence.get("/artifact/0/kms_key/manager")) is (Absent if state is Present else state)


def test_an_object_under_a_key_that_is_not_named_is_not_one_without_a_key() -> None:
    evidence = package({"HeadObject": {**HEAD, "ServerSideEncryption": "aws:kms"}}, {"ModelDataUrl": "s3://example/m"})
    assert {type(fact) for fact in below(evidence.facts, "/artifact/0/kms_key/").values()} == {Unknown}


def test_rotation_is_asked_of_a_customers_key_only() -> None:
    container = {"ModelDataUrl": "s3://example/m"}
    answers = {"HeadObject": KEYED, "GetKeyRotationStatus": {"KeyRotationEnabled": False}}
    own = package({**answers, "DescribeKey": {"KeyMetadata": METADATA}}, container)
    assert below(own.facts, "/artifact/0/kms_key/")["rotation_enabled"] == Present(
        value=False, source=own.get("/artifact/0/kms_key/rotation_enabled").source
    )
    for other in ({"KeyManager": "AWS"}, {"Origin": "EXTERNAL"}):
        evidence = package({**answers, "DescribeKey": {"KeyMetadata": METADATA | other}}, container)
        assert isinstance(evidence.get("/artifact/0/kms_key/rotation_enabled"), Absent)
    denied = package({"HeadObject": KEYED, "DescribeKey": {"KeyMetadata": METADATA}}, container)
    assert isinstance(denied.get("/artifact/0/kms_key/rotation_enabled"), Unknown)
    assert isinstance(denied.get("/artifact/0/kms_key/manager"), Present)


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("alias/aws/s3", {"KeyMetadata": METADATA}),
        ("arn:aws:kms:eu-west-1:111122223333:key/other", {"KeyMetadata": METADATA}),
        (KEY, {"KeyMetadata": {"KeyId": "k"}}),
        (KEY, failure("NotFoundException", "read")),
        (KEY, failure("AccessDeniedException")),
    ],
)
def test_a_key_that_nobody_can_tell_is_unknown_and_never_absent(key: str, answer: Any) -> None:
    """An alias names a key of some account, and S3 does not say of which."""
    head = {**KEYED, "SSEKMSKeyId": key}
    evidence = package({"HeadObject": head, "DescribeKey": answer}, {"ModelDataUrl": "s3://example/m"})
    assert {type(fact) for fact in below(evidence.facts, "/artifact/0/kms_key/").values()} == {Unknown}


def test_an_id_is_asked_for_in_the_account_of_the_package() -> None:
    ids = {"HeadObject": {**KEYED, "SSEKMSKeyId": KEY.rpartition("/")[2]}, "DescribeKey": {"KeyMetadata": METADATA}}
    script = Script(
        {
            **ids,
            "DescribeModelPackage": described(
                InferenceSpecification={"Containers": [{"ModelDataUrl": "s3://example/m"}]},
                SecurityConfig={"KmsKeyId": "alias/ml"},
            ),
        }
    )
    read(script, needed=("/artifact/*/kms_key/arn", "/package/kms_key/arn"))
    asked = {parameters["KeyId"] for operation, parameters in script.asked if operation == "DescribeKey"}
    assert asked == {KEY, "arn:aws:kms:eu-west-1:111122223333:alias/ml"}


def page(*keys: str, following: str | None = None, **changed: Any) -> dict[str, Any]:
    entries = [{"Key": key, "Size": 0 if key.endswith("/") else 9} for key in keys]
    told = {"NextContinuationToken": following} if following else {}
    return {"KeyCount": len(keys), "IsTruncated": bool(following), "Contents": entries, **told, **changed}


def listing(*pages: Any) -> Any:
    rest = iter(pages)
    return lambda parameters: next(rest)


@pytest.mark.parametrize(
    ("pages", "uris", "count"),
    [
        ([page("models/", "models/a", "models/b")], ["models/a", "models/b"], 2),
        ([page("models/a", following="t"), page("models/b")], ["models/a", "models/b"], 2),
        ([page(following="t"), page("models/b")], ["models/b"], 1),
        ([page()], ["models/"], 1),
        ([failure("NoSuchBucket", "read")], ["models/"], 1),
        ([failure("AccessDenied")], [], "AccessDenied"),
        ([page("models/a", following="t"), failure("AccessDenied")], ["models/a"], "AccessDenied"),
        ([page("models/a", KeyCount=2)], [], "incomplete"),
        ([page("models/a", IsTruncated=True)], ["models/a"], "incomplete"),
        ([page("models/a", following="t"), page("models/b", following="t")], ["models/a", "models/b"], "incomplete"),
        ([page(following=f"t{number}") for number in range(60)], [], "incomplete"),
        ([page(*[f"models/{n}" for n in range(1_001)], following="t")], None, "incomplete"),
    ],
)
def test_a_listing_counts_only_if_it_was_read_to_its_end(pages: list[Any], uris: list[str] | None, count: Any) -> None:
    evidence = package({"ListObjectsV2": listing(*pages), "HeadObject": PLAIN}, {"ModelDataSource": PREFIX})
    counted = evidence.get("/artifact_count")
    assert (counted.value if isinstance(counted, Present) else getattr(counted, "reason", None)) == count
    if uris is not None:
        artifacts = below(evidence.facts, "/artifact/")
        found = [fact.value for pointer, fact in artifacts.items() if pointer.endswith("/uri")]  # type: ignore[union-attr]
        assert found == [f"s3://example/{uri}" for uri in uris]

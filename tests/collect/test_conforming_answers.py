"""Whatever answer fits the service model, a package is read to facts of the dictionary, and nothing raises."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from modelwarden.collect.operations import NEEDED
from modelwarden.collect.shape import misfit
from modelwarden.evidence import Evidence, Present, fact_from_json
from modelwarden.facts import kind_of

from .conftest import ARN, KEY, Script, failure, read
from .shapes import answers, conforming, output

OPERATIONS = (
    ("sagemaker", "DescribeModelPackage"),
    ("sagemaker", "DescribeModelCard"),
    ("sagemaker", "DescribeTrainingJob"),
    ("sagemaker", "ListTags"),
    ("sagemaker", "GetModelPackageGroupPolicy"),
    ("s3", "HeadObject"),
    ("s3", "GetObject"),
    ("s3", "ListObjectsV2"),
    ("kms", "DescribeKey"),
    ("kms", "GetKeyRotationStatus"),
    ("ecr", "BatchGetImage"),
    ("ecr", "DescribeRepositories"),
    ("ecr", "DescribeImages"),
    ("ecr", "GetDownloadUrlForLayer"),
    ("cloudtrail", "LookupEvents"),
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
JOB = "arn:aws:sagemaker:eu-west-1:111122223333:training-job/churn-7"
ECR = "333333333333.dkr.ecr.eu-west-1.amazonaws.com"
CONFIG = json.dumps({"rootfs": {"diff_ids": ["sha256:1"]}}).encode()
SINGLE = json.dumps({"config": {"digest": "sha256:" + hashlib.sha256(CONFIG).hexdigest()}, "layers": [{"digest": "a"}]})
OF_SINGLE = "sha256:" + hashlib.sha256(SINGLE.encode()).hexdigest()
INDEX = json.dumps({"manifests": [{"digest": OF_SINGLE, "platform": {"os": "linux", "architecture": "arm64"}}, 7]})
CARD = {"intended_uses": {"risk_rating": "High"}, "training_details": {"training_job_details": {"training_arn": JOB}}}
EVENT = {
    "eventName": "UpdateModelPackage",
    "eventTime": "2026-11-20T06:00:00Z",
    "requestParameters": {"modelPackageArn": ARN, "modelApprovalStatus": "Approved"},
    "userIdentity": {"arn": "arn:aws:iam::111122223333:user/ada"},
}
BIAS = {
    "post_training_bias_metrics": {
        "label": "y",
        "facets": {"sex": [{"value_or_threshold": "1", "metrics": [{"name": "DI", "value": "Infinity"}, {}]}]},
    }
}
QUALITY = {"binary_classification_metrics": {"auc": {"value": 0.9}, "confusion_matrix": {"0": {"0": 3}}}}
HINTS: dict[str, Sequence[Any]] = {
    "Image": [f"{ECR}/ml/base:1.0", f"{ECR}/ml/base@{OF_SINGLE}", f"{ECR}/ml/base", "busybox", "x@y:z/:"],
    "ImageDigest": [OF_SINGLE, ""],
    "repositoryName": ["ml/base"],
    "imageTagMutability": ["IMMUTABLE_WITH_EXCLUSION", "MUTABLE", "A_WORD_OF_TOMORROW"],
    "imageManifest": [SINGLE, INDEX, '{"layers": 5}', '{"manifests": {}}', "[" * 2_000],
    "layerDigest": ["sha256:0"],
    "Body": [CONFIG, json.dumps(BIAS).encode(), json.dumps(QUALITY).encode(), b'{"a": NaN}', b"\xff"],
    "KmsKeyId": [KEY, "alias/ml", KEY.rpartition("/")[2]],
    "SSEKMSKeyId": [KEY, "alias/ml"],
    "Arn": [KEY, "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Approver_1/ada@example.com"],
    "KeyManager": ["CUSTOMER"],
    "Origin": ["AWS_KMS"],
    "ChecksumSHA256": ["3q2+7w==", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "x-2"],
    "S3Uri": ["s3://example/model.tar.gz", "s3://example/models/", "s3://example", "https://example.com/"],
    "ManifestS3Uri": ["s3://example/manifest.csv"],
    "S3DataType": ["S3Prefix", "S3Object"],
    "ModelDataUrl": ["https://example.s3.eu-west-1.amazonaws.com/a%20b/model.tar.gz", "s3://example/model.tar.gz"],
    "GeneratedBy": [JOB, JOB.replace("1111", "2222")],
    "TrainingJobArn": [JOB],
    "RoleArn": ["arn:aws:iam::111122223333:role/service-role/Training"],
    "ModelCardContent": [json.dumps(CARD), json.dumps(json.dumps(CARD)), "{}"],
    "Content": [json.dumps(CARD)],
    "CustomerMetadataProperties": [{"model_card_name": "churn-7", "OriginalARN": ARN}],
    "ModelApprovalStatus": ["Approved"],
    "CloudTrailEvent": [json.dumps(EVENT), json.dumps({**EVENT, "requestParameters": None}), "[1]"],
    "ResourcePolicy": ['{"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "NotAction": 3}}', "{}"],
    "ModelMetrics": [
        {
            "Bias": {"Report": {"ContentType": "json", "S3Uri": "s3://example/bias.json"}, "PreTrainingReport": {}},
            "Explainability": {"Report": {"ContentType": "json", "S3Uri": "s3://example/x", "ContentDigest": "d"}},
            "ModelQuality": {"Statistics": {"ContentType": "json", "S3Uri": "s3://example/quality.json"}},
        }
    ],
}
FULL = st.one_of(
    st.sampled_from(["{}", "[]", "null", "true", "\x00", "\ud800", KEY]),
    st.text(st.characters(exclude_characters="*"), min_size=1, max_size=8).filter(lambda text: "None" not in text),
)
"""Never empty nor `None`, so that such a fact is one for a member that is missing: hypothesis draws texts that it finds in the
modules that are loaded, and `None` is one. `*` stands in no name that AWS takes."""


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """One answer for each operation, true in what every true answer has; any of them may fail instead."""
    found: dict[str, Any] = {}
    for service, operation in OPERATIONS:
        said = draw(answers(service, operation, FULL, HINTS))
        for name in NEEDED[f"{service}:{operation}"]:
            if name not in said:
                said |= {name: draw(conforming(output(service, operation).members[name], FULL, HINTS))}
        states = [None] * 8 + [failure("AccessDenied"), failure("NoSuchKey", "read")]
        found[operation] = draw(st.sampled_from(states)) or said
    assume(isinstance(found["DescribeModelPackage"], dict))
    found["DescribeModelPackage"] |= {"ModelPackageArn": ARN}
    if isinstance(found["ListObjectsV2"], dict):
        found["ListObjectsV2"] |= _counted(found["ListObjectsV2"].get("Contents", []))
    if isinstance(found["BatchGetImage"], dict):
        found["BatchGetImage"] = partial(_images, draw(st.sampled_from([SINGLE, INDEX])), found["BatchGetImage"])
    if isinstance(found["GetDownloadUrlForLayer"], dict):
        found["GetDownloadUrlForLayer"] |= {"Body": draw(st.sampled_from(HINTS["Body"]))}
    return Script(found)


def _counted(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """S3 lists no object without a key, although its model would let it."""
    keyed = [{"Key": f"model-{index}", **entry} for index, entry in enumerate(entries)]
    return {"KeyCount": len(keyed), "Contents": keyed}


def _images(manifest: str, said: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was drawn, and for each id that was asked for an image with the digest of its manifest."""
    text = SINGLE if asked["imageIds"][0].get("imageDigest") == OF_SINGLE else manifest
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    images = [{"imageId": {**one, "imageDigest": digest}, "imageManifest": text} for one in asked["imageIds"]]
    return said | {"images": [*said["images"], *images]}


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking whole accounts takes minutes; the pointer in the message says enough
    suppress_health_check=list(HealthCheck),
)
@given(script=scripts())
def test_every_conforming_answer_gives_facts_of_the_dictionary(script: Script) -> None:
    evidence = read(script)
    for pointer, fact in evidence.facts.items():
        kind = kind_of(pointer)
        assert kind is not None, pointer
        if not isinstance(fact, Present):
            continue
        written = list(fact.value) if isinstance(fact.value, tuple) else fact.value
        assert fact_from_json(pointer, {"state": "present", "value": written}) == Present(fact.value), pointer
        assert fact.value not in ("", "None"), f"{pointer} is empty, and nothing in the answers is"
        assert kind.type != "time" or TIME.fullmatch(str(fact.value)), pointer
    assert Evidence.from_json(evidence.to_json(), asserted=False) == evidence


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_conforms_fits_and_what_is_damaged_does_not(data: st.DataObject) -> None:
    service, operation = data.draw(st.sampled_from(OPERATIONS))
    answer = data.draw(answers(service, operation, FULL))
    shape = output(service, operation)
    assert misfit(shape, answer) == ""
    assume(answer)
    name = data.draw(st.sampled_from(sorted(answer)))
    assert misfit(shape, answer | {name: object()}).startswith(f"/{name} is no ")
    assert misfit(shape, answer | {name: None}).startswith(f"/{name} is no ")
    assert misfit(shape, answer | {"AMemberOfTomorrow": object()}) == ""

"""DescribeModelPackage: from the answer to the facts that need no further call. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.arn import PackageArn
from modelwarden.collect.describe import dig
from modelwarden.collect.image import uri_facts
from modelwarden.collect.record import redact
from modelwarden.collect.text import text_fact, time_fact, whole
from modelwarden.evidence import Absent, Fact, Present, Source
from modelwarden.facts import escape, kinds
from modelwarden.identity import who
from modelwarden.request import PRINCIPAL_FIELDS

_PLAIN: Final = {
    "/package/status": ("ModelPackageStatus",),
    "/package/registration_type": ("ModelPackageRegistrationType",),
    "/package/source_uri": ("SourceUri",),
    "/package/original_arn": ("CustomerMetadataProperties", "OriginalARN"),
    "/package/kms_key/id": ("SecurityConfig", "KmsKeyId"),
    "/approval/status": ("ModelApprovalStatus",),
    "/approval/description": ("ApprovalDescription",),
    "/life_cycle/stage": ("ModelLifeCycle", "Stage"),
    "/life_cycle/stage_status": ("ModelLifeCycle", "StageStatus"),
    "/metadata_properties/commit_id": ("MetadataProperties", "CommitId"),
    "/metadata_properties/repository": ("MetadataProperties", "Repository"),
    "/metadata_properties/generated_by": ("MetadataProperties", "GeneratedBy"),
    "/metadata_properties/project_id": ("MetadataProperties", "ProjectId"),
    "/explainability/uri": ("ModelMetrics", "Explainability", "Report", "S3Uri"),
    "/explainability/declared_digest": ("ModelMetrics", "Explainability", "Report", "ContentDigest"),
    "/evaluation/uri": ("ModelMetrics", "ModelQuality", "Statistics", "S3Uri"),
    "/evaluation/declared_digest": ("ModelMetrics", "ModelQuality", "Statistics", "ContentDigest"),
}
_BIAS: Final = ("Report", "PreTrainingReport", "PostTrainingReport")
_CONTAINER: Final = {
    "framework": ("Framework",),
    "framework_version": ("FrameworkVersion",),
    "base_model": ("BaseModel", "HubContentName"),
}


def unread(arn: PackageArn, fact: Fact) -> dict[str, Fact]:
    """Every fact of a package that could not be read; what its ARN says is known all the same."""
    facts = {pattern: fact for pattern in kinds() if "*" not in pattern and "{" not in pattern}
    facts = {pattern: value for pattern, value in facts.items() if not pattern.startswith(("/request/", "/reference/"))}
    return facts | arn.facts()


def described(arn: PackageArn, data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    """The facts of the answer itself."""
    facts = dict(arn.facts())
    for pointer, path in _PLAIN.items():
        facts[pointer] = text_fact(dig(data, *path), source)
    facts["/life_cycle/state"] = Present("set" if data.get("ModelLifeCycle") else "none", source)
    for name, key in (("created_at", "CreationTime"), ("modified_at", "LastModifiedTime")):
        facts[f"/package/{name}"] = time_fact(data.get(key), source)
    for name, key in (
        ("realtime", "SupportedRealtimeInferenceInstanceTypes"),
        ("transform", "SupportedTransformInstanceTypes"),
    ):
        types = dig(data, "InferenceSpecification", key) or []
        facts[f"/package/{name}_instance_types"] = Present(tuple(sorted({whole(one) for one in types})), source)
    return (
        facts
        | _creator(data, source)
        | _customer_metadata(data, source)
        | _containers(data, source)
        | _bias(data, source)
    )


def containers_of(data: Mapping[str, Any]) -> list[tuple[str | None, Mapping[str, Any]]]:
    """(specification, container) of the inference specification and of every additional one."""
    specifications = [("InferenceSpecification", data.get("InferenceSpecification"))]
    specifications += [(dig(one, "Name"), one) for one in data.get("AdditionalInferenceSpecifications") or ()]
    return [
        (name, container)
        for name, specification in specifications
        for container in dig(specification, "Containers") or ()
    ]


def bias_reports(data: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(kind, leaf) of each leaf of ModelMetrics.Bias that has an S3Uri: an empty object is no report."""
    leaves = [(kind, dig(data, "ModelMetrics", "Bias", kind)) for kind in _BIAS]
    return [(kind, leaf) for kind, leaf in leaves if dig(leaf, "S3Uri")]


def _creator(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    arn = dig(data, "CreatedBy", "IamIdentity", "Arn")
    if not arn:
        return {f"/creator/{name}": Absent(source) for name in PRINCIPAL_FIELDS}
    person = dig(data, "CreatedBy", "IamIdentity", "SourceIdentity")
    return who(whole(arn), source_identity=whole(person) if person else None).facts("/creator", source)


def _customer_metadata(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    given = data.get("CustomerMetadataProperties") or {}
    facts: dict[str, Fact] = {"/customer_metadata_keys": Present(tuple(sorted({whole(key) for key in given})), source)}
    return facts | {
        f"/customer_metadata/{escape(whole(key))}": Present(whole(value), source) for key, value in given.items()
    }


def _containers(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    found = containers_of(data)
    facts: dict[str, Fact] = {"/container_count": Present(len(found), source)}
    for index, (specification, container) in enumerate(found):
        head = f"/container/{index}"
        facts[f"{head}/specification"] = text_fact(specification, source)
        for name, path in _CONTAINER.items():
            facts[f"{head}/{name}"] = text_fact(dig(container, *path), source)
        environment = container.get("Environment") or {}
        facts[f"{head}/environment_keys"] = Present(tuple(sorted({whole(key) for key in environment})), source)
        facts[f"{head}/environment_sha256"] = Present(_environment(environment), source)
        facts |= uri_facts(f"{head}/image", container, source)
    return facts


def _environment(environment: Mapping[str, str]) -> str:
    """Over names and digests of values, so that a redacted recording has the same one."""
    pairs = sorted([whole(name), redact(value)] for name, value in environment.items())
    return "sha256:" + hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _bias(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    leaves = bias_reports(data)
    facts: dict[str, Fact] = {"/bias_report_count": Present(len(leaves), source)}
    for index, (kind, leaf) in enumerate(leaves):
        facts[f"/bias_report/{index}/kind"] = Present(kind, source)
        facts[f"/bias_report/{index}/uri"] = text_fact(leaf["S3Uri"], source)
        facts[f"/bias_report/{index}/declared_digest"] = text_fact(leaf.get("ContentDigest"), source)
    return facts

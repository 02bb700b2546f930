"""DescribeModelPackage: from the answer to the facts that need no further call. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.arn import PackageArn
from modelwarden.collect.image import time_text, uri_facts
from modelwarden.collect.record import redact
from modelwarden.collect.report import plain
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


def dig(data: Any, *path: str) -> Any:
    """The value below a path of keys; None where a step is missing or no object."""
    for name in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


def unread(arn: PackageArn, fact: Fact) -> dict[str, Fact]:
    """Every fact of a package that could not be read; what its ARN says is known all the same."""
    facts = {pattern: fact for pattern in kinds() if "*" not in pattern and "{" not in pattern}
    facts = {pattern: value for pattern, value in facts.items() if not pattern.startswith(("/request/", "/reference/"))}
    return facts | arn.facts()


def described(arn: PackageArn, data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    """The facts of the answer itself."""
    facts = dict(arn.facts())
    for pointer, path in _PLAIN.items():
        value = dig(data, *path)
        facts[pointer] = Present(plain(value), source) if isinstance(value, str) and value else Absent(source)
    facts["/life_cycle/state"] = Present("set" if data.get("ModelLifeCycle") else "none", source)
    for name, key in (("created_at", "CreationTime"), ("modified_at", "LastModifiedTime")):
        facts[f"/package/{name}"] = Present(time_text(data[key]), source) if data.get(key) else Absent(source)
    for name, key in (
        ("realtime", "SupportedRealtimeInferenceInstanceTypes"),
        ("transform", "SupportedTransformInstanceTypes"),
    ):
        types = dig(data, "InferenceSpecification", key) or []
        facts[f"/package/{name}_instance_types"] = Present(tuple(sorted({plain(str(one)) for one in types})), source)
    return (
        facts
        | _creator(data, source)
        | _customer_metadata(data, source)
        | _containers(data, source)
        | _bias(data, source)
    )


def containers_of(data: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(specification, container) of the inference specification and of every additional one."""
    specifications = [("InferenceSpecification", data.get("InferenceSpecification"))]
    specifications += [(str(dig(one, "Name")), one) for one in data.get("AdditionalInferenceSpecifications") or ()]
    return [
        (name, container)
        for name, specification in specifications
        for container in dig(specification, "Containers") or ()
        if isinstance(container, Mapping)
    ]


def bias_reports(data: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(kind, leaf) of each leaf of ModelMetrics.Bias that has an S3Uri: an empty object is no report."""
    leaves = [(kind, dig(data, "ModelMetrics", "Bias", kind)) for kind in _BIAS]
    return [(kind, leaf) for kind, leaf in leaves if isinstance(dig(leaf, "S3Uri"), str) and dig(leaf, "S3Uri")]


def _creator(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    arn = dig(data, "CreatedBy", "IamIdentity", "Arn")
    if not isinstance(arn, str):
        return {f"/creator/{name}": Absent(source) for name in PRINCIPAL_FIELDS}
    person = dig(data, "CreatedBy", "IamIdentity", "SourceIdentity")
    return who(plain(arn), source_identity=plain(person) if isinstance(person, str) else None).facts("/creator", source)


def _customer_metadata(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    given = data.get("CustomerMetadataProperties") or {}
    facts: dict[str, Fact] = {"/customer_metadata_keys": Present(tuple(sorted(map(plain, given))), source)}
    return facts | {
        f"/customer_metadata/{escape(plain(key))}": Present(plain(str(value)), source) for key, value in given.items()
    }


def _containers(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    found = containers_of(data)
    facts: dict[str, Fact] = {"/container_count": Present(len(found), source)}
    for index, (specification, container) in enumerate(found):
        head = f"/container/{index}"
        facts[f"{head}/specification"] = Present(plain(specification), source)
        for name, path in (
            ("framework", ("Framework",)),
            ("framework_version", ("FrameworkVersion",)),
            ("base_model", ("BaseModel", "HubContentName")),
        ):
            value = dig(container, *path)
            facts[f"{head}/{name}"] = (
                Present(plain(value), source) if isinstance(value, str) and value else Absent(source)
            )
        environment = container.get("Environment") or {}
        facts[f"{head}/environment_keys"] = Present(tuple(sorted(map(plain, environment))), source)
        facts[f"{head}/environment_sha256"] = Present(_environment(environment), source)
        facts |= uri_facts(f"{head}/image", container, source)
    return facts


def _environment(environment: Mapping[str, Any]) -> str:
    """Over names and digests of values, so that a redacted recording has the same one."""
    pairs = sorted([plain(str(name)), redact(value)] for name, value in environment.items())
    return "sha256:" + hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _bias(data: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    leaves = bias_reports(data)
    facts: dict[str, Fact] = {"/bias_report_count": Present(len(leaves), source)}
    for index, (kind, leaf) in enumerate(leaves):
        declared = leaf.get("ContentDigest")
        facts[f"/bias_report/{index}/kind"] = Present(kind, source)
        facts[f"/bias_report/{index}/uri"] = Present(plain(leaf["S3Uri"]), source)
        facts[f"/bias_report/{index}/declared_digest"] = (
            Present(plain(declared), source) if isinstance(declared, str) else Absent(source)
        )
    return facts

"""Builds one model package of the demo as a faultless one, for `defects` to damage."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelwarden.sandbox.demo import estate
from modelwarden.sandbox.demo.estate import Group

Json = dict[str, Any]

FILES = Path(__file__).parent / "files"
APPROVER = f"arn:aws:sts::{estate.HUB}:assumed-role/AWSReservedSSO_ModelApprover_8f2c0d1e4b6a7c35/grace.kim@example.com"
TRAINER_ROLE = "ModelTraining"
_EPOCH = datetime(2026, 8, 3, 7, 30, tzinfo=UTC)
_ARTIFACT_SIZE = 48_213


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def report_text(model: str, kind: str) -> str:
    """One of the checked-in reports; kind is bias, evaluation or explanations."""
    return (FILES / "reports" / f"{model}.{kind}.json").read_text(encoding="utf-8")


def has_report(model: str, kind: str) -> bool:
    return (FILES / "reports" / f"{model}.{kind}.json").exists()


_CARD_MODEL = {"campaign": "churn-tree", "documents": "claims"}
"""card -> model whose reports it goes with, where the names differ"""


@dataclass(slots=True)
class Draft:
    """A package in the making: everything about it that the scenario states, in one place."""

    group: Group
    version: int
    model: str
    """name of the card; its reports are those of the same model unless `_CARD_MODEL` says otherwise"""
    describe: Json = field(default_factory=dict)
    card: Json | None = None
    objects: list[Json] = field(default_factory=list)
    job: Json = field(default_factory=dict)
    trail: list[Json] = field(default_factory=list)
    standalone: list[Json] = field(default_factory=list)
    tags: Json = field(default_factory=dict)
    principal: str = APPROVER

    @property
    def arn(self) -> str:
        return str(self.describe["ModelPackageArn"])

    @property
    def prefix(self) -> str:
        return f"{self.group.name}/{self.version:03d}"

    @property
    def bucket(self) -> str:
        return estate.bucket(self.group.account, self.group.region)

    @property
    def container(self) -> Json:
        """The first container, which every package has."""
        first: Json = self.describe["InferenceSpecification"]["Containers"][0]
        return first

    def object(self, suffix: str) -> Json:
        """The object of this package whose key ends in `suffix`."""
        return next(entry for entry in self.objects if entry["key"].endswith(suffix))

    def image(self, tag: str, name: str = "ml/scoring") -> Json:
        """`Image` and `ImageDigest` of a tag in the shared registry."""
        where = f"{estate.ECR}/{self.group.region}/{name}:{tag}"
        return {
            "Image": f"{estate.host(estate.ECR, self.group.region)}/{name}:{tag}",
            "ImageDigest": f"@digest:{where}",
        }

    def put(self, name: str, **content: Any) -> str:
        """Add an object below the package's prefix, encrypted with the cell's key; its S3 URI."""
        entry = {
            "bucket": self.bucket,
            "key": f"{self.prefix}/{name}",
            **content,
            "sse": "aws:kms",
            "key_arn": estate.key_arn(self.group.account, self.group.region),
            "modified": iso(self.created - timedelta(minutes=20)),
        }
        self.objects.append(entry)
        return f"s3://{self.bucket}/{entry['key']}"

    @property
    def created(self) -> datetime:
        """Registration time: versions of a group follow each other by nine days, groups are an hour apart."""
        hour = [entry.name for entry in estate.GROUPS].index(self.group.name)
        return _EPOCH + timedelta(days=4 * self.version, hours=hour)


def _creator(group: Group, version: int) -> Json:
    """In turn a pipeline's role, a person by SourceIdentity and a person by IAM Identity Center."""
    base = f"arn:aws:sts::{group.account}:assumed-role"
    people = ("lena.ortiz@example.com", "amir.haddad@example.com", "yuki.tanaka@example.com")
    person = people[version % len(people)]
    role_id = "AROA" + hashlib.sha256(group.account.encode()).hexdigest()[:17].upper()
    kind = version % 3
    if kind == 1:
        return {"IamIdentity": {"Arn": f"{base}/PipelineExecution/SageMaker", "PrincipalId": f"{role_id}:SageMaker"}}
    if kind == 2:
        identity = {"Arn": f"{base}/MlEngineer/studio", "PrincipalId": f"{role_id}:studio", "SourceIdentity": person}
        domain = "d-" + role_id[4:16].lower()
        profile = person.partition("@")[0].replace(".", "-")
        return {
            "UserProfileArn": f"arn:aws:sagemaker:{group.region}:{group.account}:user-profile/{domain}/{profile}",
            "UserProfileName": profile,
            "DomainId": domain,
            "IamIdentity": identity,
        }
    session = f"{base}/AWSReservedSSO_DataScientist_3b9f1c7d5e2a4068/{person}"
    return {"IamIdentity": {"Arn": session, "PrincipalId": f"{role_id}:{person}"}}


def _leaf(uri: str) -> Json:
    return {"ContentType": "application/json", "S3Uri": uri}


def _metrics(draft: Draft) -> Json:
    """The package's ModelMetrics, with the objects behind it."""
    model = _CARD_MODEL.get(draft.model, draft.model)
    evaluation = draft.put("evaluation/evaluation.json", file=f"files/reports/{model}.evaluation.json")
    digest = hashlib.sha256(report_text(model, "evaluation").encode()).hexdigest()
    metrics: Json = {"ModelQuality": {"Statistics": {**_leaf(evaluation), "ContentDigest": f"sha256:{digest}"}}}
    metrics["Bias"] = {}
    metrics["Explainability"] = {}
    if has_report(model, "bias"):
        metrics["Bias"]["Report"] = _leaf(
            draft.put("clarify/bias/analysis.json", file=f"files/reports/{model}.bias.json")
        )
    if has_report(model, "explanations") and draft.group.rating == "High":
        metrics["Explainability"]["Report"] = _leaf(
            draft.put("clarify/explainability/analysis.json", file=f"files/reports/{model}.explanations.json")
        )
    return metrics


def _job(draft: Draft) -> Json:
    """The training job, as DescribeTrainingJob answers."""
    group, name = draft.group, f"{draft.group.name}-{draft.version:03d}-train"
    done = draft.created - timedelta(hours=2)
    return {
        "arn": f"arn:aws:sagemaker:{group.region}:{group.account}:training-job/{name}",
        "TrainingJobName": name,
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "RoleArn": f"arn:aws:iam::{group.account}:role/{TRAINER_ROLE}",
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://{draft.bucket}/{draft.prefix}/model.tar.gz"},
        "AlgorithmSpecification": {"TrainingImage": draft.image("4.2")["Image"], "TrainingInputMode": "File"},
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{draft.bucket}/{draft.prefix}/",
            "KmsKeyId": estate.key_arn(group.account, group.region),
        },
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CreationTime": iso(done - timedelta(minutes=31)),
        "TrainingStartTime": iso(done - timedelta(minutes=28)),
        "TrainingEndTime": iso(done),
        "LastModifiedTime": iso(done),
    }


def _card(draft: Draft) -> Json:
    """The SDK's card with this version's own values in place of the `@name@` marks."""
    text = (FILES / "cards" / f"{draft.model}.json").read_text(encoding="utf-8")
    values = {
        "artifact": f"s3://{draft.bucket}/{draft.prefix}/model.tar.gz",
        "training_arn": draft.job["arn"],
        "training_data": f"s3://{draft.bucket}/{draft.group.name}/data/train/{draft.version:03d}/",
        "evaluation_data": f"s3://{draft.bucket}/{draft.group.name}/data/test/{draft.version:03d}/",
        "image": draft.image("4.2")["Image"],
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    content: Json = json.loads(text)
    return content


def _describe(draft: Draft) -> Json:
    group, version = draft.group, draft.version
    cell = f"{group.region}:{group.account}"
    commit = hashlib.sha256(f"{group.name}/{version}".encode()).hexdigest()[:40]
    return {
        "ModelPackageName": f"{group.name}/{version}",
        "ModelPackageGroupName": group.name,
        "ModelPackageVersion": version,
        "ModelPackageRegistrationType": "Registered",
        "ModelPackageArn": f"arn:aws:sagemaker:{cell}:model-package/{group.name}/{version}",
        "ModelPackageDescription": f"{group.name}, version {version} (synthetic)",
        "CreationTime": iso(draft.created),
        "LastModifiedTime": iso(draft.created + timedelta(hours=1)),
        "CreatedBy": _creator(group, version),
        "LastModifiedBy": _creator(group, version),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "InferenceSpecification": {
            "Containers": [
                {
                    **draft.image("4.2"),
                    "ModelDataUrl": draft.put("model.tar.gz", size=_ARTIFACT_SIZE + version),
                    "Framework": "SKLEARN",
                    "FrameworkVersion": "1.9",
                    "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
                }
            ],
            "SupportedTransformInstanceTypes": ["ml.m5.xlarge"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large", "ml.m5.xlarge"],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "CertifyForMarketplace": False,
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelMetrics": _metrics(draft),
        "MetadataProperties": {
            "CommitId": commit,
            "Repository": f"https://git.example.com/{group.team if group.team.isascii() and ' ' not in group.team else 'ml'}/{group.name}",
            "GeneratedBy": f"arn:aws:sagemaker:{cell}:pipeline/{group.name}/execution/{commit[:12]}",
            "ProjectId": "p-" + commit[12:24],
        },
        "CustomerMetadataProperties": {"data": "synthetic"},
        "SecurityConfig": {"KmsKeyId": estate.key_arn(group.account, group.region)},
        "SkipModelValidation": "None",
        "ModelLifeCycle": {"Stage": "Staging", "StageStatus": "PendingApproval"},
    }


def draft(group_name: str, version: int, model: str | None = None) -> Draft:
    """A package without any defect."""
    group = estate.group(group_name)
    made = Draft(group, version, model or group.model)
    made.describe = _describe(made)
    made.job = _job(made)
    made.card = _card(made)
    return made


def finish(made: Draft) -> Json:
    """The DescribeModelPackage response; a card that is still in parts is serialised into it."""
    describe = dict(made.describe)
    if made.card is not None:
        content = json.dumps(made.card, ensure_ascii=False, separators=(",", ":"))
        describe["ModelCard"] = {
            "ModelCardContent": content,
            **describe.get("ModelCard", {"ModelCardStatus": "Approved"}),
        }
    return describe

"""A fleet as a scenario of the sandbox, the settings that judge it, and the sandbox that serves it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet import REGIONS, Fleet

from modelwarden.catalog import load_bundle

MANAGEMENT = "100000000000"
REPOSITORY = "ml/scoring"
SOURCE = f"{MANAGEMENT}.dkr.ecr.eu-west-1.amazonaws.com/{REPOSITORY}"
SHARED = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sagemaker:Describe*", "Resource": "*"}]}


def key_of(account: str, region: str) -> str:
    return f"arn:aws:kms:{region}:{account}:key/00000000-0000-4000-8000-{account}"


def card(name: str, artifact: str, job: str) -> str:
    """Complete enough for a medium risk."""
    metric = {"name": "auc", "type": "number", "value": 0.94}
    evaluation = {
        "name": "held-out data",
        "evaluation_observation": "Measured on applications of the quarter that follows the training period.",
        "datasets": [f"s3://datasets/{name}/test/"],
        "metric_groups": [{"name": "binary_classification_metrics", "metric_data": [metric]}],
    }
    text = {
        "model_overview": {
            "model_description": "Scores the probability that a consumer loan is repaid on schedule.",
            "problem_type": "Binary Classification",
            "algorithm_type": "Logistic regression",
            "model_creator": "Consumer credit modelling, Example Bank",
            "model_owner": "Head of consumer lending, Example Bank",
            "model_artifact": [artifact],
        },
        "intended_uses": {
            "purpose_of_model": "Ranks applications for consumer loans by the probability of repayment.",
            "intended_uses": "Decision support in retail branches; an underwriter confirms every refusal.",
            "factors_affecting_model_efficiency": "Thin credit files and irregular incomes lower the accuracy.",
            "risk_rating": "Medium",
            "explanations_for_risk_rating": "A person confirms each decision, and nobody is refused by the model alone.",
        },
        "business_details": {
            "business_problem": "Losses on unsecured loans grew while manual scoring took four days.",
            "business_stakeholders": "Underwriters, branch managers and the applicants themselves.",
            "line_of_business": "Retail lending: unsecured consumer loans.",
        },
        "training_details": {
            "training_job_details": {"training_arn": job, "training_datasets": [f"s3://datasets/{name}/train/"]}
        },
        "evaluation_details": [evaluation],
        "additional_information": {"ethical_considerations": "Disparity is measured on every release and reviewed."},
    }
    return json.dumps(text)


def packages_of(fleet: Fleet, account: str, region: str, digest: str, start: datetime) -> Iterator[dict[str, Any]]:
    """Each package of a cell with everything that belongs to it: `package`, `object`, `job`, and `event` if approved."""
    for group, version in fleet.keys:
        name, approved = f"model-{group:04d}", version in fleet.approved(group)
        created = (start + timedelta(minutes=10 * group + version)).isoformat()
        arn = f"arn:aws:sagemaker:{region}:{account}:model-package/{name}/{version}"
        job = f"arn:aws:sagemaker:{region}:{account}:training-job/{name}-{version}"
        bucket, key = f"models-{account}-{region}", f"{name}/{version}/model.tar.gz"
        by = {"IamIdentity": {"Arn": f"arn:aws:sts::{account}:assumed-role/Pipeline/run-{group}", "PrincipalId": "A:r"}}
        container = {"Image": f"{SOURCE}@{digest}", "ImageDigest": digest, "ModelDataUrl": f"s3://{bucket}/{key}"}
        yield {
            "package": {
                "ModelPackageArn": arn,
                "ModelPackageGroupName": name,
                "ModelPackageVersion": version,
                "CreationTime": created,
                "LastModifiedTime": created,
                "CreatedBy": by,
                "InferenceSpecification": {"Containers": [container], "SupportedContentTypes": ["text/csv"]},
                "ModelApprovalStatus": "Approved" if approved else "PendingManualApproval",
                "SecurityConfig": {"KmsKeyId": key_of(account, region)},
                "ModelLifeCycle": {"Stage": "Production", "StageStatus": "Approved" if approved else "PendingApproval"},
                "ModelCard": {
                    "ModelCardContent": card(name, f"s3://{bucket}/{key}", job),
                    "ModelCardStatus": "Approved",
                },
            },
            "object": {"bucket": bucket, "key": key, "size": 48214, "modified": created},
            "job": {
                "arn": job,
                "TrainingJobStatus": "Completed",
                "RoleArn": f"arn:aws:iam::{account}:role/ModelTraining",
            },
            "event": approved and event(arn, account, region, start + timedelta(days=1, minutes=10 * group + version)),
        }


def event(arn: str, account: str, region: str, at: datetime) -> dict[str, Any]:
    """The approval of a package, as CloudTrail shows it."""
    return {
        "eventVersion": "1.09",
        "eventID": arn,
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": "UpdateModelPackage",
        "awsRegion": region,
        "recipientAccountId": account,
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{account}:assumed-role/Approver/grace@example.com",
            "accountId": account,
            "principalId": "AROA:grace@example.com",
        },
        "requestParameters": {"modelPackageArn": arn, "modelApprovalStatus": "Approved"},
        "responseElements": {"modelPackageArn": arn},
        "resources": [{"ARN": arn, "accountId": account}],
        "readOnly": False,
    }


def image() -> dict[str, Any]:
    layers = [{"digest": f"sha256:{number:064x}", "size": 10_263} for number in range(1, 9)]
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "a" * 64]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 299,
            "digest": "sha256:" + "c" * 64,
        },
        "layers": [{"mediaType": kind, **layer} for layer in layers],
    }
    return {"tags": ["4.2"], "manifest": manifest, "config": config}


def write_scenario(fleet: Fleet, folder: Path) -> None:
    """`scenario.json` for the sandbox. Times count from now, so that the trail still knows who approved."""
    start = (datetime.now(UTC) - timedelta(days=20)).replace(microsecond=0)
    digest = f"@digest:{MANAGEMENT}/eu-west-1/{REPOSITORY}:4.2"
    lists: dict[str, list[Any]] = {
        name: [] for name in ("keys", "buckets", "objects", "groups", "training_jobs", "trail", "packages")
    }
    for account, region in fleet.cells:
        place, key = {"account": account, "region": region}, key_of(account, region)
        lists["keys"].append({**place, "id": key.rpartition("/")[2], "manager": "CUSTOMER", "rotation": True})
        lists["buckets"].append(
            {**place, "name": f"models-{account}-{region}", "versioning": True, "sse": "aws:kms", "key": key}
        )
        tags = {"owner": "lending", "cost-center": "cc-4444"}
        policy = {"policy": SHARED} if fleet.shared and account == fleet.ids[0] else {}
        lists["groups"] += [
            {**place, **policy, "name": f"model-{one:04d}", "tags": tags} for one in range(fleet.groups)
        ]
        for made in packages_of(fleet, account, region, digest, start):
            lists["packages"].append({"describe": made["package"]})
            lists["objects"].append(made["object"])
            lists["training_jobs"].append(made["job"])
            lists["trail"] += [{**place, "event": made["event"]}] if made["event"] else []
    accounts = [{"id": MANAGEMENT, "name": "management"}, *({"id": id_, "name": f"ml-{id_}"} for id_ in fleet.ids)]
    scenario = {
        "schema": "modelwarden.scenario/1",
        "name": "benchmark",
        "organization": {"id": "o-benchmark0", "management": MANAGEMENT, "accounts": accounts},
        "repositories": [
            {
                "account": MANAGEMENT,
                "region": "eu-west-1",
                "name": REPOSITORY,
                "mutability": "IMMUTABLE",
                "images": [image()],
            }
        ],
        **lists,
    }
    (folder / "scenario.json").write_text(json.dumps(scenario))


def write_settings(fleet: Fleet, file: Path, *, judging: bool) -> None:
    keys = [key_of(*cell) for cell in fleet.cells]
    off = '{ Development = "off", Staging = "off", Production = "off" }'
    lines = [
        "[parameters]",
        f"approved_image_sources = {json.dumps([SOURCE])}",
        f"approved_base_images = {json.dumps([f'{SOURCE}:4.2'])}" if judging else "",
        f"approved_kms_keys = {json.dumps(keys)}" if len(keys) <= 1_000 else "",
        'required_tags = ["owner", "cost-center"]',
        "protected_attributes = []",
        "[stages]",
        'Production = "Production"',
        "[collect]",
        'role = "ModelwardenReader"',
        "[scan]",
        f"regions = {json.dumps(REGIONS[: fleet.regions])}",
        f'exclude_accounts = ["{MANAGEMENT}"]',
        f'hub = "{fleet.ids[0]}"' if fleet.shared else "",
        "[enforcement]",
        *([] if judging else [f"{id_} = {off}" for id_ in load_bundle().controls]),
    ]
    text = "\n".join(lines) + "\n"
    tomllib.loads(text)
    file.write_text(text)


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which AWS is the organization of the scenario in the folder."""
    command = [program(), "sandbox", "up", "--scenario", str(folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
        for line in server.stdout or ():
            if line.startswith("# "):
                break
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                own[name] = value
        if "AWS_ENDPOINT_URL" not in own:
            raise SystemExit("the sandbox did not start")
        yield own
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def program() -> str:
    return str(Path(sys.executable).with_name("modelwarden"))


def stats(environment: dict[str, str], method: str = "GET") -> dict[str, int]:
    request = urllib.request.Request(f"{environment['AWS_ENDPOINT_URL']}/_sandbox/stats", method=method)
    with urllib.request.urlopen(request) as response:
        told = json.loads(response.read())
    return dict(told.get("operations", {}))

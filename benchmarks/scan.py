#!/usr/bin/env python3
"""Memory, API calls and CPU of `modelwarden scan` over a synthetic organization, against what the design allows.

The organization is served by `modelwarden sandbox up`, a process of its own that counts the calls. Calls are compared
with the budget of exactly this organization, CPU a call with a bare boto3 program that makes the same calls from as many
threads over one session, and, with `--compare`, memory with that of a fleet ten times smaller.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelwarden.catalog import load_bundle
from modelwarden.sandbox.identity import SECRET, access_key
from modelwarden.scan.collecting import PACKAGES_AT_ONCE
from modelwarden.scan.executor import ACCOUNTS_AT_ONCE

MANAGEMENT = "100000000000"
REGIONS = ("eu-west-1", "us-east-1", "eu-central-1", "us-west-2", "ap-southeast-2", "eu-north-1")
VERSIONS = 5
"""Of one group."""
REPOSITORY = "ml/scoring"
SOURCE = f"{MANAGEMENT}.dkr.ecr.eu-west-1.amazonaws.com/{REPOSITORY}"
SHARED = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sagemaker:Describe*", "Resource": "*"}]}
TARGETS = {"calls/budget": 1.10, "calls/budget, next night": 1.10, "CPU a call": 1.5, "memory": 1.3}

WRAPPER = """
import json, pathlib, resource, subprocess, sys, threading, time
def tree(pid):
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(one for child in children for one in tree(int(child)))]
def mib(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
began, peak = time.perf_counter(), 0
with open(sys.argv[1] + ".out", "wb") as out, open(sys.argv[1] + ".err", "wb") as err:
    process = subprocess.Popen(sys.argv[2:], stdout=out, stderr=err)
    while process.poll() is None:
        peak = max(peak, sum(map(mib, tree(process.pid))))
        time.sleep(0.25)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
told = {"code": process.returncode, "wall": time.perf_counter() - began, "cpu": used.ru_utime + used.ru_stime, "mib": peak}
told |= {"out": open(sys.argv[1] + ".out").read(), "err": open(sys.argv[1] + ".err").read()[-2000:]}
open(sys.argv[1], "w").write(json.dumps(told))
"""
"""Measures a command and the processes that it starts: peak memory is the sum of what they have for themselves and of
their share of what they have together."""

BARE = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import boto3, botocore.config
cells, arns, accounts_at_once, packages_at_once = json.load(open(sys.argv[1]))
session = boto3.Session()
config = botocore.config.Config(max_pool_connections=packages_at_once)
def account(item):
    account, regions = item
    role = f"arn:aws:iam::{account}:role/ModelwardenReader"
    told = session.client("sts").assume_role(RoleArn=role, RoleSessionName="bare")["Credentials"]
    own = {"aws_access_key_id": told["AccessKeyId"], "aws_secret_access_key": told["SecretAccessKey"],
           "aws_session_token": told["SessionToken"], "config": config}
    return 1 + sum(cell(account, region, own) for region in regions)
def cell(account, region, own):
    with lock:
        client, s3 = (session.client(name, region_name=region, **own) for name in ("sagemaker", "s3"))
    client.list_endpoints(MaxResults=100)
    client.list_model_cards(MaxResults=100)
    client.search(Resource="ModelPackage", MaxResults=100)
    pages = [*client.get_paginator("list_model_packages").paginate(ModelPackageType="Both", PaginationConfig={"PageSize": 100})]
    names = [arn.format(account=account, region=region) for arn in arns]
    with ThreadPoolExecutor(packages_at_once) as pool:
        list(pool.map(lambda arn: package(client, s3, arn), names))
    return 3 + len(pages) + 2 * len(names)
def package(client, s3, arn):
    told = client.describe_model_package(ModelPackageName=arn)
    url = told["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    bucket, _, key = url.removeprefix("s3://").partition("/")
    s3.head_object(Bucket=bucket, Key=key)
import threading
lock = threading.Lock()
session.client("sts").get_caller_identity()
began = time.process_time()
with ThreadPoolExecutor(accounts_at_once) as pool:
    calls = sum(pool.map(account, cells))
print(json.dumps([(time.process_time() - began) / calls, calls]))
"""
"""The calls of a scan without controls by somebody who only makes them: one session, whose clients are made one at a
time since that is no matter for threads, and as many threads."""


@dataclass(frozen=True)
class Fleet:
    """An organization of this size; each account has a cell in each region, and all cells hold the same."""

    accounts: int
    regions: int
    packages: int
    """Of a cell."""
    shared: bool = False
    """Whether the first account is the hub, and shares its groups with all others."""

    def __str__(self) -> str:
        hub = ", one a hub" if self.shared else ""
        return f"{self.accounts} accounts x {self.regions} regions x {self.packages} packages{hub}"

    @property
    def ids(self) -> list[str]:
        return [f"2{number:011d}" for number in range(self.accounts)]

    @property
    def cells(self) -> list[tuple[str, str]]:
        return [(account, region) for account in self.ids for region in REGIONS[: self.regions]]

    @property
    def groups(self) -> int:
        return math.ceil(self.packages / VERSIONS)

    def versions(self, group: int) -> int:
        return min(VERSIONS, self.packages - group * VERSIONS)

    @property
    def keys(self) -> list[tuple[int, int]]:
        """(group, version) of the packages of each cell."""
        return [(group, one) for group in range(self.groups) for one in range(1, self.versions(group) + 1)]

    def approved(self, group: int) -> list[int]:
        """One or two versions behind the newest, which is pending."""
        newest = self.versions(group)
        return [one for one in (newest - 1, newest - 2)[: 1 + group % 2] if one > 0]

    @property
    def judged(self) -> list[tuple[int, int]]:
        """(group, version) of the packages of each cell that are judged."""
        return [
            (group, version)
            for group in range(self.groups)
            for version in (*self.approved(group), self.versions(group))
        ]

    def budget(self, *, judging: bool) -> dict[str, int]:
        """Calls that this organization takes: what is shared once, what is an account's, a cell's, a package's.

        Without controls only the description, the artifact and the image are read, on which approvals rest.
        """
        cells, approved = len(self.cells), sum(len(self.approved(group)) for group in range(self.groups))
        judged = cells * (approved + self.groups)
        budget = {
            "sts:GetCallerIdentity": 1,
            "organizations:ListAccounts": math.ceil((self.accounts + 1) / 20),
            "organizations:ListRoots": 1,
            "organizations:ListOrganizationalUnitsForParent": 1,
            "organizations:ListAccountsForParent": math.ceil((self.accounts + 1) / 20),
            "sts:AssumeRole": self.accounts,
            "sagemaker:ListModelPackages": cells * math.ceil(self.packages / 100),
            "sagemaker:Search": cells,
            "sagemaker:ListEndpoints": cells,
            "sagemaker:ListModelCards": cells,
            "sagemaker:DescribeModelPackage": judged,
            "s3:HeadObject": judged,
            "ecr:BatchGetImage": 1,
        }
        if self.shared:
            # The hub sees nothing of others, which takes a call, too.
            budget["sagemaker:ListModelPackageGroups"] = self.regions + (cells - self.regions) * math.ceil(
                self.groups / 100
            )
        if judging:
            budget |= {
                "kms:DescribeKey": cells,
                "kms:GetKeyRotationStatus": cells,
                "cloudtrail:LookupEvents": cells * math.ceil(approved / 50),
                "sagemaker:ListTags": cells * self.groups,
                "sagemaker:DescribeTrainingJob": judged,
                "ecr:BatchGetImage": 2,  # the packages' image by digest, the base image by tag
                "ecr:DescribeRepositories": 1,
                "ecr:GetDownloadUrlForLayer": 1,
                "ecr:DownloadLayer": 1,
            }
        return budget

    def night(self, changed: int) -> dict[str, int]:
        """The same for a scan that builds on an earlier one, after which `changed` packages changed, each the newest of
        its group: only those are read, and what packages share is looked up anew."""
        full, cells = self.budget(judging=True), len(self.cells)
        kept = ("sts:", "organizations:", "ecr:", "kms:", "sagemaker:ListModelPackageGroups")
        return {name: count for name, count in full.items() if name.startswith(kept)} | {
            "sagemaker:Search": cells * math.ceil(self.packages / 100),
            "sagemaker:ListEndpoints": cells,
            "sagemaker:ListModelCards": cells,
            **dict.fromkeys(
                (
                    "sagemaker:DescribeModelPackage",
                    "s3:HeadObject",
                    "sagemaker:ListTags",
                    "sagemaker:DescribeTrainingJob",
                ),
                changed,
            ),
        }

    def changing(self, share: float) -> list[tuple[str, str, int]]:
        """(account, region, group) of the packages that change: so many of all, spread over cells and groups."""
        count = math.ceil(share * len(self.cells) * self.packages)
        return [(*self.cells[one % len(self.cells)], one // len(self.cells)) for one in range(count)]


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


def measured(command: list[str], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Exit code, wall and CPU seconds, peak memory and output of a command."""
    answer = folder / "measured.json"
    subprocess.run([sys.executable, "-c", WRAPPER, str(answer), *command], env=environment, cwd=folder, check=True)
    told: dict[str, Any] = json.loads(answer.read_text())
    return told


def change(fleet: Fleet, environment: dict[str, str], share: float) -> int:
    """Change packages through the API; how many."""
    import boto3

    session, changing = boto3.Session(), fleet.changing(share)
    for account, region, group in changing:
        client = session.client(
            "sagemaker",
            region_name=region,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=access_key(account),
            aws_secret_access_key=SECRET,
        )
        arn = f"arn:aws:sagemaker:{region}:{account}:model-package/model-{group:04d}/{fleet.versions(group)}"
        client.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"note": "changed"})
    return len(changing)


def scan(
    fleet: Fleet, folder: Path, environment: dict[str, str], *, judging: bool, since: Sequence[str] = ()
) -> dict[str, Any]:
    """One scan: what it used, `calls` by operation, `manifest`, and `cpu_call` in seconds with the start left out."""
    settings = folder / ("judging.toml" if judging else "collecting.toml")
    write_settings(fleet, settings, judging=judging)
    command = [program(), "scan", "--config", str(settings), "--runs", str(folder / f"runs-{settings.stem}")]
    start = measured([*command, "--dry-run"], folder, environment)
    stats(environment, "DELETE")
    told = measured([*command, "--format", "json", *since], folder, environment)
    if told["code"] not in (0, 1, 3) or not told["out"]:
        raise SystemExit(f"the scan ended with {told['code']}: {told['err']}")
    calls = stats(environment)
    return {
        **told,
        "start": start["cpu"],
        "calls": calls,
        "manifest": json.loads(told["out"]),
        "cpu_call": (told["cpu"] - start["cpu"]) / sum(calls.values()),
    }


def bare(fleet: Fleet, folder: Path, environment: dict[str, str]) -> tuple[float, int]:
    """(CPU seconds of one call, calls) of a program that makes the calls of a scan without controls and nothing else."""
    asked = [[account, list(REGIONS[: fleet.regions])] for account in fleet.ids]
    arns = [
        f"arn:aws:sagemaker:{{region}}:{{account}}:model-package/model-{group:04d}/{version}"
        for group, version in fleet.judged
    ]
    (folder / "asked.json").write_text(json.dumps([asked, arns, ACCOUNTS_AT_ONCE, PACKAGES_AT_ONCE]))
    told = measured([sys.executable, "-c", BARE, str(folder / "asked.json")], folder, environment)
    if told["code"] != 0:
        raise SystemExit(told["err"])
    cpu, calls = json.loads(told["out"])
    return float(cpu), int(calls)


def show(title: str, told: dict[str, Any], budget: dict[str, int]) -> float:
    """Print one scan; calls/budget."""
    total, planned = sum(told["calls"].values()), sum(budget.values())
    packages, cells = told["manifest"]["packages"], told["manifest"]["coverage"]
    print(f"\n{title}: {json.dumps(packages)}, verdicts {json.dumps(told['manifest']['verdicts'])}")
    print(f"  cells {cells['read']} of {cells['expected']} read, exit code {told['code']}")
    print(
        f"  wall {told['wall']:.1f} s, CPU {told['cpu']:.1f} s of which {told['start']:.1f} s start,"
        f" {told['cpu_call'] * 1e3:.2f} ms a call, peak {told['mib']:.0f} MiB"
    )
    for operation in sorted({*told["calls"], *budget}):
        made, allowed = told["calls"].get(operation, 0), budget.get(operation, 0)
        print(f"    {operation:34} {made:8} of {allowed:8}{'' if made == allowed else '  <-'}")
    failed = {
        id_: one["fail"] + one.get("unknown", 0) for id_, one in told["manifest"]["controls"].items() if "fail" in one
    }
    print(f"  failed or unknown: {json.dumps(failed)}")
    print(f"  calls {total}, budget {planned}, ratio {total / planned:.3f}")
    return total / planned


def run(fleet: Fleet, *, floor: bool, share: float) -> tuple[float, dict[str, float]]:
    """Peak MiB of the scan with all controls, and the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenario(fleet, folder)
        began = time.perf_counter()
        with sandbox(folder) as environment:
            print(
                f"{fleet}: {len(fleet.cells) * fleet.packages} packages, sandbox up after {time.perf_counter() - began:.0f} s"
            )
            judging = scan(fleet, folder, environment, judging=True)
            ratios = {"calls/budget": show("all controls", judging, fleet.budget(judging=True))}
            if share:
                changed = change(fleet, environment, share)
                night = scan(fleet, folder, environment, judging=True, since=("--since", "last"))
                title = f"the next night, {changed} packages changed, {night['manifest']['carried']} carried over"
                ratios["calls/budget, next night"] = show(title, night, fleet.night(changed))
            if floor:
                collecting = scan(fleet, folder, environment, judging=False)
                show("controls off", collecting, fleet.budget(judging=False))
                least, calls = bare(fleet, folder, environment)
                ratios["CPU a call"] = collecting["cpu_call"] / least
                print(f"\nbare boto3, {calls} calls: {least * 1e3:.2f} ms CPU a call")
    return judging["mib"], ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--regions", type=int, default=2, choices=range(1, len(REGIONS) + 1))
    parser.add_argument("--packages", type=int, default=50, help="in each account and region")
    parser.add_argument(
        "--compare", action="store_true", help="with the memory of a smaller fleet; exit 1 above a target"
    )
    parser.add_argument("--no-floor", action="store_true", help="no second scan without controls, no bare loop")
    parser.add_argument("--hub", action="store_true", help="one account is the hub, whose groups all others see")
    parser.add_argument("--night", type=float, default=0.01, help="share of packages that change before the next scan")
    arguments = parser.parse_args()
    fleet = Fleet(arguments.accounts, arguments.regions, arguments.packages, arguments.hub)
    small = 0.0
    if arguments.compare:
        # As many accounts as are read at once are the least that shows what a scan holds at any time.
        fewer = Fleet(max(ACCOUNTS_AT_ONCE, fleet.accounts // 10), fleet.regions, fleet.packages, fleet.shared)
        small, _ = run(fewer, floor=False, share=0)
        print()
    peak, ratios = run(fleet, floor=not arguments.no_floor, share=arguments.night)
    if small:
        ratios["memory"] = peak / small
        print(f"peak {peak:.0f} MiB against {small:.0f} MiB with {fewer.accounts} accounts")
    print()
    for what, ratio in ratios.items():
        print(f"{what}: ratio {ratio:.2f} (target <= {TARGETS[what]})")
    if arguments.compare and any(ratio > TARGETS[what] for what, ratio in ratios.items()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

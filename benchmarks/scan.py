#!/usr/bin/env python3
"""Memory, API calls and CPU of `modelwarden scan` over a synthetic organization, against what the design allows.

The organization is served by `modelwarden sandbox up`, a process of its own that counts the calls. Calls are compared
with the budget of exactly this organization, CPU a call with a bare boto3 program that makes the same calls from as many
threads over one session, and, with `--compare`, memory with that of a fleet ten times smaller.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fleet import REGIONS, Fleet
from measuring import measured
from organization import program, sandbox, stats, write_scenario, write_settings

from modelwarden.sandbox.identity import SECRET, access_key
from modelwarden.scan.collecting import PACKAGES_AT_ONCE
from modelwarden.scan.executor import ACCOUNTS_AT_ONCE

TARGETS = {"calls/budget": 1.10, "calls/budget, next night": 1.10, "CPU a call": 1.5, "memory": 1.3}

BARE = """
import json, sys, threading, time
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
lock = threading.Lock()
session.client("sts").get_caller_identity()
began = time.process_time()
with ThreadPoolExecutor(accounts_at_once) as pool:
    calls = sum(pool.map(account, cells))
print(json.dumps([(time.process_time() - began) / calls, calls]))
"""
"""The calls of a scan without controls by somebody who only makes them: one session, whose clients are made one at a
time since that is no matter for threads, and as many threads."""


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

"""Probe of what only the scan asks: accounts and regions, lists, endpoints and cards. Read-only.

As in `probe`, names that do not exist tell a missing permission from a granted one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelwarden.checkup import NOT_PROBED, OK, Probed, ScanPermission
from modelwarden.collect import Collector
from modelwarden.collect.aws import OWN, Answer, Failure
from modelwarden.estate import Scan
from modelwarden.permission import SCANNING

_NOBODY: Final = "modelwarden-doctor"
_NO_ROOT: Final = "r-0000"
_CALLS: Final[dict[str, Mapping[str, Any]]] = {
    "ec2:DescribeRegions": {},
    "sagemaker:ListModelPackages": {"ModelPackageType": "Both", "MaxResults": 1},
    "sagemaker:Search": {"Resource": "ModelPackage", "MaxResults": 1},
    "sagemaker:ListEndpoints": {"MaxResults": 1},
    "sagemaker:DescribeEndpoint": {"EndpointName": _NOBODY},
    "sagemaker:DescribeEndpointConfig": {"EndpointConfigName": _NOBODY},
    "sagemaker:DescribeModel": {"ModelName": _NOBODY},
    "sagemaker:ListModelPackageGroups": {"CrossAccountFilterOption": "CrossAccount", "MaxResults": 1},
    "sagemaker:ListModelCards": {"MaxResults": 1},
    "sagemaker:DescribeModelCard": {"ModelCardName": _NOBODY},
    "cloudwatch:GetMetricData": {
        "MetricDataQueries": [
            {
                "Id": "m0",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": []},
                    "Period": 86_400,
                    "Stat": "Sum",
                },
            }
        ],
        "StartTime": "2026-01-01T00:00:00Z",
        "EndTime": "2026-01-02T00:00:00Z",
    },
}
"""What is asked of an account; Organizations is asked with what it answered before."""


def probe_scan(collector: Collector, scan: Scan, probed: Probed) -> tuple[ScanPermission, ...]:
    """Try each action of the scan that the settings leave it: in the probed account, and of Organizations by the caller.

    Raises:
        NoCredentials: there is nobody to call AWS as.
    """
    return tuple(_tried(collector, scan, probed))


def _tried(collector: Collector, scan: Scan, probed: Probed) -> Iterator[ScanPermission]:
    barred = collector.aws.enter(probed.account, probed.region) if probed.account else None
    entered = bool(probed.account) and barred is None and collector.aws.acts_as(probed.account)
    home, root = collector.aws.home(probed.region), _NO_ROOT
    for action, cost in SCANNING.items():
        service, _, operation = action.partition(":")
        idle = _idle(action, scan)
        ours = service == "organizations"
        if not idle and not ours and not entered:
            idle = "the account could not be entered"
        if idle:
            yield ScanPermission(action, "", NOT_PROBED, idle, cost.without, needed=cost.incomplete)
            continue
        account, region = (probed.own or OWN, home) if ours else (probed.account, probed.region)
        given = _of_organizations(operation, root, account) if ours else _CALLS[action]
        answer = collector.aws.call(account, region, service, operation, **given)
        if isinstance(answer, Answer) and operation == "ListRoots" and answer.data["Roots"]:
            root = str(answer.data["Roots"][0].get("Id"))
        state, why = _state(answer)
        yield ScanPermission(action, account, state, why, cost.without, needed=cost.incomplete)


def _of_organizations(operation: str, root: str, account: str) -> dict[str, Any]:
    if operation.endswith("ForParent"):
        return {"ParentId": root}
    return {"ResourceId": account} if operation == "ListTagsForResource" else {}


def _state(answer: Answer | Failure) -> tuple[str, str]:
    # Whoever asks for what does not exist may be told so in any words.
    if isinstance(answer, Answer) or answer.state == "read" or answer.code == "ValidationException":
        return OK, ""
    return answer.state, f"{answer.code}: {answer.message}"


def _idle(action: str, scan: Scan) -> str:
    """Why the settings keep a scan from asking; empty where they do not."""
    if action.startswith("organizations:") and scan.accounts:
        return "`scan.accounts` names the accounts"
    if action == "organizations:ListTagsForResource" and not scan.tags:
        return "`scan.tags` asks for no tag"
    if action == "ec2:DescribeRegions" and scan.regions:
        return "`scan.regions` names the regions"
    if action == "sagemaker:ListModelPackageGroups" and not scan.hub:
        return "`scan.hub` names no hub"
    if action == "cloudwatch:GetMetricData" and not scan.endpoint_metrics:
        return "`scan.endpoint_metrics` is off"
    return "`scan.cards` is off" if "ModelCard" in action and not scan.cards else ""

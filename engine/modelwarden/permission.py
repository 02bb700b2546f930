"""Permissions: the IAM actions that reading needs, and the facts that hang on each.

The reader role grants exactly these (`deploy/reader-role.yaml`), and `doctor` probes each of them. Which fact is read by
which API stands in the dictionary of facts; here stands only what the dictionary cannot say: documents, and calls that
can be made only after another one has answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from msgspec import Struct

from modelwarden.facts import FactKind, kinds

IDENTITY: Final = "sts:GetCallerIdentity"
ENTER: Final = "sts:AssumeRole"
DESCRIBE: Final = "sagemaker:DescribeModelPackage"
OBJECT: Final = "s3:GetObject"
DECRYPT: Final = "kms:Decrypt"

_UNDESCRIBED: Final = "the package could not be described"
_NO_IMAGE: Final = "no container image in ECR is known"
PERMISSIONS: Final[dict[str, str]] = {
    IDENTITY: "the answers were recorded",
    ENTER: "no role is named: the caller's own credentials read everything",
    "sagemaker:ListModelPackageGroups": "only `modelwarden init --scan-account` and a scan with a hub need it",
    "sagemaker:ListModelPackages": "only `modelwarden init --scan-account` needs it",
    DESCRIBE: "no package is known",
    "sagemaker:ListTags": _UNDESCRIBED,
    "sagemaker:GetModelPackageGroupPolicy": "the package has no group",
    "sagemaker:DescribeTrainingJob": "no training job of its account is known",
    "sagemaker:DescribeModelCard": "no card outside of the package is known",
    "ecr:BatchGetImage": _NO_IMAGE,
    "ecr:DescribeImages": _NO_IMAGE,
    "ecr:DescribeRepositories": _NO_IMAGE,
    "ecr:GetDownloadUrlForLayer": "no manifest of an image was read",
    OBJECT: "no object in S3 is known",
    "s3:ListBucket": "no artifact is known that is a prefix",
    "kms:DescribeKey": "no KMS key is known",
    "kms:GetKeyRotationStatus": "no customer managed key is known whose material is of KMS",
    DECRYPT: "nothing was read that is known to lie under a customer managed key",
    "cloudtrail:LookupEvents": _UNDESCRIBED,
}
"""IAM action -> why it was not probed where it was not, in the order in which they are printed."""


class Cost(Struct, frozen=True):
    """What a scan loses without an action."""

    without: str
    incomplete: bool = True
    """Whether it ends with exit code 3 for want of it."""


_NOT_READ: Final = "the account-region counts as not read"
_UNIT: Final = "the unit of every account"
_BEHIND_ENDPOINT: Final = "what an endpoint runs, which is named as not told"
SCANNING: Final[dict[str, Cost]] = {
    "organizations:ListAccounts": Cost("which accounts there are: nothing is scanned"),
    "organizations:ListRoots": Cost(_UNIT),
    "organizations:ListOrganizationalUnitsForParent": Cost(_UNIT),
    "organizations:ListAccountsForParent": Cost(_UNIT),
    "organizations:ListTagsForResource": Cost("whether an account has the tags that are asked for: it is scanned"),
    "ec2:DescribeRegions": Cost("which regions are enabled: the account counts as not read"),
    "sagemaker:ListModelPackages": Cost(f"which packages there are: {_NOT_READ}"),
    "sagemaker:Search": Cost(
        "nothing but time: the list proves as much, and everything is read anew", incomplete=False
    ),
    "sagemaker:ListEndpoints": Cost(f"what runs: {_NOT_READ}"),
    "sagemaker:DescribeEndpoint": Cost(_BEHIND_ENDPOINT),
    "sagemaker:DescribeEndpointConfig": Cost(_BEHIND_ENDPOINT),
    "sagemaker:DescribeModel": Cost(_BEHIND_ENDPOINT),
    "sagemaker:ListModelPackageGroups": Cost("which groups of other accounts an account sees"),
    "sagemaker:ListModelCards": Cost("which model cards have no package"),
    "sagemaker:DescribeModelCard": Cost(
        "what a model card belongs to, where the search does not show it", incomplete=False
    ),
    "cloudwatch:GetMetricData": Cost("what CloudWatch holds of the endpoints"),
}
"""IAM action that a scan needs besides those of the packages themselves -> what becomes unknown without it."""

_ACTIONS: Final = {"s3:HeadObject": OBJECT, "s3:ListObjectsV2": "s3:ListBucket"}
"""Operation -> the IAM action that allows it, where AWS gives them different names."""
_DOCUMENTS: Final = {
    "model card": (DECRYPT,),
    "analysis.json": (OBJECT, DECRYPT),
    "evaluation.json": (OBJECT, DECRYPT),
    "request": (IDENTITY,),
    OBJECT: (DECRYPT,),
}
"""What a source in the dictionary begins with -> actions that it does not name."""
_BEHIND: Final = {
    "/artifact": "s3:ListBucket",
    "/artifact/*/kms_key/": OBJECT,
    "/card/": "sagemaker:DescribeModelCard",
    "/trainer": "sagemaker:DescribeModelCard",
}
"""What a pattern begins with -> an action that must succeed first, or instead."""
_OPENED: Final = ("/card/", "/trainer", "/artifact/*/checksum_sha256")
"""Facts out of the content of the card, which may lie under a key of its own; and S3 tells checksums only to those who may decrypt."""


def action_of(api: str) -> str:
    """`s3:HeadObject` -> `s3:GetObject`; most operations and actions share one name."""
    return _ACTIONS.get(api, api)


@cache
def feeds(action: str) -> frozenset[str]:
    """Patterns of the facts that some package loses without an IAM action."""
    return frozenset(kind.pattern for kind in kinds().values() if action in _needed_for(kind))


def _needed_for(kind: FactKind) -> set[str]:
    needed = set(_sources(kind.source))
    needed |= {action for prefix, action in _BEHIND.items() if kind.pattern.startswith(prefix)}
    needed |= {DECRYPT} if kind.pattern.startswith(_OPENED) else set()
    if kind.pattern.endswith("/diff_ids"):
        needed.add("ecr:GetDownloadUrlForLayer")
    # A package is entered and described before anything else of it is read.
    return needed if kind.pattern.startswith(("/request/", "/reference/")) else needed | {IDENTITY, ENTER, DESCRIBE}


def _sources(source: str) -> Iterator[str]:
    """Both actions of `kms:DescribeKey GetKeyRotationStatus.KeyRotationEnabled`: a field may begin with an operation."""
    head, _, field = source.partition(" ")
    service = head.partition(":")[0]
    yield from (
        action_of(api) for api in (head, f"{service}:{field.partition('.')[0]}") if action_of(api) in PERMISSIONS
    )
    for document, actions in _DOCUMENTS.items():
        if source.startswith(document):
            yield from actions

"""Probe: what can be read, tried on a package, or on names that do not exist where there is none. Read-only.

A name that does not exist tells a missing permission from a granted one: AWS refuses before it looks, and answers "not
found" to those who may. (Reasoned from IAM's documentation; nobody has tried it on AWS yet.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from botocore.session import get_session

from modelwarden.arn import parse_arn
from modelwarden.checkup import Probed
from modelwarden.collect import Collector, artifact
from modelwarden.collect.aws import Answer, Failure
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Present, Unknown
from modelwarden.request import Principal

_NOBODY: Final = "modelwarden-doctor"
_NO_KEY: Final = "00000000-0000-4000-8000-000000000000"
_NO_DIGEST: Final = "sha256:" + "0" * 64
_NAMELESS: Final[tuple[tuple[str, str, Mapping[str, object]], ...]] = (
    ("sagemaker", "DescribeModelPackage", {"ModelPackageName": _NOBODY, "IncludedData": "MetadataOnly"}),
    ("sagemaker", "GetModelPackageGroupPolicy", {"ModelPackageGroupName": _NOBODY}),
    ("sagemaker", "DescribeTrainingJob", {"TrainingJobName": _NOBODY}),
    ("sagemaker", "DescribeModelCard", {"ModelCardName": _NOBODY}),
    ("ecr", "BatchGetImage", {"repositoryName": _NOBODY, "imageIds": [{"imageTag": "none"}]}),
    ("ecr", "DescribeImages", {"repositoryName": _NOBODY, "imageIds": [{"imageTag": "none"}]}),
    ("ecr", "DescribeRepositories", {"repositoryNames": [_NOBODY]}),
    ("ecr", "GetDownloadUrlForLayer", {"repositoryName": _NOBODY, "layerDigest": _NO_DIGEST}),
    ("kms", "DescribeKey", {"KeyId": _NO_KEY}),
    ("kms", "GetKeyRotationStatus", {"KeyId": _NO_KEY}),
    ("cloudtrail", "LookupEvents", {"MaxResults": 1}),
)
"""Calls that need no package: those with a name name what does not exist. S3 needs a bucket, which nobody knows."""
_REFUSED: Final = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")
_REJECTED: Final = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
)


class NotAccepted(UserError):
    """Credentials that AWS does not know (any more)."""

    help = "renew the credentials as for the AWS command line: `aws sts get-caller-identity` must answer"


def probe(
    collector: Collector,
    package: str | None,
    region: str,
    base_images: Callable[[Evidence], Collection[str]],
    role: str | None,
) -> Probed:
    """Read everything of one package; without one, look for the newest of the caller's account in the region.

    `base_images` tells which images the settings approve as bases for the package.

    Raises:
        NoCredentials: there is nobody to call AWS as.
        NotAccepted: AWS does not know whoever there is.
        NoSuchPackage: AWS says that the named package does not exist.
    """
    own = collector.aws.own_account(region)
    if isinstance(own, Failure) and own.code in _REJECTED:
        raise NotAccepted(f"AWS does not accept the credentials: {own.code}: {own.message}")
    known = "" if isinstance(own, Failure) else own
    if package is None and known:
        package = _newest(collector, known, region)
    principal = collector.caller()
    if package is None:
        tried = _nameless(collector, known, region, principal) if known else ()
        return Probed(known, known, region, "", role, principal, None, {}, collector.ledger, {}, tried)
    arn = parse_arn(package)
    evidence = collector.package(package)
    described = isinstance(evidence.get("/container_count"), Present)
    tried = ()
    if not described and known and collector.aws.enter(arn.account, region) is None:
        tried = _nameless(collector, arn.account, region, principal, skip="DescribeModelPackage")
    bases = base_images(evidence) if known else ()
    reference = collector.reference(bases) if bases else {}
    undecrypted = _undecrypted(collector, evidence) if described else {}
    return Probed(
        known, arn.account, region, package, role, principal, evidence, reference, collector.ledger, undecrypted, tried
    )


def configured_region() -> str | None:
    """The region of the environment or of the AWS configuration."""
    found = get_session().get_config_variable("region")
    return str(found) if found else None


def _newest(collector: Collector, account: str, region: str) -> str | None:
    """ARN of the newest package; None where there is none, or where nobody may list."""
    answer = collector.aws.call(
        account,
        region,
        "sagemaker",
        "ListModelPackages",
        ModelPackageType="Both",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )
    listed = answer.data.get("ModelPackageSummaryList") if isinstance(answer, Answer) else None
    first = listed[0] if isinstance(listed, list) and listed else {}
    return first.get("ModelPackageArn") if isinstance(first, dict) else None


def _nameless(
    collector: Collector, account: str, region: str, principal: Principal | Unknown, skip: str = ""
) -> tuple[str, ...]:
    """Try what needs no package; the answers are rows of the ledger."""
    partition = principal.principal.split(":")[1] if isinstance(principal, Principal) else "aws"
    group = f"arn:{partition}:sagemaker:{region}:{account}:model-package-group/{_NOBODY}"
    tried = []
    for service, operation, given in (*_NAMELESS, ("sagemaker", "ListTags", {"ResourceArn": group})):
        if operation != skip:
            collector.aws.call(account, region, service, operation, **given)
            tried.append(f"{service}:{operation}")
    return tuple(tried)


def _undecrypted(collector: Collector, evidence: Evidence) -> dict[str, str]:
    """Objects that s3:GetObject is granted on, and whose bytes or checksum were refused all the same: kms:Decrypt is missing.

    A HEAD without checksum needs s3:GetObject only.
    """
    arn = parse_arn(evidence.package)
    found = {}
    for pointer, fact in evidence.facts.items():
        head, _, name = pointer.rpartition("/")
        refused = isinstance(fact, Unknown) and fact.reason in _REFUSED and name in ("etag", "checksum_sha256")
        uri = evidence.get(f"{head}/uri")
        place = artifact.split(str(uri.value)) if refused and isinstance(uri, Present) else None
        if place is not None:
            answer = collector.lookup(arn, arn.region, "s3", "HeadObject", Bucket=place[0], Key=place[1])
            if isinstance(answer, Answer) and answer.data.get("SSEKMSKeyId"):
                found[head] = str(answer.data["SSEKMSKeyId"])
    return found

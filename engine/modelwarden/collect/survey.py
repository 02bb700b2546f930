"""Survey: what an account holds that settings could name, read from a few packages. Read-only, and bounded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.arn import parse_arn
from modelwarden.collect import Collector, NoSuchPackage
from modelwarden.collect.aws import Answer, Failure
from modelwarden.evidence import Evidence, Fact, Present
from modelwarden.snapshot import LedgerRow

MAX_GROUPS: Final = 50
"""Groups of an account that are looked at, the newest first."""
MAX_UNVERSIONED: Final = 10
MAX_REPOSITORIES: Final = 10
"""Of one registry, in which base images are looked for."""
MAX_BASES: Final = 20
"""Images of one repository that may be a base, the newest first."""
NEEDED: Final = (
    "/container/*/image/uri",
    "/container/*/image/resolved_digest",
    "/container/*/image/manifest/*/layers",
    "/container/*/image/manifest/*/diff_ids",
    "/artifact/*/kms_key/arn",
    "/package/kms_key/arn",
    "/tag_keys",
    "/bias_report/*/facet/*/name",
    "/life_cycle/stage",
)


class Base(Struct, frozen=True):
    """An image that others may be built from."""

    uri: str
    """By digest."""
    tags: tuple[str, ...]
    facts: Mapping[str, Fact]
    """Below `/reference/base_image/N`."""
    index: int


class Survey(Struct, frozen=True):
    """What was found."""

    account: str
    region: str
    packages: tuple[Evidence, ...]
    bases: tuple[Base, ...]
    ledger: tuple[LedgerRow, ...]
    """Of the packages."""
    registries: tuple[LedgerRow, ...]
    """Of the search for base images, which may fail without loss."""
    more: str = ""
    """What the bounds left out."""

    @property
    def read(self) -> list[Evidence]:
        """The packages that could be described."""
        return [evidence for evidence in self.packages if isinstance(evidence.get("/container_count"), Present)]


def survey(collector: Collector, package: str | None, region: str) -> Survey:
    """Read one package, or the newest of each group of the caller's account.

    Raises:
        NoCredentials: there is nobody to call AWS as.
        NoSuchPackage: AWS says that the named package does not exist.
    """
    own = collector.aws.own_account(region)
    account = parse_arn(package).account if package else "" if isinstance(own, Failure) else own
    more: list[str] = []
    if package:
        packages = [collector.package(package, NEEDED)]
    else:
        packages = list(_described(collector, _newest(collector, account, region, more))) if account else []
    ledger = collector.ledger
    bases = tuple(_bases(collector, account, packages))
    searched = tuple(row for row in collector.ledger if row.api.startswith("ecr:") and row not in ledger)
    return Survey(account, region, tuple(packages), bases, ledger, searched, "; ".join(more))


def _described(collector: Collector, arns: Iterable[str]) -> Iterator[Evidence]:
    """A package that was deleted since it was listed is no longer there to be seen."""
    for arn in arns:
        with contextlib.suppress(NoSuchPackage):
            yield collector.package(arn, NEEDED)


def _newest(collector: Collector, account: str, region: str, more: list[str]) -> Iterator[str]:
    """ARNs of the newest package of each group, and of unversioned packages."""

    def listed(operation: str, member: str, limit: int, **given: Any) -> tuple[list[Any], bool]:
        order = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": limit}
        answer = collector.aws.call(account, region, "sagemaker", operation, **order, **given)
        found = answer.data.get(member) if isinstance(answer, Answer) else None
        rest = isinstance(answer, Answer) and bool(answer.data.get("NextToken"))
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else [], rest

    groups, further = listed("ListModelPackageGroups", "ModelPackageGroupSummaryList", MAX_GROUPS)
    more += [f"only the newest {MAX_GROUPS} groups were looked at"] if further else []
    packages: list[Any] = []
    for group in groups:
        name = str(group.get("ModelPackageGroupName"))
        packages += listed("ListModelPackages", "ModelPackageSummaryList", 1, ModelPackageGroupName=name)[0]
    alone, further = listed(
        "ListModelPackages", "ModelPackageSummaryList", MAX_UNVERSIONED, ModelPackageType="Unversioned"
    )
    more += [f"only the newest {MAX_UNVERSIONED} packages without a group were looked at"] if further else []
    yield from (str(one["ModelPackageArn"]) for one in [*packages, *alone] if one.get("ModelPackageArn"))


def _bases(collector: Collector, account: str, packages: Iterable[Evidence]) -> Iterator[Base]:
    """Images of the registries in use that may be bases: whether one is, its layers say."""
    tags: dict[str, tuple[str, ...]] = {}
    for host, registry, region in sorted({place for evidence in packages for place in _registries(evidence)}):
        for repository in _repositories(collector, account, registry, region):
            for detail in _images(collector, account, registry, region, repository):
                tags[f"{host}/{repository}@{detail['imageDigest']}"] = tuple(map(str, detail.get("imageTags") or ()))
    facts = collector.reference(tags, account=account) if tags else {}
    for index, (uri, names) in enumerate(tags.items()):
        yield Base(uri, names, facts, index)


def _registries(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    """(host, registry, region) of every image in ECR."""
    for pointer, fact in evidence.each("/container/*/image/registry"):
        head = pointer.rpartition("/")[0]
        region, source = evidence.get(f"{head}/registry_region"), evidence.get(f"{head}/source")
        if isinstance(fact, Present) and isinstance(region, Present) and isinstance(source, Present):
            yield str(source.value).partition("/")[0], str(fact.value), str(region.value)


def _repositories(collector: Collector, account: str, registry: str, region: str) -> list[str]:
    """Names, those first that call themselves a base."""
    answer = collector.aws.call(account, region, "ecr", "DescribeRepositories", registryId=registry, maxResults=100)
    listed = answer.data.get("repositories") if isinstance(answer, Answer) else None
    names = [str(one.get("repositoryName")) for one in listed or () if isinstance(one, dict)]
    return sorted(names, key=lambda name: ("base" not in name.lower(), name))[:MAX_REPOSITORIES]


def _images(collector: Collector, account: str, registry: str, region: str, repository: str) -> list[dict[str, Any]]:
    answer = collector.aws.call(
        account,
        region,
        "ecr",
        "DescribeImages",
        registryId=registry,
        repositoryName=repository,
        filter={"tagStatus": "TAGGED"},
        maxResults=100,
    )
    listed = answer.data.get("imageDetails") if isinstance(answer, Answer) else None
    found = [one for one in listed or () if isinstance(one, dict) and one.get("imageDigest")]
    return sorted(found, key=lambda one: str(one.get("imagePushedAt")), reverse=True)[:MAX_BASES]

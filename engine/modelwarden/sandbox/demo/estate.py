"""The demo's organization: accounts, keys, buckets, image repositories and model package groups. All of it is invented."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from modelwarden.sandbox.demo import images

Json = dict[str, Any]

CLOCK = "2026-11-20T06:00:00Z"
MANAGEMENT, HUB, ECR = "111111111111", "222222222222", "333333333333"
RETAIL, LENDING, CLAIMS, MARKETING = "111122223333", "444455556666", "555566667777", "666677778888"
PAYMENTS, PEOPLE, HOSPITAL = "777788889999", "888899990000", "101010101010"
LEGACY, LABORATORY = "999900001111", "121212121212"
IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
REGIONS = (IRELAND, VIRGINIA)

_ACCOUNTS = (
    (MANAGEMENT, "management", "root"),
    (HUB, "ml-hub", "ou-demo-platform"),
    (ECR, "shared-images", "ou-demo-platform"),
    (RETAIL, "retail-ml", "ou-demo-commerce"),
    (MARKETING, "marketing-ml", "ou-demo-commerce"),
    (LENDING, "lending-ml", "ou-demo-finance"),
    (CLAIMS, "claims-ml", "ou-demo-finance"),
    (PAYMENTS, "payments-ml", "ou-demo-finance"),
    (PEOPLE, "people-ml", "ou-demo-commerce"),
    (HOSPITAL, "hospital-ml", "ou-demo-workloads"),
    (LEGACY, "legacy-ml", "ou-demo-workloads"),
    (LABORATORY, "laboratory", "ou-demo-workloads"),
)


def organization() -> Json:
    """Management account, units and accounts; one account is suspended, one lacks the reader role."""
    units = (("platform", "root"), ("workloads", "root"), ("finance", "workloads"), ("commerce", "workloads"))
    accounts = []
    for number, name, unit in _ACCOUNTS:
        entry: Json = {"id": number, "name": name, "unit": unit, "state": "ACTIVE", "reader_role": True, "tags": {}}
        if number == LEGACY:
            entry.update(state="SUSPENDED", reader_role=False)
        if number == LABORATORY:
            entry.update(reader_role=False)
        accounts.append(entry)
    return {
        "id": "o-demo123456",
        "management": MANAGEMENT,
        "units": [
            {
                "id": f"ou-demo-{name}",
                "name": name.capitalize(),
                "parent": parent if parent == "root" else f"ou-demo-{parent}",
            }
            for name, parent in units
        ],
        "accounts": accounts,
    }


def key_id(account: str, region: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{region}.{account}.example.com"))


def key_arn(account: str, region: str, name: str = "artifacts") -> str:
    """ARN of a key by its name here: artifacts, aws-s3 (managed by AWS), or one of the broken ones."""
    return f"arn:aws:kms:{region}:{account}:key/{key_id(account, region, name)}"


def _key(account: str, region: str, name: str, **changes: Any) -> Json:
    entry: Json = {
        "id": key_id(account, region, name),
        "account": account,
        "region": region,
        "manager": "CUSTOMER",
        "state": "Enabled",
        "origin": "AWS_KMS",
        "rotation": True,
        "alias": f"alias/ml-{name}",
        "denied": False,
    }
    return {**entry, **changes}


def keys(cells: list[tuple[str, str]]) -> list[Json]:
    """In each cell a key of the customer and the key that AWS manages for S3; the broken keys belong to one group each."""
    found = []
    for account, region in cells:
        found.append(_key(account, region, "artifacts"))
        found.append(_key(account, region, "aws-s3", manager="AWS", alias="alias/aws/s3"))
    found += [
        _key(CLAIMS, IRELAND, "disabled", state="Disabled"),
        _key(CLAIMS, IRELAND, "leaving", state="PendingDeletion"),
        _key(CLAIMS, IRELAND, "unrotated", rotation=False),
        _key(CLAIMS, IRELAND, "scratch"),
        _key(LENDING, IRELAND, "sealed", denied=True),
    ]
    return found


def approved_keys() -> list[str]:
    """Parameter `approved_kms_keys`: every key of the customer but the one that somebody made for a try."""
    return sorted(
        key_arn(key["account"], key["region"], name)
        for key in keys(cells())
        for name in [key["alias"].removeprefix("alias/ml-")]
        if key["manager"] == "CUSTOMER" and name != "scratch"
    )


def bucket(account: str, region: str) -> str:
    return f"example-models-{account}-{region}"


def buckets(cells: list[tuple[str, str]]) -> list[Json]:
    """One bucket a cell, versioned, encrypted by default with the customer's key of the cell."""
    return [
        {
            "name": bucket(account, region),
            "account": account,
            "region": region,
            "versioning": True,
            "sse": "aws:kms",
            "key": key_arn(account, region),
        }
        for account, region in cells
    ]


PYTHON = images.image("debian-12", "python-3.11", "scikit-learn-1.9")
PYTHON_ARM = images.image("debian-12-arm64", "python-3.11-arm64", "scikit-learn-1.9-arm64", architecture="arm64")
PYTHON_OLD = images.image("debian-11", "python-3.9")

_SCORING_42 = PYTHON.on_top("scoring-4.2", "entrypoint-4.2")
_BORROWED = images.Image(PYTHON.layers[:2]).on_top("scoring-4.0")
_RECOMPRESSED = images.Image(
    tuple(images.layer(name, recompressed=True) for name in ("debian-12", "python-3.11", "scikit-learn-1.9"))
).on_top("scoring-3.9")
_LEGACY_NOW, _LEGACY_BEFORE = PYTHON.on_top("legacy-2.0-rebuilt"), PYTHON.on_top("legacy-2.0")

DELETED_DIGEST = PYTHON.on_top("scoring-3.0").digest()
"""of an image that a life cycle rule removed from ECR"""
MOVED_DIGEST = _LEGACY_BEFORE.digest()
"""what the tag ml/legacy:2.0 pointed to before it was pushed again; the image is still there, without a tag"""


def _shared(region: str) -> list[Json]:
    def repository(name: str, mutability: str, *entries: Json, exclusions: tuple[str, ...] = ()) -> Json:
        return {
            "account": ECR,
            "region": region,
            "name": name,
            "mutability": mutability,
            "exclusions": list(exclusions),
            "images": list(entries),
            "policy": None,
        }

    single = images.single
    return [
        repository(
            "ml/base",
            "IMMUTABLE",
            images.index(["2026.10"], "2026-10-01T08:00:00Z", PYTHON, PYTHON_ARM),
            single(["2025.04"], "2025-04-02T08:00:00Z", PYTHON_OLD),
        ),
        repository(
            "ml/scoring",
            "IMMUTABLE",
            single(["4.2"], "2026-10-05T09:00:00Z", _SCORING_42),
            images.index(
                ["4.3"], "2026-10-20T09:00:00Z", PYTHON.on_top("scoring-4.3"), PYTHON_ARM.on_top("scoring-4.3-arm64")
            ),
            images.index(
                ["4.1"],
                "2026-09-11T09:00:00Z",
                PYTHON.on_top("scoring-4.1"),
                images.image("alpine-arm64", "scoring-4.1-arm64", architecture="arm64"),
            ),
            single(["4.0"], "2026-08-14T09:00:00Z", _BORROWED),
            single(["3.9"], "2026-07-30T09:00:00Z", _RECOMPRESSED),
            single(["3.8"], "2026-07-02T09:00:00Z", images.image("alpine", "python-3.11-musl", "scoring-3.8")),
            single(["latest"], "2026-10-06T09:00:00Z", PYTHON.on_top("scoring-4.2-latest")),
        ),
        repository(
            "ml/legacy",
            "MUTABLE",
            single([], "2026-03-01T09:00:00Z", _LEGACY_BEFORE),
            single(["2.0"], "2026-09-20T09:00:00Z", _LEGACY_NOW),
            single(["2.1"], "2026-09-27T09:00:00Z", PYTHON.on_top("legacy-2.1")),
        ),
        repository(
            "ml/edge",
            "MUTABLE_WITH_EXCLUSION",
            single(["release-7"], "2026-10-12T09:00:00Z", PYTHON.on_top("edge-7")),
            exclusions=("release-*",),
        ),
        repository(
            "ml/nightly",
            "IMMUTABLE_WITH_EXCLUSION",
            single(["dev-31"], "2026-11-02T09:00:00Z", PYTHON.on_top("nightly-31")),
            exclusions=("dev-*",),
        ),
    ]


def _own(account: str, region: str, name: str, tag: str) -> Json:
    return {
        "account": account,
        "region": region,
        "name": name,
        "mutability": "IMMUTABLE",
        "exclusions": [],
        "images": [images.single([tag], "2026-10-18T09:00:00Z", PYTHON.on_top(f"{name}-{tag}"))],
        "policy": None,
    }


def repositories() -> list[Json]:
    """The shared repositories in both regions, one unapproved repository, and one whose account denies reading it."""
    found = [repository for region in REGIONS for repository in _shared(region)]
    found.append(_own(RETAIL, IRELAND, "team/experiments", "0.3"))
    found.append(_own(CLAIMS, VIRGINIA, "claims/fraud-scorer", "1.8"))
    return found


def host(account: str, region: str) -> str:
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def approved_sources() -> list[str]:
    """Parameter `approved_image_sources`."""
    names = ("ml/base", "ml/edge", "ml/legacy", "ml/nightly", "ml/scoring")
    shared = [f"{host(ECR, region)}/{name}" for region in REGIONS for name in names]
    return [*shared, f"{host(CLAIMS, VIRGINIA)}/claims/fraud-scorer"]


def approved_bases() -> list[str]:
    """Parameter `approved_base_images`."""
    return [f"{host(ECR, region)}/ml/base:2026.10" for region in REGIONS]


@dataclass(frozen=True, slots=True)
class Group:
    """One model package group and what its versions have in common."""

    name: str
    account: str
    region: str
    model: str
    """model and card of a version that names no other"""
    rating: str
    attributes: tuple[str, ...] = ()
    """protected attributes declared for it in the settings"""
    team: str = "platform"
    missing_tags: tuple[str, ...] = ()
    tags: Json = field(default_factory=dict)
    shared_with: tuple[str, ...] = ()

    def all_tags(self) -> Json:
        tags = {"owner": self.team, "cost-center": f"cc-{self.account[:4]}", "data-classification": "confidential"}
        return {name: value for name, value in {**tags, **self.tags}.items() if name not in self.missing_tags}


GROUPS = (
    Group("credit-default", LENDING, IRELAND, "credit-fair", "High", ("sex",), "lending-models"),
    Group("loan-pricing", LENDING, IRELAND, "credit-fair-age", "High", ("sex", "age"), "lending-models"),
    Group("cv-screening", PEOPLE, IRELAND, "hiring-fair", "High", ("sex",), "people-analytics"),
    Group("card-fraud", PAYMENTS, VIRGINIA, "fraud-fair", "High", ("sex",), "payment-fraud"),
    Group("tumour-triage", HOSPITAL, VIRGINIA, "tumour", "High", (), "clinical-data-science"),
    Group("churn", RETAIL, IRELAND, "churn", "Medium", (), "retention"),
    Group(
        "churn-hostile",
        RETAIL,
        IRELAND,
        "churn",
        "Medium",
        (),
        "<img src=x onerror=alert(1)>",
        tags={"note": "=HYPERLINK(1)\t|pipe| `tick` \u202edesrever", "<b>bold</b>": "'; DROP TABLE runs; --"},
    ),
    Group("claims-triage", CLAIMS, IRELAND, "claims", "Medium", (), "claims-intelligence"),
    Group("claims-fraud", CLAIMS, VIRGINIA, "claims", "Medium", (), "claims-intelligence"),
    Group("campaign-response", MARKETING, VIRGINIA, "campaign", "Low", (), "campaigns"),
    Group("uplift", MARKETING, VIRGINIA, "campaign", "Low", (), "campaigns", missing_tags=("cost-center",)),
    Group("mailroom", HUB, IRELAND, "documents", "Medium", (), "document-automation", shared_with=(RETAIL, CLAIMS)),
    Group("house-price", RETAIL, IRELAND, "house-price", "Low", (), "valuation-laboratory"),
    Group("prototype", LABORATORY, IRELAND, "churn", "Medium", (), "laboratory"),
    Group("legacy-scoring", LEGACY, IRELAND, "churn-tree", "Medium", (), "laboratory"),
)


def group(name: str) -> Group:
    return next(entry for entry in GROUPS if entry.name == name)


def cells() -> list[tuple[str, str]]:
    """Account and region of every group, in order of first use."""
    return list(dict.fromkeys((entry.account, entry.region) for entry in GROUPS))

"""A synthetic organization by its size, and the calls that a scan of exactly this one takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

REGIONS = ("eu-west-1", "us-east-1", "eu-central-1", "us-west-2", "ap-southeast-2", "eu-north-1")
VERSIONS = 5
"""Of one group."""


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

"""ARNs of model packages: `arn:PARTITION:sagemaker:REGION:ACCOUNT:model-package/GROUP/VERSION` or `.../NAME`.

Those of groups: `arn:PARTITION:sagemaker:REGION:ACCOUNT:model-package-group/GROUP`.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from modelwarden.errors import UserError
from modelwarden.evidence import Absent, Fact, Present, Source

_CELL: Final = r"arn:(?P<partition>aws[a-z-]*):sagemaker:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):(?P<account>\d{12})"
_NAME: Final = r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]{0,62})"
_ARN: Final = re.compile(rf"{_CELL}:model-package/{_NAME}(?:/(?P<version>[1-9]\d{{0,8}}))?", re.ASCII)
_GROUP: Final = re.compile(rf"{_CELL}:model-package-group/{_NAME}", re.ASCII)


class ArnError(UserError):
    """Not the ARN of a model package."""

    help = "it looks like arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"


def partition(arn: str) -> str:
    """`aws`, `aws-cn`, ... of any ARN; `aws` where it says none."""
    parts = arn.split(":", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "arn" and re.fullmatch(r"aws[a-z-]*", parts[1]) else "aws"


class PackageArn(Struct, frozen=True):
    """A model package's ARN in parts."""

    text: str
    partition: str
    region: str
    account: str
    """The owner; 12 digits."""
    name: str
    """Of the group for a versioned package, else of the package."""
    version: int | None

    @property
    def group(self) -> str | None:
        return self.name if self.version is not None else None

    @property
    def short(self) -> str:
        """`111122223333/eu-west-1/churn/7`."""
        return "/".join([self.account, self.region, self.name, *([str(self.version)] if self.version else [])])

    def facts(self) -> dict[str, Fact]:
        """What the ARN alone says."""
        source = Source("sagemaker:DescribeModelPackage")
        return {
            "/package/arn": Present(self.text, source),
            "/package/account": Present(self.account, source),
            "/package/region": Present(self.region, source),
            "/package/partition": Present(self.partition, source),
            "/package/group": Present(self.name, source) if self.version is not None else Absent(source),
            "/package/version": Present(self.version, source) if self.version is not None else Absent(source),
        }


def parse_arn(text: str) -> PackageArn:
    """Raises ArnError for anything but the ARN of a model package."""
    found = _ARN.fullmatch(text)
    if found is None:
        raise ArnError(f"`{text}` is not the ARN of a model package")
    version = int(found["version"]) if found["version"] else None
    return PackageArn(text, found["partition"], found["region"], found["account"], found["name"], version)


class GroupArn(Struct, frozen=True):
    """A model package group's ARN in parts."""

    text: str
    region: str
    account: str
    """The owner; 12 digits."""
    name: str


def parse_group_arn(text: str) -> GroupArn:
    """Raises ArnError for anything but the ARN of a model package group."""
    found = _GROUP.fullmatch(text)
    if found is None:
        raise ArnError(
            f"`{text}` is not the ARN of a model package group",
            "it looks like arn:aws:sagemaker:eu-west-1:111122223333:model-package-group/churn",
        )
    return GroupArn(text, found["region"], found["account"], found["name"])

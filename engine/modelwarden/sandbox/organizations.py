"""Organizations over moto's, closed to members; and the regions that accounts have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Handler, denied, page

REGIONS: Final = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
]
"""Enabled in every account without opting in."""


def backend(management: str) -> Any:
    """moto's organization of a management account."""
    return moto("organizations.models").organizations_backends[management]["aws"]


def _management_only(call: Call) -> Any:
    """The backend, for the management account or a delegated administrator.

    Raises:
        Refusal: somebody else asks.
    """
    found = backend(call.world.management)
    if call.account != call.world.management and all(admin.account.id != call.account for admin in found.admins):
        raise denied(call)
    return found


def _list_accounts(call: Call) -> Mapping[str, Any]:
    found = _management_only(call)
    described, token = page([_account(one) for one in found.accounts], call, 20)
    return {"Accounts": described, **token}


def _describe_account(call: Call) -> Mapping[str, Any]:
    found = _management_only(call)
    for one in found.accounts:
        if one.id == call.need("AccountId"):
            return {"Account": _account(one)}
    raise Refusal("AccountNotFoundException", "You specified an account that doesn't exist.")


def _account(one: Any) -> dict[str, Any]:
    status = one.state if one.state in ("ACTIVE", "SUSPENDED", "PENDING_CLOSURE") else "ACTIVE"
    return {**one.describe(), "State": one.state, "Status": status}


def _describe_organization(call: Call) -> Mapping[str, Any]:
    """Any member may ask."""
    found = backend(call.world.management)
    if found.org is None:
        raise Refusal("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    described: dict[str, Any] = found.org.describe()
    return described


def _guard(call: Call) -> None:
    """moto answers, but not members."""
    _management_only(call)


def _describe_regions(call: Call) -> Mapping[str, Any]:
    regions = [
        {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": "opt-in-not-required"}
        for name in REGIONS
    ]
    return {"Regions": regions}


OPERATIONS: Final[dict[str, Handler]] = {
    "organizations:ListAccounts": _list_accounts,
    "organizations:DescribeAccount": _describe_account,
    "organizations:DescribeOrganization": _describe_organization,
    "organizations:ListRoots": _guard,
    "organizations:ListAccountsForParent": _guard,
    "organizations:ListOrganizationalUnitsForParent": _guard,
    "organizations:ListTagsForResource": _guard,
    "organizations:ListParents": _guard,
    "ec2:DescribeRegions": _describe_regions,
}

"""What doctor says, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import asdict

from modelwarden.checkup import NOT_PROBED, OK, Checkup, Permission, Probed
from modelwarden.permission import DECRYPT, ENTER
from modelwarden.render.json import dump
from modelwarden.render.text import printable, short

SCHEMA_VERSION: Final = "modelwarden.doctor/1"
_MAX: Final = 300
_ORGANIZATIONS: Final = "organizations:"


def text(checkup: Checkup, probed: Probed) -> str:
    """One line for each permission, below it what hangs on it; then the settings, and the count."""
    lines = [*_head(probed), ""]
    for permission in checkup.permissions:
        lines += _permission(permission, probed)
    lines += ["", *_scan(checkup)] if checkup.scan else []
    lines += ["", *_settings(checkup), *_help(checkup, probed), _count(checkup)]
    return "\n".join(lines) + "\n"


def document(checkup: Checkup, probed: Probed) -> str:
    """The same for programs."""
    head: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "identity": {"arn": probed.caller or None, "account": probed.own or None},
        "role": probed.role,
        "package": probed.package or None,
        "account": probed.account or None,
        "region": probed.region,
    }
    permissions = [asdict(one) | {"missing": one.missing} for one in checkup.permissions]
    parameters = {"unset": checkup.unset, "unknown": checkup.untold}
    tail = {
        "unproven": checkup.unproven,
        "controls": checkup.controls,
        "parameters": parameters,
        "advisory": checkup.advisory,
        "scan": [asdict(one) | {"missing": one.missing} for one in checkup.scan],
    }
    return dump(head | {"permissions": permissions} | tail)


def _head(probed: Probed) -> Iterator[str]:
    yield f"caller    {printable(probed.caller) or 'unknown'}"
    yield f"package   {short(probed.package) if probed.package else 'none found: names that do not exist were tried'}"
    yield f"region    {printable(probed.region)}"


def _permission(permission: Permission, probed: Probed) -> Iterator[str]:
    where = permission.account
    if permission.action == ENTER and probed.role:
        where += f" as {printable(probed.role)}"
    elif permission.action.startswith("ecr:") and permission.account != probed.account:
        where += " for the approved base images"
    if permission.state == NOT_PROBED:
        where = f"({printable(permission.why)})"
    yield f"{permission.state:<11} {permission.action:<38} {where}".rstrip()
    if permission.state in (OK, NOT_PROBED):
        return
    yield f"            said     {printable(permission.why)[:_MAX]}"
    for place in permission.where:
        yield f"            for      {printable(place)[:_MAX]}"
    if permission.unknown:
        yield f"            unknown  {', '.join(permission.unknown)}"
    if permission.reads:
        yield f"            read by  {', '.join(permission.reads)}{' too' if permission.unknown else ''}"
    if not permission.unknown and not permission.reads:
        yield "            read by  no enabled control"


def _scan(checkup: Checkup) -> Iterator[str]:
    yield "for a scan:"
    for one in checkup.scan:
        where = f"({printable(one.why)})" if one.state == NOT_PROBED else one.account
        yield f"{one.state:<11} {one.action:<46} {where}".rstrip()
        if one.state not in (OK, NOT_PROBED):
            yield f"            said     {printable(one.why)[:_MAX]}"
            yield f"            without  {one.without}"


def _settings(checkup: Checkup) -> Iterator[str]:
    for name, controls in checkup.unset.items():
        if controls:
            yield f"not set     {name:<38} unknown: {', '.join(controls)}"
    idle = [name for name, controls in checkup.unset.items() if not controls]
    if idle:
        yield f"not set     {', '.join(idle)} (no enabled control reads them)"
    for name, why in checkup.untold.items():
        yield f"not told    {name:<38} {printable(why)}"
    if checkup.advisory:
        yield "note: advisory: no pinned organization layer stands behind these settings"


def _help(checkup: Checkup, probed: Probed) -> Iterator[str]:
    """The next step for each kind of gap."""
    missing = [permission for permission in checkup.permissions if permission.missing]
    if any(one.action == ENTER for one in missing):
        yield "help: the role must exist there, and its trust policy name the caller, the ExternalId and the organization"
    if probed.package and not probed.role and probed.account != probed.own:
        yield f"help: the package lies in {probed.account}: name the role to assume there with --role"
    denied = [one.action for one in missing if one.state == "denied" and one.action not in (ENTER, DECRYPT)]
    scanning = [one.action for one in checkup.scan if one.state == "denied"]
    denied += [action for action in scanning if not action.startswith(_ORGANIZATIONS)]
    if denied:
        names = ", ".join(dict.fromkeys(denied))
        yield f"help: grant {names} to {printable(probed.role or 'whoever reads')} (deploy/reader-role.yaml)"
    if any(action.startswith(_ORGANIZATIONS) for action in scanning):
        yield "help: Organizations answers the management account and delegated administrators only, or name `scan.accounts`"
    if "s3:GetObject" in denied:
        yield "help: S3 says the same of a missing object where s3:ListBucket is not granted on its bucket"
    if any(one.action == DECRYPT for one in missing):
        yield "help: grant kms:Decrypt on that key, in the role (ContentKeyArns) and in the policy of the key"
    if checkup.unproven:
        yield f"help: {', '.join(checkup.unproven)} can be tried on a package only: `modelwarden doctor ARN`"
    if any(one.state != "denied" for one in missing):
        yield "help: run again later what was not denied; `disabled` and `unreachable` may mean a mistyped region"
    if any(checkup.unset.values()):
        yield "help: `modelwarden init` proposes settings; [parameters] of the settings is where they stand"


def _count(checkup: Checkup) -> str:
    states = Counter(permission.state for permission in checkup.permissions)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    lost = {id_ for permission in checkup.permissions for id_ in permission.unknown}
    scanning = Counter(one.state for one in checkup.scan)
    scan = f"; for a scan {', '.join(f'{count} {state}' for state, count in scanning.items())}" if scanning else ""
    return (
        f"{len(checkup.permissions)} permissions: {told}; "
        f"{len(lost)} of {len(checkup.controls)} controls cannot be decided for want of one{scan}"
    )

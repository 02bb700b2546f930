"""Access keys, sessions and STS: who a request comes from, and who may become whom."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.wire import Refusal, Request
from modelwarden.sandbox.world import READER_ROLE, Call, Caller, Handler, World, access_denied

SECRET: Final = "sandbox-secret-which-is-no-secret"  # noqa: S105 - signatures are not checked
_COUNTER = itertools.count(1)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>[0-9]{12}):role/(?P<path>.*/)?(?P<name>[\w+=,.@-]+)")


def access_key(account: str) -> str:
    """The static key of an account: 20 characters, as AWS issues them."""
    return f"AKIA{account}SBOX"


def caller_of(request: Request, world: World) -> Caller:
    """Who signed the request.

    Raises:
        Refusal: nobody did, the key is unknown, or the session has expired.
    """
    key = request.access_key
    if found := world.sessions.get(key):
        if found.expires and found.expires < datetime.now(UTC):
            raise expired(request.service)
        return found
    match = re.fullmatch(r"AKIA([0-9]{12})SBOX", key)
    if match and is_member(match[1], world):
        return Caller(match[1], f"arn:aws:iam::{match[1]}:user/sandbox", f"AIDA{match[1]}SBOX")
    if found := _moto_user(key):
        return found
    codes = {"s3": "InvalidAccessKeyId", "sts": "InvalidClientTokenId", "ec2": "AuthFailure"}
    if not key:
        raise Refusal(
            "AccessDenied" if request.service == "s3" else "MissingAuthenticationToken",
            "Request is missing Authentication Token",
            403,
        )
    code = codes.get(request.service, "UnrecognizedClientException")
    status = 403 if request.service in ("s3", "sts", "ec2") else 400
    raise Refusal(code, "The security token included in the request is invalid.", status)


def expired(service: str) -> Refusal:
    """What a session that ran out is told."""
    code = {"s3": "ExpiredToken", "sts": "ExpiredToken", "ec2": "RequestExpired"}.get(service, "ExpiredTokenException")
    return Refusal(code, "The security token included in the request is expired", 403 if service == "sts" else 400)


def is_member(account: str, world: World) -> bool:
    """Whether the account is of the scenario, or was created by a client since."""
    if account in world.accounts:
        return True
    return any(
        one.id == account
        for one in moto("organizations.models").organizations_backends[world.management]["aws"].accounts
    )


def _moto_user(key: str) -> Caller | None:
    """A key that a client made with iam:CreateAccessKey."""
    iam_backends = moto("iam.models").iam_backends
    for account in list(iam_backends):
        backend = iam_backends[account]["aws"]
        if key in backend.access_keys and (user := backend.get_user_from_access_key_id(key)):
            return Caller(account, user.arn, user.id)
    return None


def _assume_role(call: Call) -> Mapping[str, Any]:
    arn, session = call.need("RoleArn"), call.need("RoleSessionName")
    match = _ROLE.fullmatch(arn)
    if match is None:
        raise Refusal("ValidationError", f"{arn} is invalid")
    account, name = match["account"], match["name"]
    if not _may_assume(call, account, name):
        text = f"User: {call.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise access_denied("sts", text)
    number = next(_COUNTER)
    key = f"ASIA{account}{_four(number)}"
    expires = datetime.now(UTC) + timedelta(seconds=int(call.parameters.get("DurationSeconds") or 3600))
    role_id = f"AROA{account}ROLE"
    assumed = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
    call.world.sessions[key] = Caller(account, assumed, f"{role_id}:{session}", expires)
    token = f"sandbox-session-{number}"
    credentials = {"AccessKeyId": key, "SecretAccessKey": SECRET, "SessionToken": token, "Expiration": expires}
    return {"Credentials": credentials, "AssumedRoleUser": {"AssumedRoleId": f"{role_id}:{session}", "Arn": assumed}}


def _four(number: int) -> str:
    """Four letters or digits, so that keys have AWS's length of 20."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "".join(digits[number // 36**place % 36] for place in (3, 2, 1, 0))


def _may_assume(call: Call, account: str, name: str) -> bool:
    given = call.parameters.get("ExternalId", "")
    known = call.world.accounts.get(account)
    if known and known.state != "ACTIVE":
        return False
    if known and known.reader_role and name == READER_ROLE:
        return known.external_id in ("", given)
    return any(_trusts(document, call.caller, given) for document in _trust_policies(account, name))


def _trust_policies(account: str, name: str) -> Iterable[Any]:
    """Trust policies of the roles that clients created under this name."""
    for role in moto("iam.models").iam_backends[account]["aws"].roles.values():
        if role.name == name:
            document = role.assume_role_policy_document
            yield json.loads(document) if isinstance(document, str) else document


def _trusts(document: Mapping[str, Any], caller: Caller, external_id: str) -> bool:
    """Principals and ExternalId only: the sandbox evaluates no other condition."""
    root = f"arn:aws:iam::{caller.account}:root"
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, dict) else principal
        names = {named} if isinstance(named, str) else set(named)
        wanted = statement.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId", external_id)
        if names & {"*", root, caller.account, caller.arn, _role_of(caller.arn)} and wanted == external_id:
            return bool(statement.get("Effect") == "Allow")
    return False


def _role_of(arn: str) -> str:
    """`arn:aws:sts::A:assumed-role/R/S` -> `arn:aws:iam::A:role/R`; any other ARN as it is."""
    parts = arn.split(":", 5)
    if len(parts) == 6 and parts[5].startswith("assumed-role/"):
        return f"arn:aws:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
    return arn


def _get_caller_identity(call: Call) -> Mapping[str, Any]:
    return {"UserId": call.caller.principal_id, "Account": call.caller.account, "Arn": call.caller.arn}


OPERATIONS: Final[dict[str, Handler]] = {"sts:AssumeRole": _assume_role, "sts:GetCallerIdentity": _get_caller_identity}

"""The steps of a waiver's life. Each says what to write, or why not; the clock and who acts are passed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from modelwarden.act import Act, check_text, person
from modelwarden.authz import refused_approver
from modelwarden.errors import UserError
from modelwarden.evidence import Unknown
from modelwarden.gate import severities_of
from modelwarden.period import end_of, utc
from modelwarden.request import Principal
from modelwarden.toml import quoted
from modelwarden.waivers.pack import Pack
from modelwarden.waivers.text import added, asked

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_NUMBERED: Final = re.compile(r"(?P<stem>.+)-r(?P<number>[1-9]\d{0,3})")


class Refused(UserError):
    """A step that may not be taken; nothing was written."""

    help = "`modelwarden waiver show ID` tells how it stands"


def actor(told: Principal | Unknown | None, name: str | None, now: datetime, reason: str | None = None) -> Act:
    """Who acts: the person that the credentials prove, else the name that was asserted.

    Raises:
        UserError: nobody is proven, or a role that names no person.
    """
    if name is not None:
        _check(name, "--as")
        return Act(name.strip(), now, "asserted", reason=reason)
    if told is None or isinstance(told, Unknown):
        why = f"{told.reason}{f': {told.detail}' if told.detail else ''}" if told else "not asked"
        raise UserError(
            f"who acts is not known: {why}", "set credentials, or assert a name with --as, which is marked so"
        )
    if told.kind != "person":
        raise UserError(
            f"`{told.principal}` names no person",
            "act as an IAM user or by IAM Identity Center, or assert a name with --as, which is marked so",
        )
    proven = told.state == "proven"
    return Act(told.identity, now, "caller" if proven else "asserted", told.principal if proven else None, reason)


def request(pack: Pack, fields: Mapping[str, Any], act: Act) -> Path:
    """Write a waiver that counts only once two persons have approved it; `fields` as its file spells them.

    Raises:
        UserError: the settings would refuse it, or it would have ended already.
    """
    id_ = fields["id"]
    if not _ID.fullmatch(id_):
        raise UserError(
            f"--id: {quoted(id_)} is no name of a file", "write letters, digits, `.`, `_` and `-`, at most 80 of them"
        )
    for name, value in fields.items():
        if isinstance(value, str):
            _check(value, f"--{name.replace('_', '-')}")
    if "pattern" in fields and "expected_packages" not in fields:
        raise UserError("a pattern needs --expected-packages", "say how many packages it is to cover at most")
    if end_of(fields["expires"], "--expires") <= act.at:
        raise UserError(f"--expires: {quoted(fields['expires'])} is over", "name a day to come")
    return pack.add(id_, asked(fields, act))


def approve(pack: Pack, id_: str, act: Act) -> tuple[Path, int]:
    """Add an approval; the path, and how many are still needed then.

    Raises:
        UserError: it is not waiting for one, the person may not, or did so already.
    """
    waiver = pack.find(id_)
    if waiver.requested is None:
        raise Refused(
            f"waiver {quoted(id_)} was not asked for by `modelwarden waiver request`",
            "its `approver` says who approved it",
        )
    state = waiver.state(act.at)
    if state != "requested":
        raise Refused(f"waiver {quoted(id_)} waits for no approval: it is {state}")
    for who, what in ((waiver.owner, "owns it"), (waiver.requested.by, "asked for it")):
        if person(who) == person(act.by):
            raise Refused(f"{quoted(act.by)} {what} and may not approve it", "let somebody else approve it")
    if any(person(one.by) == person(act.by) for one in waiver.approvals):
        raise Refused(f"{quoted(act.by)} approved waiver {quoted(id_)} already", "let somebody else approve it")
    rules = pack.rules(waiver, utc(act.at))
    house = pack.house
    refusal = refused_approver(house.bundle.authorizer, waiver, act.by, act.principal, rules, severities_of(house))
    if refusal:
        raise Refused(
            f"waiver {quoted(id_)}: {refusal}", "`waiver_approvers` and the like in the organization layer say who may"
        )
    return pack.append(waiver, added("approval", act)), waiver.needed - len(waiver.approvals) - 1


def renew(pack: Pack, id_: str, changes: Mapping[str, Any], act: Act) -> tuple[str, Path]:
    """Ask for a waiver that goes on with another one, which stays as it is; the new id and the path.

    Raises:
        UserError: the old one is break-glass or was revoked, or the settings would refuse the new one.
    """
    old = pack.find(id_)
    if old.break_glass:
        raise Refused(
            f"waiver {quoted(id_)} broke the glass, which is not renewed", "ask for a waiver, or break it anew"
        )
    if old.revoked is not None:
        raise Refused(f"waiver {quoted(id_)} was revoked by {old.revoked}", "ask for a new one")
    newer = next((one for one in pack.waivers if one.renews == id_ and one.revoked is None), None)
    if newer is not None:
        raise Refused(f"waiver {quoted(id_)} is renewed already by {quoted(newer.id)}", f"renew {quoted(newer.id)}")
    kind, value = old.target
    fields = {
        "id": _next(id_),
        kind: value,
        "account": old.account,
        "region": old.region,
        "expected_packages": old.expected_packages,
        "controls": old.controls,
        "unknown": old.unknown,
        "loud": old.loud,
        "owner": old.owner,
        "reason": old.reason,
        "ticket": old.ticket,
        "renews": id_,
    }
    said = {name: value for name, value in changes.items() if value is not None}
    given = {name: value for name, value in (fields | said).items() if value is not None}
    return given["id"], request(pack, given, act)


def revoke(pack: Pack, id_: str, act: Act) -> Path:
    """Take a waiver back for good; whoever does so only tightens, so everybody may.

    Raises:
        UserError: it was revoked already, or has no file of its own.
    """
    waiver = pack.find(id_)
    if waiver.revoked is not None:
        raise Refused(f"waiver {quoted(id_)} was revoked already by {waiver.revoked}")
    _check(act.reason or "", "--reason")
    return pack.append(waiver, added("revoked", act))


def _check(text: str, option: str) -> None:
    if not text.strip():
        raise UserError(f"{option} is empty", "write it in words")
    check_text(text, option)


def _next(id_: str) -> str:
    found = _NUMBERED.fullmatch(id_)
    return f"{found['stem']}-r{int(found['number']) + 1}" if found else f"{id_}-r2"

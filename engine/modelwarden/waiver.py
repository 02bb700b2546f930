"""Waivers: dated, owned, approved exceptions. A waiver never changes a finding; it changes what the decision does with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from msgspec import Struct

from modelwarden import toml
from modelwarden.act import APPROVALS, LIFE, Act, Life, check_person, parse_life, person
from modelwarden.finding import AppliedWaiver
from modelwarden.period import end_of, start_of
from modelwarden.scope import ACCOUNT, Subject
from modelwarden.toml import SettingsError, Table, quoted

State = Literal["live", "expired", "not yet granted", "ends too late", "requested", "revoked"]

LONGEST: Final = timedelta(days=366)
LONGEST_BREAK_GLASS: Final = timedelta(hours=72)
_LONGEST_DAYS: Final = LONGEST + timedelta(days=1)
"""The last day counts to its end."""

REQUIRED: Final = ("id", "controls", "expires", "owner", "approver", "reason", "ticket")
TARGETS: Final = ("package", "group", "pattern")
OPTIONAL: Final = ("account", "region", "granted", "unknown", "break_glass", "loud", "expected_packages", "renews")
_ARN_PARTS: Final = 6
_EXAMPLE: Final = "every waiver has " + ", ".join(REQUIRED) + ", and one of " + ", ".join(TARGETS)


class Waiver(Struct, frozen=True):
    """One exception."""

    id: str
    controls: tuple[str, ...]
    target: tuple[Literal["package", "group", "pattern"], str]
    account: str | None
    """Limits a group to one account; None: in every account."""
    region: str | None
    owner: str
    approvers: tuple[str, ...]
    reason: str
    ticket: str
    expires: str
    """As written: a date, which counts to its end (UTC), or a time."""
    ends: datetime
    """The first moment at which it no longer counts."""
    granted: datetime | None
    unknown: bool
    """Whether it covers unknown findings too."""
    break_glass: bool
    loud: bool
    """Whether reports put it first; always so for break-glass."""
    path: str
    """The file it stands in."""
    requested: Act | None = None
    """Who asked for it; None where it was written by hand."""
    approvals: tuple[Act, ...] = ()
    """Of one that was requested, in the order of time."""
    revoked: Act | None = None
    renews: str | None = None
    """Id of the waiver that it goes on with."""
    expected_packages: int | None = None
    """How many packages it was to cover at most, said when it was asked for."""

    @property
    def needed(self) -> int:
        """How many different persons must have approved it."""
        return APPROVALS if self.break_glass or self.requested is not None else 1

    @property
    def approved_by(self) -> str:
        """The approvers in words; says of each whose name was only asserted by `modelwarden waiver approve` that it was."""
        asserted = {act.by for act in self.approvals if act.proof == "asserted"}
        return ", ".join(f"{name} (asserted)" if name in asserted else name for name in self.approvers)

    def covers(self, subject: Subject, control_id: str) -> bool:
        """Whether it is about this package and control, live or not."""
        return control_id in self.controls and self._names(subject)

    def state(self, as_of: datetime | None) -> State:
        """Judged by the time of the request; a time that nobody could read finds every waiver expired.

        INVARIANT: what was revoked never counts again, whatever time is asked about.
        """
        if self.revoked is not None:
            return "revoked"
        if as_of is None or as_of >= self.ends:
            return "expired"
        if len(self.approvers) < self.needed:
            return "requested"
        if self.granted is None:
            # INVARIANT: no waiver counts for longer than LONGEST. One that does not say when it began counts from then on.
            return "live" if self.ends - as_of <= _LONGEST_DAYS else "ends too late"
        return "not yet granted" if as_of < self.granted else "live"

    def applied(self) -> AppliedWaiver:
        """What a decision keeps of it."""
        return AppliedWaiver(
            self.id, self.owner, self.approved_by, self.reason, self.expires, self.ticket, self.break_glass
        )

    def to_json(self) -> dict[str, Any]:
        """The waiver with all that reports print."""
        kind, value = self.target
        return {
            "id": self.id,
            kind: value,
            "account": self.account,
            "region": self.region,
            "controls": list(self.controls),
            "owner": self.owner,
            "approver": list(self.approvers),
            "reason": self.reason,
            "ticket": self.ticket,
            "granted": self.granted.isoformat() if self.granted else None,
            "expires": self.expires,
            "unknown": self.unknown,
            "break_glass": self.break_glass,
            "loud": self.loud,
            "path": self.path,
            **self._life(),
        }

    def _life(self) -> dict[str, Any]:
        """Left out where there is none, so that waivers that were recorded before keep their digest."""
        acts = {"requested": self.requested, "revoked": self.revoked}
        return {
            **{name: act.to_json() for name, act in acts.items() if act is not None},
            **({"approval": [act.to_json() for act in self.approvals]} if self.approvals else {}),
            **({"renews": self.renews} if self.renews is not None else {}),
            **({"expected_packages": self.expected_packages} if self.expected_packages is not None else {}),
        }

    def _names(self, subject: Subject) -> bool:
        kind, value = self.target
        if kind == "package":
            return subject.arn == value
        if kind == "pattern":
            return fnmatchcase(subject.arn, value)
        where = (self.account in (None, subject.account)) and (self.region in (None, subject.region))
        return where and subject.group is not None and subject.group.casefold() == value.casefold()


def parse_waivers(entries: Iterable[tuple[str, Any]], control_ids: Collection[str]) -> tuple[Waiver, ...]:
    """`entries` is (file, table); sorted by id.

    Raises:
        SettingsError: a field is missing, unknown or mistyped, an id occurs twice, it lasts too long, or nobody but
            the owner approved it.
    """
    found: dict[str, Waiver] = {}
    for path, entry in entries:
        waiver = _waiver(entry, path, control_ids)
        if waiver.id in found:
            raise SettingsError(
                f"{path}: waiver {quoted(waiver.id)} exists already in {found[waiver.id].path}", "give it another id"
            )
        found[waiver.id] = waiver
    for waiver in found.values():
        if waiver.renews is not None and (waiver.renews not in found or waiver.renews == waiver.id):
            raise SettingsError(
                f"{waiver.path}: waiver {quoted(waiver.id)}: renews {quoted(waiver.renews)}, which does not exist",
                "waivers that ended stay on file; `renews` names one of them",
            )
    return tuple(found[id_] for id_ in sorted(found))


def _waiver(entry: Any, path: str, control_ids: Collection[str]) -> Waiver:
    raw = toml.table(entry, f"{path}: waiver", (*REQUIRED, *TARGETS, *OPTIONAL, *LIFE))
    where = f"{path}: waiver {quoted(raw['id'])}" if isinstance(raw.get("id"), str) else f"{path}: waiver"
    life = parse_life(raw, where)
    for name in REQUIRED:
        if name not in raw and not (name == "approver" and life.requested):
            raise SettingsError(f"{where}: `{name}` is missing", _EXAMPLE)
    controls = toml.texts(raw["controls"], f"{where}: `controls`")
    for id_ in controls:
        if id_ not in control_ids:
            raise SettingsError(f"{where}: unknown control {quoted(id_)}", toml.suggest(id_, control_ids))
    account = toml.text(raw["account"], f"{where}: `account`") if "account" in raw else None
    if account is not None and not ACCOUNT.fullmatch(account):
        raise SettingsError(f"{where}: {quoted(account)} is not an account id", "write 12 digits in quotes")
    break_glass = toml.flag(raw.get("break_glass", False), f"{where}: `break_glass`")
    owner, approvers = _people(raw, where, break_glass, life)
    granted = start_of(raw["granted"], f"{where}: `granted`") if "granted" in raw else life.granted
    ends = end_of(raw["expires"], f"{where}: `expires`")
    _check_length(granted if life.requested is None else life.requested.at, ends, break_glass, where)
    return Waiver(
        id=toml.text(raw["id"], f"{where}: `id`"),
        controls=controls,
        target=_target(raw, where),
        account=account,
        region=toml.text(raw["region"], f"{where}: `region`") if "region" in raw else None,
        owner=owner,
        approvers=approvers,
        reason=toml.text(raw["reason"], f"{where}: `reason`"),
        ticket=toml.text(raw["ticket"], f"{where}: `ticket`"),
        expires=str(toml.plain(raw["expires"])),
        ends=ends,
        granted=granted,
        unknown=toml.flag(raw.get("unknown", False), f"{where}: `unknown`"),
        break_glass=break_glass,
        loud=break_glass or toml.flag(raw.get("loud", False), f"{where}: `loud`"),
        path=path,
        requested=life.requested,
        approvals=life.approvals,
        revoked=life.revoked,
        renews=toml.text(raw["renews"], f"{where}: `renews`") if "renews" in raw else None,
        expected_packages=_expected(raw, where),
    )


def _target(raw: Table, where: str) -> tuple[Literal["package", "group", "pattern"], str]:
    given = [name for name in TARGETS if name in raw]
    if len(given) != 1:
        what = "names none of" if not given else "names more than one of"
        raise SettingsError(f"{where}: {what} package, group, pattern", "say which packages it is about, in one way")
    name = given[0]
    value = toml.text(raw[name], f"{where}: `{name}`")
    if name != "group" and ("account" in raw or "region" in raw):
        raise SettingsError(f"{where}: `account` and `region` belong to `group`", f"`{name}` holds both already")
    if name != "group" and not value.startswith("arn:"):
        raise SettingsError(
            f"{where}: {quoted(value)} does not begin with `arn:`", "write the ARN of the model package"
        )
    if name == "package" and any(char in value for char in "*?["):
        raise SettingsError(f"{where}: `package` is one ARN, not a pattern", "write it as `pattern`")
    if name == "pattern" and not _names_a_group(value):
        raise SettingsError(
            f"{where}: `pattern` {quoted(value)} names no group: it would cover every package",
            "spell a part of the group, as in arn:aws:sagemaker:*:111122223333:model-package/churn*/*",
        )
    return name, value


def _names_a_group(pattern: str) -> bool:
    """Whether it spells a letter or a digit of the group's name; `[...]` spells none."""
    parts = pattern.split(":", 5)
    kind, _, rest = parts[-1].partition("/")
    literal = re.sub(r"\[[^]]*\]", "", rest.partition("/")[0])
    return len(parts) == _ARN_PARTS and kind == "model-package" and any(map(str.isalnum, literal))


def _expected(raw: Table, where: str) -> int | None:
    value = raw.get("expected_packages")
    if value is None:
        return None
    if "package" in raw:
        raise SettingsError(
            f"{where}: `expected_packages` belongs to `group` and `pattern`", "`package` is one already"
        )
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingsError(
            f"{where}: `expected_packages`: a whole number from 1 is expected, not {quoted(value)}",
            "say how many packages it is to cover at most",
        )
    return value


def _people(raw: Table, where: str, break_glass: bool, life: Life) -> tuple[str, tuple[str, ...]]:
    owner = toml.text(raw["owner"], f"{where}: `owner`")
    approvers = (
        toml.texts(raw["approver"], f"{where}: `approver`")
        if life.requested is None
        else tuple(act.by for act in life.approvals)
    )
    for name, who in (("owner", owner), *(("approver", one) for one in approvers)):
        check_person(who, f"{where}: `{name}`")
    people = set(map(person, approvers))
    if person(owner) in people:
        raise SettingsError(f"{where}: the owner {quoted(owner)} approved it", "let somebody else approve it")
    if break_glass and life.requested is None and len(people) < APPROVALS:
        raise SettingsError(f"{where}: break-glass needs two approvers", 'write approver = ["one", "other"]')
    return owner, approvers


def _check_length(granted: datetime | None, ends: datetime, break_glass: bool, where: str) -> None:
    if granted is None:
        if break_glass:
            raise SettingsError(f"{where}: `granted` is missing", "break-glass counts hours: say when it was granted")
        return
    if ends <= granted:
        raise SettingsError(f"{where}: expires before it was granted", "correct `granted` or `expires`")
    if break_glass and ends - granted > LONGEST_BREAK_GLASS:
        raise SettingsError(f"{where}: break-glass lasts longer than 72 hours", "shorten it, or make it a waiver")
    if ends - granted > _LONGEST_DAYS:
        raise SettingsError(f"{where}: lasts longer than {LONGEST.days} days", "shorten it and review it then")

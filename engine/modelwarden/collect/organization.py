"""Which accounts and regions a scan is to read: Organizations and the accounts themselves say it.

INVARIANT: an account is left out only on AWS's word (its state, unit or tags, as they were read) or by its id. What
could not be read never makes the scan smaller: such an account is expected, and a row says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from msgspec import Struct, field, structs

from modelwarden.collect.aws import GLOBAL, OWN, Answer, Aws, Failure
from modelwarden.collect.text import whole
from modelwarden.estate import ACCOUNT, REGION, Account, Estate, Scan
from modelwarden.evidence import Source
from modelwarden.snapshot import LedgerRow

__all__ = ["Account", "Estate", "discover"]

_REGION: Final = "us-east-1"
"""Where the caller is at home when nothing says it."""
_PAGES: Final = 1_000
_ACCOUNTS_AT_ONCE: Final = 16
"""Of which it is asked which regions are enabled."""
_ROUNDS: Final = 2
"""A token that is refused or comes back again starts the list anew, once."""
_AT_ONCE: Final = 4
"""Calls to Organizations, which throttles early."""
_UNITS: Final = "organizations:ListOrganizationalUnitsForParent"
_MEMBERS: Final = "organizations:ListAccountsForParent"


def discover(aws: Aws, scan: Scan) -> Estate:
    """The estate of a scan. Where Organizations names no account, there are no cells and `unread` says why.

    Raises:
        NoCredentials: there is nobody to call AWS as.
    """
    home = aws.home(_REGION)
    own = aws.own_account(home)
    organization = _Organization(aws, OWN if isinstance(own, Failure) else own, home)
    found = _Found({}, [], [])
    if scan.accounts:
        found.expect(Account(id_) for id_ in scan.accounts)
    else:
        _ask_organization(organization, scan, found)
    found.unread += _no_hub(scan.hub, found)
    cells = [(account, region) for account in found.expected for region in scan.regions]
    if not scan.regions:
        with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE) as pool:
            for account, told in zip(
                found.expected, pool.map(partial(_regions, aws, home), found.expected), strict=True
            ):
                if isinstance(told, Failure):
                    found.unread.append(_unread(account, told))
                # The account shows as not read in the one region that is known.
                cells += [(account, region) for region in ((home,) if isinstance(told, Failure) else told)]
    return Estate(
        tuple(account for _, account in sorted(found.accounts.items())),
        tuple(sorted(set(cells))),
        tuple(sorted(found.skipped, key=_place)),
        tuple(sorted(found.unread, key=_place)),
        "settings" if scan.accounts else "organization",
        scan.hub,
        scan.narrowed_by,
    )


class _Found(Struct):
    """What is known so far."""

    accounts: dict[str, Account]
    skipped: list[LedgerRow]
    unread: list[LedgerRow]
    expected: list[str] = field(default_factory=list)

    def expect(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self.accounts[account.id] = account
            self.expected.append(account.id)

    def skip(self, account: Account, why: str) -> None:
        self.accounts[account.id] = account
        self.skipped.append(LedgerRow(account.id, GLOBAL, "", "skipped", 0, 0.0, why))


class _Units(Struct):
    """Where accounts stand in the tree of units, as far as it was read."""

    of: dict[str, str] = field(default_factory=dict)
    """Account id -> path; empty directly below the root."""
    paths: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)


class _Organization(Struct, frozen=True):
    """Organizations, asked with the caller's own credentials."""

    aws: Aws
    account: str
    home: str

    def pages(self, operation: str, member: str, **given: Any) -> tuple[list[Mapping[str, Any]], Failure | None]:
        """(what the pages list, some of it perhaps twice; why that may not be all)."""
        listed: list[Mapping[str, Any]] = []
        failure, again = self._pages(operation, member, given, listed)
        for _ in range(_ROUNDS - 1):
            if again:
                failure, again = self._pages(operation, member, given, listed)
        return listed, failure

    def _pages(
        self, operation: str, member: str, given: Mapping[str, Any], listed: list[Mapping[str, Any]]
    ) -> tuple[Failure | None, bool]:
        """(why the list did not come to its end, whether a token is to blame)."""
        token: dict[str, str] = {}
        seen: set[str] = set()
        for _ in range(_PAGES):
            answer = self.aws.call(self.account, self.home, "organizations", operation, **given, **token)
            if isinstance(answer, Failure):
                return answer, bool(token) and answer.state == "malformed"
            listed += answer.data[member]
            following = answer.data.get("NextToken")
            if not following:
                return None, False
            if following in seen:
                return _malformed(answer.source, "the list comes back to a page that was read"), True
            seen.add(following)
            token = {"NextToken": following}
        return _malformed(answer.source, f"more than {_PAGES} pages"), False

    def children(self, parent: str) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]], list[Failure]]:
        """(units, accounts) of a unit or root, and why there may be more."""
        units, unread = self.pages("ListOrganizationalUnitsForParent", "OrganizationalUnits", ParentId=parent)
        accounts, unread_too = self.pages("ListAccountsForParent", "Accounts", ParentId=parent)
        return units, accounts, [failure for failure in (unread, unread_too) if failure is not None]

    def tags(self, account: Account) -> tuple[dict[str, str], Failure | None]:
        listed, failure = self.pages("ListTagsForResource", "Tags", ResourceId=account.id)
        return {whole(one.get("Key", "")): whole(one.get("Value", "")) for one in listed}, failure


def _ask_organization(organization: _Organization, scan: Scan, found: _Found) -> None:
    listed, failure = organization.pages("ListAccounts", "Accounts")
    source = Source("organizations:ListAccounts")
    if failure is None and not listed:
        failure = Failure("denied", "", "ListAccounts answered with no account", source)
    elif failure is None and not all(ACCOUNT.fullmatch(one.get("Id", "")) for one in listed):
        failure = _malformed(source, "an account without an id")
    if failure is not None:
        found.unread.append(_unread(organization.account, failure))
    if not listed:
        return
    units = _walk(organization)
    if not units.failures:
        found.unread += [_no_unit(organization.account, unit) for unit in scan.units if unit not in units.paths]
    chosen: list[Account] = []
    for account in _accounts(listed, units):
        why = _left_out(account, scan)
        if why:
            found.skip(account, why)
            continue
        chosen.append(account)
        if scan.units and not account.placed:
            found.unread.append(_unplaced(account.id, units))
    _choose_by_tags(organization, scan, chosen, found)


def _accounts(listed: Iterable[Mapping[str, Any]], units: _Units) -> Iterable[Account]:
    accounts = {
        one["Id"]: Account(
            one["Id"],
            whole(one.get("Name", "")),
            # `Status` retired in 2026; it knows less than `State`.
            whole(one.get("State") or one.get("Status") or ""),
            units.of.get(one["Id"], ""),
            at_root=units.of.get(one["Id"]) == "",
        )
        for one in listed
        if ACCOUNT.fullmatch(one.get("Id", ""))
    }
    return accounts.values()


def _left_out(account: Account, scan: Scan) -> str:
    """Why an account is not scanned; empty where it is. A unit that is not known leaves nothing out."""
    if account.state not in ("", "ACTIVE"):
        return f"state:{account.state}"
    if account.id in scan.exclude_accounts:
        return "config:exclude_accounts"
    outside = account.placed and not any(f"{account.unit}/".startswith(f"{unit}/") for unit in scan.units)
    return "config:units" if scan.units and outside else ""


def _choose_by_tags(organization: _Organization, scan: Scan, accounts: list[Account], found: _Found) -> None:
    if not scan.tags:
        found.expect(accounts)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for account, (tags, failure) in zip(accounts, pool.map(organization.tags, accounts), strict=True):
            tagged = structs.replace(account, tags=tags)
            if failure is None and not scan.tags.items() <= tags.items():
                found.skip(tagged, "config:tags")
                continue
            found.expect([tagged])
            if failure is not None:
                found.unread.append(_unread(account.id, failure, "scanned, since its tags are not known"))


def _walk(organization: _Organization) -> _Units:
    """The tree of units, level by level; what a failure hides is neither in `of` nor in `paths`."""
    roots, failure = organization.pages("ListRoots", "Roots")
    found = _Units(failures=[] if failure is None else [failure])
    if not roots and failure is None:
        found.failures.append(_malformed(Source("organizations:ListRoots"), "an organization without a root"))
    level = {one.get("Id", ""): "" for one in roots}
    walked: set[str] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while level:
            walked |= set(level)
            below: dict[str, str] = {}
            for path, (units, accounts, failures) in zip(
                level.values(), pool.map(organization.children, level), strict=True
            ):
                found.failures += failures
                found.of |= {one.get("Id", ""): path for one in accounts}
                for unit in units:
                    if not unit.get("Id") or not unit.get("Name"):
                        found.failures.append(_malformed(Source(_UNITS), "a unit without an id or a name"))
                    elif unit["Id"] not in walked:
                        below[unit["Id"]] = f"{path}/{whole(unit['Name'])}".removeprefix("/")
            found.paths |= set(below.values())
            level = below
    return found


def _regions(aws: Aws, home: str, account: str) -> list[str] | Failure:
    """The regions that are enabled in an account, by its own word."""
    failure = aws.enter(account, home)
    if failure is not None:
        return failure
    if not aws.acts_as(account):
        source = Source("sts:AssumeRole")
        return Failure("denied", "", "the credentials are of another account, and no `role` to assume is named", source)
    answer = aws.call(account, home, "ec2", "DescribeRegions")
    return answer if isinstance(answer, Failure) else _enabled(answer)


def _enabled(answer: Answer) -> list[str] | Failure:
    listed = [one for one in answer.data["Regions"] if one.get("OptInStatus") != "not-opted-in"]
    names = [one.get("RegionName", "") for one in listed]
    if not names:
        return _malformed(answer.source, "DescribeRegions answered with no region")
    if not all(REGION.fullmatch(name) for name in names):
        return _malformed(answer.source, "a region without a name")
    return names


def _malformed(source: Source, why: str) -> Failure:
    return Failure("malformed", "", why, source)


def _unread(account: str, failure: Failure, then: str = "") -> LedgerRow:
    error = ": ".join(filter(None, (failure.code, failure.message)))
    # That something does not exist is no answer to which accounts and regions there are.
    state = "incomplete" if failure.state == "read" else failure.state
    request = failure.source.request_id or ""
    shown = f"{error[: 298 - len(then)]}; {then}" if then else error[:300]
    return LedgerRow(account, GLOBAL, failure.source.api, state, 0, 0.0, shown, request)


def _unplaced(account: str, units: _Units) -> LedgerRow:
    """Why an account is expected although nobody knows whether it is in one of the units."""
    failure = Failure("incomplete", "", "no unit lists the account", Source(_MEMBERS))
    return _unread(account, next(iter(units.failures), failure), "scanned, since its unit is not known")


def _no_unit(account: str, unit: str) -> LedgerRow:
    """A unit that nobody finds leaves accounts out that were meant."""
    failure = Failure("incomplete", "", f"there is no unit `{unit}`, which `scan.units` names", Source(_UNITS))
    return _unread(account, failure)


def _no_hub(hub: str, found: _Found) -> list[LedgerRow]:
    """A hub that is not scanned leaves the packages out that all others use; no row where there is none, or it is."""
    if not hub or hub in found.expected:
        return []
    why = next((row.error for row in found.skipped if row.account == hub), "")
    said = f"left out: {why}" if why else "no account of the organization that was listed"
    failure = Failure(
        "incomplete", "", f"the hub, which `scan.hub` names, is {said}", Source("organizations:ListAccounts")
    )
    return [_unread(hub, failure)]


def _place(row: LedgerRow) -> tuple[str, str, str, str]:
    return row.account, row.region, row.api, row.error

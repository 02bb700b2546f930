"""What a scan is expected to read. Whatever goes wrong on the way, the estate gets no smaller without a row that says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.session import get_session
from msgspec import structs

from modelwarden.collect import Collector
from modelwarden.collect.answer import Answer
from modelwarden.collect.organization import Account, Estate, discover
from modelwarden.estate import Scan
from modelwarden.evidence import Source
from modelwarden.snapshot import LedgerRow

from .conftest import Organization
from .wire import Said, Wire, identity, of_json, of_xml

HOME = "eu-west-1"
MANAGEMENT, SUSPENDED, LOCKED_OUT = "111111111111", "999900001111", "121212121212"
UNITS = {
    MANAGEMENT: "",
    "222222222222": "Platform",
    "333333333333": "Platform",
    "111122223333": "Workloads/Commerce",
    "666677778888": "Workloads/Commerce",
    "888899990000": "Workloads/Commerce",
    "444455556666": "Workloads/Finance",
    "555566667777": "Workloads/Finance",
    "777788889999": "Workloads/Finance",
    "101010101010": "Workloads",
    SUSPENDED: "Workloads",
    LOCKED_OUT: "Workloads",
}
ACTIVE = sorted(set(UNITS) - {SUSPENDED})
FINANCE = ["444455556666", "555566667777", "777788889999"]
SUSPENDED_ROW = LedgerRow(SUSPENDED, "global", "", "skipped", 0, 0.0, "state:SUSPENDED")
ONE = ("eu-west-1",)


def found(organization: Organization, scan: Scan | None = None, **how: Any) -> Estate:
    return discover(organization.collector(**how).aws, scan or Scan())


def expected(estate: Estate) -> list[str]:
    return sorted({account for account, _ in estate.cells})


def rows(rows: tuple[LedgerRow, ...]) -> list[tuple[str, str, str, str]]:
    """(account, API, state, error), the error without what the sandbox makes up."""
    return [(row.account, row.api, row.state, row.error.split(": User")[0]) for row in rows]


def asked(organization: Organization) -> dict[str, int]:
    told: dict[str, int] = organization.ask("GET", "stats")["operations"]
    return told


def fail(organization: Organization, kind: str, op: str, **how: Any) -> None:
    organization.ask("POST", "faults", {"kind": kind, "op": op, **how})


def test_the_estate_of_the_demo(organization: Organization) -> None:
    collector = organization.collector()
    estate = discover(collector.aws, Scan())
    assert estate.source == "organization"
    assert {one.id: one.unit for one in estate.accounts} == UNITS
    assert {one.id for one in estate.accounts if one.at_root} == {id_ for id_, unit in UNITS.items() if not unit}
    assert [one.id for one in estate.accounts] == sorted(UNITS)
    assert estate.accounts[0] == Account("101010101010", "hospital-ml", "ACTIVE", "Workloads")
    assert expected(estate) == ACTIVE
    assert estate.cells == tuple(sorted(set(estate.cells)))
    of = {account: [region for one, region in estate.cells if one == account] for account in ACTIVE}
    assert of.pop(LOCKED_OUT) == [HOME]
    assert {len(regions) for regions in of.values()} == {17}
    assert {"eu-west-1", "us-east-1"} <= set(of[MANAGEMENT])
    assert estate.skipped == (SUSPENDED_ROW,)
    assert rows(estate.unread) == [(LOCKED_OUT, "sts:AssumeRole", "denied", "AccessDenied")]
    assert estate.unread[0].region == "global"
    assert estate.unread[0].request_id

    told = {(row.account, row.api): row.state for row in collector.ledger}
    assert [one for one, api in told if api == "ec2:DescribeRegions"] == [one for one in ACTIVE if one != LOCKED_OUT]
    assert told[LOCKED_OUT, "sts:AssumeRole"] == "denied"
    assert told[MANAGEMENT, "organizations:ListAccounts"] == "read"
    assert (MANAGEMENT, "sts:AssumeRole") not in told, (
        "the management account is read with the caller's own credentials"
    )
    assert not {account for account, _ in told} & {SUSPENDED}
    assert "organizations:ListTagsForResource" not in asked(organization), "tags are read only where a scan needs them"


def test_regions_of_the_settings_are_those_of_every_account_and_nobody_is_asked(organization: Organization) -> None:
    estate = found(organization, Scan(regions=("us-east-1", "eu-west-1")))
    assert estate.cells == tuple((account, region) for account in ACTIVE for region in ("eu-west-1", "us-east-1"))
    assert estate.unread == ()
    assert {"sts:AssumeRole", "ec2:DescribeRegions"}.isdisjoint(asked(organization))


def test_accounts_of_the_settings_stand_instead_of_the_organization(organization: Organization) -> None:
    estate = found(organization, Scan(accounts=("444455556666", MANAGEMENT, LOCKED_OUT)))
    assert estate.source == "settings"
    assert estate.accounts == (Account(MANAGEMENT), Account(LOCKED_OUT), Account("444455556666"))
    assert expected(estate) == [MANAGEMENT, LOCKED_OUT, "444455556666"]
    assert len(estate.cells) == 17 + 1 + 17
    assert (estate.skipped, len(estate.unread)) == ((), 1)
    assert not [api for api in asked(organization) if api.startswith("organizations:")]


def test_excluded_accounts_are_skipped_and_a_suspended_one_stays_suspended(organization: Organization) -> None:
    estate = found(organization, Scan(exclude_accounts=("222222222222", SUSPENDED, "000000000000"), regions=ONE))
    assert expected(estate) == [one for one in ACTIVE if one != "222222222222"]
    assert estate.skipped == (
        LedgerRow("222222222222", "global", "", "skipped", 0, 0.0, "config:exclude_accounts"),
        SUSPENDED_ROW,
    )
    assert len(estate.accounts) == 12
    assert estate.unread == ()


@pytest.mark.parametrize(
    ("hub", "scan", "why"),
    [
        ("444455556666", Scan(units=("Platform",)), "left out: config:units"),
        (SUSPENDED, Scan(), "left out: state:SUSPENDED"),
        ("000000000000", Scan(), "no account of the organization that was listed"),
        ("222222222222", Scan(units=("Platform",)), ""),
    ],
)
def test_a_hub_that_is_not_scanned_is_a_hole(organization: Organization, hub: str, scan: Scan, why: str) -> None:
    estate = found(organization, structs.replace(scan, hub=hub, regions=ONE))
    assert estate.hub == hub
    said = f"the hub, which `scan.hub` names, is {why}"
    assert rows(estate.unread) == ([(hub, "organizations:ListAccounts", "incomplete", said)] if why else [])


@pytest.mark.parametrize(
    ("units", "accounts"),
    [
        (("Workloads/Finance",), FINANCE),
        (("Workloads",), [one for one in ACTIVE if UNITS[one].startswith("Workloads")]),
        (("Platform", "Workloads/Finance"), sorted([*FINANCE, "222222222222", "333333333333"])),
    ],
)
def test_a_unit_stands_for_everything_below_it(
    organization: Organization, units: tuple[str, ...], accounts: list[str]
) -> None:
    estate = found(organization, Scan(units=units, regions=ONE))
    assert expected(estate) == accounts
    left_out = {row.account: row.error for row in estate.skipped}
    assert left_out == {SUSPENDED: "state:SUSPENDED"} | {one: "config:units" for one in ACTIVE if one not in accounts}
    assert estate.unread == ()


def test_a_unit_that_does_not_exist_is_no_quiet_way_to_scan_nothing(organization: Organization) -> None:
    """Also `Work`, which only begins like `Workloads`."""
    estate = found(organization, Scan(units=("Finance", "Work"), regions=ONE))
    assert estate.cells == ()
    assert rows(estate.unread) == [
        (
            MANAGEMENT,
            "organizations:ListOrganizationalUnitsForParent",
            "incomplete",
            f"there is no unit `{unit}`, which `scan.units` names",
        )
        for unit in ("Finance", "Work")
    ]


@pytest.fixture
def tagged(organization: Organization) -> Iterator[Organization]:
    """Two accounts are live, one of them in Europe."""
    client = get_session().create_client("organizations")
    tags = {"444455556666": {"stage": "live", "area": "eu"}, "555566667777": {"stage": "live"}}
    for account, pairs in tags.items():
        client.tag_resource(ResourceId=account, Tags=[{"Key": key, "Value": value} for key, value in pairs.items()])
    organization.ask("DELETE", "stats")
    yield organization
    organization.ask("DELETE", "faults")
    for account, pairs in tags.items():
        client.untag_resource(ResourceId=account, TagKeys=list(pairs))


def test_only_accounts_with_all_the_tags_are_scanned(tagged: Organization) -> None:
    estate = found(tagged, Scan(tags={"stage": "live"}, exclude_accounts=("222222222222",), regions=ONE))
    assert expected(estate) == ["444455556666", "555566667777"]
    assert {one.id: one.tags for one in estate.accounts if one.tags} == {
        "444455556666": {"stage": "live", "area": "eu"},
        "555566667777": {"stage": "live"},
    }
    why = {row.account: row.error for row in estate.skipped}
    assert (why[MANAGEMENT], why["222222222222"]) == ("config:tags", "config:exclude_accounts")
    assert estate.unread == ()
    assert asked(tagged)["organizations:ListTagsForResource"] == 10, (
        "accounts that are left out anyway are not asked about"
    )
    both = found(tagged, Scan(tags={"stage": "live", "area": "eu"}, regions=ONE))
    assert expected(both) == ["444455556666"]
    assert expected(found(tagged, Scan(tags={"stage": "LIVE"}, regions=ONE))) == []


def test_an_account_whose_tags_were_not_read_is_scanned(tagged: Organization) -> None:
    fail(tagged, "deny", "organizations:ListTagsForResource")
    estate = found(tagged, Scan(tags={"stage": "live"}, regions=ONE))
    assert expected(estate) == ACTIVE
    assert estate.skipped == (SUSPENDED_ROW,)
    assert [(row.account, row.api, row.state) for row in estate.unread] == [
        (account, "organizations:ListTagsForResource", "denied") for account in ACTIVE
    ]
    assert all(row.error.endswith("; scanned, since its tags are not known") for row in estate.unread)


STATES = {
    "deny": "denied",
    "throttle": "throttled",
    "expired": "expired",
    "500": "unreachable",
    "drop": "unreachable",
    "html": "malformed",
    "empty": "malformed",
    "malform": "malformed",
}


@pytest.mark.parametrize("kind", STATES)
def test_without_the_list_of_accounts_nothing_is_expected_and_a_row_says_why(
    organization: Organization, kind: str
) -> None:
    fail(organization, kind, "organizations:ListAccounts")
    estate = found(organization)
    assert (estate.accounts, estate.cells, estate.skipped) == ((), (), ())
    told = [(row.account, row.region, row.api, row.state) for row in estate.unread]
    assert told == [(MANAGEMENT, "global", "organizations:ListAccounts", STATES[kind])]
    assert estate.unread[0].error


def test_a_member_may_not_ask(organization: Organization) -> None:
    session = get_session()
    session.set_credentials("AKIA222222222222SBOX", "sandbox-secret-which-is-no-secret")
    estate = discover(Collector(role="ModelwardenReader", retries=0, session=session).aws, Scan())
    assert estate.cells == ()
    assert rows(estate.unread) == [("222222222222", "organizations:ListAccounts", "denied", "AccessDeniedException")]


UNIT_CALLS = ("ListRoots", "ListOrganizationalUnitsForParent", "ListAccountsForParent")


@pytest.mark.parametrize("operation", UNIT_CALLS)
@pytest.mark.parametrize("kind", ["deny", "malform"])
def test_an_account_whose_unit_is_not_known_is_scanned(organization: Organization, kind: str, operation: str) -> None:
    fail(organization, kind, f"organizations:{operation}")
    estate = found(organization, Scan(units=("Workloads/Finance",), regions=ONE))
    # Whoever is known to stand directly below the root is outside of the unit.
    hidden = [one for one in ACTIVE if one != MANAGEMENT or operation != "ListOrganizationalUnitsForParent"]
    assert expected(estate) == hidden
    assert [(row.account, row.api, row.state) for row in estate.unread] == [
        (account, f"organizations:{operation}", STATES[kind]) for account in hidden
    ]
    assert all(row.error.endswith("; scanned, since its unit is not known") for row in estate.unread)


def test_one_branch_that_was_not_read_costs_its_own_accounts_only(organization: Organization) -> None:
    """The first question for accounts is that for the root's."""
    fail(organization, "deny", "organizations:ListAccountsForParent", times=1)
    estate = found(organization, Scan(units=("Workloads/Finance",), regions=ONE))
    assert expected(estate) == [MANAGEMENT, *FINANCE]
    assert [row.account for row in estate.unread] == [MANAGEMENT]


@pytest.mark.parametrize("operation", UNIT_CALLS)
def test_units_that_nobody_asks_for_may_stay_unknown(organization: Organization, operation: str) -> None:
    fail(organization, "deny", f"organizations:{operation}")
    collector = organization.collector()
    estate = discover(collector.aws, Scan(regions=ONE))
    assert expected(estate) == ACTIVE
    assert estate.unread == ()
    assert {one.unit for one in estate.accounts} == {""}
    # Those directly below the root are known where only the units in it are not.
    placed = {one.id for one in estate.accounts if one.placed}
    assert placed == ({MANAGEMENT} if operation == "ListOrganizationalUnitsForParent" else set())
    denied = [row.api for row in collector.ledger if row.state == "denied"]
    assert denied == [f"organizations:{operation}"], "the ledger says it"


@pytest.mark.parametrize(("kind", "state"), [*STATES.items(), ("cut", "malformed")])
def test_regions_that_were_not_read_are_not_no_regions(organization: Organization, kind: str, state: str) -> None:
    account = "444455556666"
    fail(organization, kind, "ec2:DescribeRegions", account=account)
    estate = found(organization)
    assert expected(estate) == ACTIVE
    assert [region for one, region in estate.cells if one == account] == [HOME]
    assert len(estate.cells) == 9 * 17 + 2
    told = [(row.account, row.region, row.api, row.state) for row in estate.unread]
    assert told == [
        (LOCKED_OUT, "global", "sts:AssumeRole", "denied"),
        (account, "global", "ec2:DescribeRegions", state),
    ]


def test_without_a_role_to_assume_other_accounts_are_not_read_by_mistake(organization: Organization) -> None:
    """The caller's own regions are no word of another account."""
    estate = found(organization, Scan(accounts=(MANAGEMENT, "444455556666")), role=None)
    assert [region for one, region in estate.cells if one == "444455556666"] == [HOME]
    assert len(estate.cells) == 18
    assert rows(estate.unread) == [
        (
            "444455556666",
            "sts:AssumeRole",
            "denied",
            "the credentials are of another account, and no `role` to assume is named",
        )
    ]


def test_a_caller_whose_account_is_not_known_still_has_accounts_to_read(organization: Organization) -> None:
    fail(organization, "deny", "sts:GetCallerIdentity")
    estate = found(organization)
    assert estate.cells == tuple((account, HOME) for account in ACTIVE)
    assert {(row.account, row.api, row.state) for row in estate.unread} == {
        (account, "sts:GetCallerIdentity", "denied") for account in ACTIVE
    }


def test_a_token_that_is_refused_starts_the_list_anew(organization: Organization) -> None:
    fail(organization, "bad-token", "organizations:ListAccounts", times=1)
    estate = found(organization, Scan(regions=ONE))
    assert expected(estate) == ACTIVE
    assert len(estate.accounts) == 12
    assert estate.unread == ()
    assert asked(organization)["organizations:ListAccounts"] == 3


def test_a_token_that_comes_back_again_is_malformed_and_what_was_read_stays(organization: Organization) -> None:
    fail(organization, "bad-token", "organizations:ListAccounts")
    estate = found(organization, Scan(regions=ONE))
    assert expected(estate) == ACTIVE
    assert rows(estate.unread) == [
        (MANAGEMENT, "organizations:ListAccounts", "malformed", "the list comes back to a page that was read")
    ]
    assert asked(organization)["organizations:ListAccounts"] == 4


OWN = identity(MANAGEMENT, f"arn:aws:iam::{MANAGEMENT}:user/ada")
ROOT = {"Roots": [{"Id": "r-1", "Name": "Root"}]}


def account(number: int, **members: Any) -> dict[str, Any]:
    return {"Id": f"{number:012}", "Name": f"account {number}", **members}


def page(*accounts: Mapping[str, Any], token: str | None = None) -> Said:
    return of_json({"Accounts": list(accounts), **({"NextToken": token} if token else {})})


def by_wire(scan: Scan, **answers: Said | list[Said]) -> tuple[Estate, Wire]:
    """What is found where Organizations answers so; units are not told unless given."""
    wire = Wire(
        {"sts:GetCallerIdentity": OWN} | {f"organizations:{operation}": said for operation, said in answers.items()}
    )
    return discover(wire.collector().aws, scan), wire


def test_pages_are_read_to_the_end_also_empty_ones() -> None:
    pages = [page(account(2), token="a"), page(token="b"), page(account(1), token="c"), page()]
    estate, wire = by_wire(Scan(regions=ONE), ListAccounts=pages)
    assert expected(estate) == ["000000000001", "000000000002"]
    assert estate.unread == ()
    assert wire.asked.count("organizations:ListAccounts") == 4


def test_a_list_that_ends_early_keeps_what_was_read_and_says_so() -> None:
    estate, _ = by_wire(Scan(regions=ONE), ListAccounts=[page(account(1), token="a")])
    assert expected(estate) == ["000000000001"]
    assert rows(estate.unread) == [(MANAGEMENT, "organizations:ListAccounts", "denied", "AccessDeniedException: no")]


@pytest.mark.parametrize(("pages", "unread"), [(1_000, []), (1_001, ["more than 1000 pages"])])
def test_there_are_at_most_a_thousand_pages(pages: int, unread: list[str]) -> None:
    said = [page(account(number), token=f"t{number}") for number in range(1, pages)]
    estate, wire = by_wire(Scan(regions=ONE), ListAccounts=[*said, page(account(pages))])
    assert [row.error for row in estate.unread] == unread
    assert [row.state for row in estate.unread] == ["malformed"] * len(unread)
    assert wire.asked.count("organizations:ListAccounts") == 1_000
    assert len(estate.cells) == 1_000


@pytest.mark.parametrize("said", [[page()], [page(token="a"), page()]], ids=["one page", "two pages"])
def test_an_organization_without_accounts_counts_as_denied(said: list[Said]) -> None:
    estate, _ = by_wire(Scan(regions=ONE), ListAccounts=said)
    assert (estate.accounts, estate.cells) == ((), ())
    assert rows(estate.unread) == [
        (MANAGEMENT, "organizations:ListAccounts", "denied", "ListAccounts answered with no account")
    ]


@pytest.mark.parametrize("body", [{}, {"NextToken": "a"}, {"Accounts": None}], ids=str)
def test_a_list_that_is_left_out_is_no_empty_list(body: Mapping[str, Any]) -> None:
    estate, _ = by_wire(Scan(regions=ONE), ListAccounts=[of_json(body)] * 2)
    assert estate.cells == ()
    assert [(row.state, row.error.rpartition(": ")[2]) for row in estate.unread] == [("malformed", "no Accounts")]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"State": "ACTIVE"}, None),
        ({"State": "ACTIVE", "Status": "SUSPENDED"}, None),
        ({"Status": "ACTIVE"}, None),
        ({}, None),
        ({"State": "SUSPENDED", "Status": "ACTIVE"}, "state:SUSPENDED"),
        ({"State": "PENDING_ACTIVATION"}, "state:PENDING_ACTIVATION"),
        ({"State": "PENDING_CLOSURE"}, "state:PENDING_CLOSURE"),
        ({"State": "CLOSED"}, "state:CLOSED"),
        ({"Status": "SUSPENDED"}, "state:SUSPENDED"),
    ],
)
def test_state_decides_and_status_only_where_there_is_no_state(members: dict[str, str], why: str | None) -> None:
    estate, _ = by_wire(Scan(regions=ONE), ListAccounts=page(account(1, **members), account(2, State="ACTIVE")))
    assert expected(estate) == (["000000000002"] if why else ["000000000001", "000000000002"])
    assert [(row.account, row.state, row.error) for row in estate.skipped] == (
        [("000000000001", "skipped", why)] if why else []
    )
    assert estate.accounts[0].state == members.get("State", members.get("Status", ""))


def test_an_account_without_an_id_is_told_and_costs_no_other() -> None:
    estate, _ = by_wire(Scan(regions=ONE), ListAccounts=page(account(1), {"Name": "nobody"}))
    assert expected(estate) == ["000000000001"]
    assert rows(estate.unread) == [(MANAGEMENT, "organizations:ListAccounts", "malformed", "an account without an id")]


def test_units_are_paged_and_an_account_that_no_unit_lists_is_scanned() -> None:
    units = [
        of_json({"OrganizationalUnits": [], "NextToken": "a"}),
        of_json({"OrganizationalUnits": [{"Id": "ou-1", "Name": "Work/Äpfel"}]}),
        of_json({"OrganizationalUnits": [{"Id": "ou-1", "Name": "itself"}, {"Id": "r-1", "Name": "the root"}]}),
    ]
    estate, wire = by_wire(
        Scan(units=("Work/Äpfel",), regions=ONE),
        ListAccounts=page(account(1), account(2), account(3)),
        ListRoots=[of_json({"Roots": [], "NextToken": "a"}), of_json(ROOT)],
        ListOrganizationalUnitsForParent=units,
        ListAccountsForParent=[page(account(2)), page(token="a"), page(account(3))],
    )
    assert [(one.id[-1], one.unit) for one in estate.accounts] == [("1", ""), ("2", ""), ("3", "Work/Äpfel")]
    assert expected(estate) == ["000000000001", "000000000003"]
    assert rows(estate.unread) == [
        (
            "000000000001",
            "organizations:ListAccountsForParent",
            "incomplete",
            "no unit lists the account; scanned, since its unit is not known",
        )
    ]
    assert wire.asked.count("organizations:ListAccountsForParent") == 3


@pytest.mark.parametrize(
    ("answers", "api", "error"),
    [
        ({"ListRoots": of_json({"Roots": []})}, "ListRoots", "an organization without a root"),
        (
            {
                "ListRoots": of_json(ROOT),
                "ListOrganizationalUnitsForParent": of_json({"OrganizationalUnits": [{"Id": "ou-1"}]}),
                "ListAccountsForParent": page(),
            },
            "ListOrganizationalUnitsForParent",
            "a unit without an id or a name",
        ),
    ],
)
def test_a_tree_that_cannot_be_is_not_believed(answers: dict[str, Said], api: str, error: str) -> None:
    estate, _ = by_wire(Scan(units=("Work",), regions=ONE), ListAccounts=page(account(1)), **answers)
    assert expected(estate) == ["000000000001"]
    assert rows(estate.unread) == [
        (
            "000000000001",
            f"organizations:{api}",
            "malformed",
            f"{error}; scanned, since its unit is not known",
        )
    ]


def test_tags_are_paged() -> None:
    tags = [
        of_json({"Tags": [{"Key": "area", "Value": "eu"}], "NextToken": "a"}),
        of_json({"Tags": [{"Key": "stage", "Value": "live"}]}),
    ]
    estate, _ = by_wire(
        Scan(tags={"stage": "live"}, regions=ONE), ListAccounts=page(account(1)), ListTagsForResource=tags
    )
    assert estate.accounts == (Account("000000000001", "account 1", tags={"area": "eu", "stage": "live"}),)
    assert expected(estate) == ["000000000001"]
    half, _ = by_wire(
        Scan(tags={"stage": "live"}, regions=ONE), ListAccounts=page(account(1)), ListTagsForResource=tags[:1]
    )
    assert expected(half) == ["000000000001"], "the tag may stand on the page that was not read"
    assert [row.state for row in half.unread] == ["denied"]


def regions_of(*entries: Mapping[str, str]) -> tuple[Estate, Wire]:
    told = of_xml("DescribeRegionsResponse", {"requestId": "r-1", "regionInfo": {"item": list(entries)}})
    wire = Wire({"sts:GetCallerIdentity": OWN, "ec2:DescribeRegions": told})
    wire.session.set_config_variable("region", HOME)
    return discover(wire.collector().aws, Scan(accounts=(MANAGEMENT,))), wire


def test_regions_are_those_that_are_enabled() -> None:
    estate, _ = regions_of(
        {"regionName": "us-east-1", "optInStatus": "opt-in-not-required"},
        {"regionName": "af-south-1", "optInStatus": "not-opted-in"},
        {"regionName": "us-gov-west-1"},
        {"regionName": "ap-east-1", "optInStatus": "opted-in"},
    )
    assert estate.cells == tuple((MANAGEMENT, region) for region in ("ap-east-1", "us-east-1", "us-gov-west-1"))
    assert estate.unread == ()


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([], "DescribeRegions answered with no region"),
        ([{"regionName": "af-south-1", "optInStatus": "not-opted-in"}], "DescribeRegions answered with no region"),
        ([{"regionName": "us-east-1"}, {"optInStatus": "opted-in"}], "a region without a name"),
        ([{"regionName": "us-east-1"}, {"regionName": "../evil"}], "a region without a name"),
    ],
)
def test_an_account_without_a_region_is_malformed(entries: list[dict[str, str]], error: str) -> None:
    estate, _ = regions_of(*entries)
    assert estate.cells == ((MANAGEMENT, HOME),)
    assert rows(estate.unread) == [(MANAGEMENT, "ec2:DescribeRegions", "malformed", error)]


class _Slow:
    """Every account answers late; `most` is how many were asked at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0

    def home(self, region: str) -> str:
        return region

    def own_account(self, region: str) -> str:
        return MANAGEMENT

    def enter(self, account: str, region: str) -> None:
        return None

    def acts_as(self, account: str) -> bool:
        return True

    def call(self, account: str, region: str, service: str, operation: str) -> Answer:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return Answer({"Regions": [{"RegionName": f"eu-west-{int(account) % 9 + 1}"}]}, Source("ec2:DescribeRegions"))


def test_accounts_are_asked_for_their_regions_at_once_but_at_most_sixteen() -> None:
    slow = _Slow()
    accounts = tuple(f"{number:012}" for number in range(60))
    estate = discover(slow, Scan(accounts=accounts))  # type: ignore[arg-type]
    assert slow.most == 16
    assert estate.cells == tuple((one, f"eu-west-{int(one) % 9 + 1}") for one in accounts)

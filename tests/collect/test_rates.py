"""Buckets of tokens, on a clock of the test's own; and over HTTP, what a throttled registry costs."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelwarden import gate
from modelwarden.arn import parse_arn
from modelwarden.collect import aws as calls
from modelwarden.collect.rates import BURST_SECONDS, LEAST, Pace, Rates
from modelwarden.evidence import Unknown
from tests.organization import PACKAGES, arn_of

from .conftest import Organization

READ = "sagemaker:DescribeModelPackage"
SEARCH = "sagemaker:Search"
PLACE = ("111122223333", "eu-west-1")


@dataclass
class Time:
    """Passes when somebody sleeps."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def rates(self, **pace: float) -> Rates:
        return Rates(Pace(**pace), lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def seconds(self, rates: Rates, api: str, times: int, place: tuple[str, str] = PLACE) -> float:
        """How long so many calls take that take no time themselves."""
        began = self.now
        for _ in range(times):
            rates.wait(*place, api)
        return self.now - began


def throttled(rates: Rates, operation: str = "DescribeModelPackage", code: str = "ThrottlingException") -> None:
    rates.heard(*PLACE, "sagemaker", (None, {"Error": {"Code": code}}), SimpleNamespace(name=operation))


@pytest.mark.parametrize(("api", "rate"), [(SEARCH, 5), (READ, 10), ("sagemaker:ListModelPackages", 10)])
def test_a_burst_passes_at_once_and_what_follows_at_the_rate(api: str, rate: int) -> None:
    clock = Time()
    rates = clock.rates()
    assert clock.seconds(rates, api, BURST_SECONDS * rate) == 0
    assert clock.seconds(rates, api, 3 * rate) == pytest.approx(3)


def test_rates_are_those_that_are_set() -> None:
    for api, rate in ((SEARCH, 1), (READ, 2)):
        clock = Time()
        rates = clock.rates(searches=1, reads=2)
        clock.seconds(rates, api, BURST_SECONDS * rate)
        assert clock.seconds(rates, api, 1) == pytest.approx(1 / rate)


def test_accounts_regions_and_operations_have_buckets_of_their_own_and_other_services_none() -> None:
    clock = Time()
    rates = clock.rates()
    clock.seconds(rates, READ, 50)
    for place, api in (
        (("444455556666", PLACE[1]), READ),
        ((PLACE[0], "us-east-1"), READ),
        (PLACE, "sagemaker:ListTags"),
    ):
        assert clock.seconds(rates, api, 50, place) == 0
    assert clock.seconds(rates, "s3:HeadObject", 10_000) == 0


def test_a_throttle_halves_the_rate_which_recovers_slowly() -> None:
    clock = Time()
    rates = clock.rates()
    throttled(rates)
    assert clock.seconds(rates, READ, 5) == pytest.approx(1, rel=0.1)
    clock.now += 60
    clock.seconds(rates, READ, 50)
    assert clock.seconds(rates, READ, 10) == pytest.approx(1, rel=0.01)


def test_calls_under_way_together_are_throttled_once_and_no_rate_falls_to_nothing() -> None:
    clock = Time()
    rates = clock.rates()
    for _ in range(30):
        throttled(rates)
    assert clock.seconds(rates, READ, 1) == pytest.approx(1 / 5)
    for _ in range(30):
        clock.now += 1
        throttled(rates)
    assert clock.seconds(rates, READ, 1) <= 1 / (10 * LEAST)


@pytest.mark.parametrize("response", [None, (None, {}), (None, {"Error": {"Code": "AccessDeniedException"}})])
def test_nothing_but_a_throttle_slows_anything_down(response: Any) -> None:
    clock = Time()
    rates = clock.rates()
    rates.heard(*PLACE, "sagemaker", response, SimpleNamespace(name="DescribeModelPackage"))
    assert clock.seconds(rates, READ, 50) == 0


def test_who_comes_later_waits_longer() -> None:
    """Tokens are spent when a call is announced, so that threads do not all wake at once."""
    slept: list[float] = []
    rates = Rates(Pace(reads=2), lambda: 0.0, slept.append)
    for _ in range(13):
        rates.wait(*PLACE, READ)
    assert slept == pytest.approx([0.5, 1.0, 1.5])


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PAUSES_SECONDS", (0.01, 0.01, 0.01))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 8)])
def test_what_is_always_throttled_is_asked_for_in_rounds_and_then_given_up(
    organization: Organization, retries: int, asked: int
) -> None:
    """Once and three times again, each as often as botocore repeats; with `retries = 0` once."""
    organization.ask("POST", "faults", [{"kind": "throttle", "op": "sagemaker:ListTags"}])
    collector = organization.collector(retries=retries)
    evidence = collector.package(organization.arn("credit-default/1"), ["/tag_keys", "/package/status"])
    fact = evidence.get("/tag_keys")
    assert isinstance(fact, Unknown)
    assert fact.reason == "ThrottlingException"
    assert organization.ask("GET", "stats")["operations"]["sagemaker:ListTags"] == asked
    row = next(one for one in collector.ledger if one.api == "sagemaker:ListTags")
    assert (row.state, row.calls) == ("throttled", 1)
    assert {one.state for one in collector.ledger if one.api != row.api} == {"read"}


@pytest.mark.usefixtures("hurried")
def test_after_a_call_was_given_up_the_next_ones_are_asked_but_once(organization: Organization) -> None:
    organization.ask("POST", "faults", [{"kind": "throttle", "op": "sagemaker:ListTags"}])
    collector = organization.collector(retries=1)
    for version in (1, 2):
        collector.package(organization.arn(f"credit-default/{version}"), ["/tag_keys"])
    assert organization.ask("GET", "stats")["operations"]["sagemaker:ListTags"] == 4 * 2 + 2


@pytest.mark.usefixtures("hurried")
def test_a_throttle_that_passes_leaves_no_trace(organization: Organization) -> None:
    arn = organization.arn("credit-default/1")
    quiet = organization.collector().package(arn)
    organization.ask("POST", "faults", [{"kind": "throttle", "op": "sagemaker:ListTags", "times": 5}])
    collector = organization.collector(retries=1)
    assert collector.package(arn).digest() == quiet.digest()
    assert {row.state for row in collector.ledger} == {"read"}


@pytest.mark.parametrize(
    ("said", "pace"),
    [("", Pace(5, 10)), ("searches_per_second = 2", Pace(2, 10)), ("reads_per_second = 20", Pace(5, 20))],
)
def test_the_settings_say_how_fast_a_collector_asks(tmp_path: Path, said: str, pace: Pace) -> None:
    file = tmp_path / "modelwarden.toml"
    file.write_text(f"[collect]\n{said}\n")
    house = gate.load_house(gate.Sources(config=file), {})
    collector = gate.collector_of(house)
    assert collector.aws.access.pace == pace
    assert collector.member("111122223333").aws.access.pace == pace


def test_a_call_waits_for_its_bucket(organization: Organization) -> None:
    """Over HTTP, as slowly as may be set: five descriptions at once, and two more a second later each."""
    collector = organization.collector(reads_per_second=1)
    began = time.monotonic()
    for _ in range(BURST_SECONDS + 2):
        collector.package(organization.arn("credit-default/1"), ["/package/status"])
    assert time.monotonic() - began >= 2


def test_a_registry_that_takes_twenty_calls_a_second_tells_the_same_in_as_many_calls(
    organization: Organization,
) -> None:
    """All packages of the demo's largest account, four at once as in a scan."""
    accounts = Counter(parse_arn(arn).account for arn in map(arn_of, PACKAGES))
    account = accounts.most_common(1)[0][0]
    arns = [arn for arn in map(arn_of, PACKAGES) if parse_arn(arn).account == account]

    def read() -> tuple[list[str], int, set[str]]:
        organization.ask("DELETE", "stats")
        collector = organization.collector(retries=7).member(account)
        with ThreadPoolExecutor(4) as pool:
            digests = [one.digest() for one in pool.map(collector.package, arns)]
        counts = organization.ask("GET", "stats")["operations"]
        return digests, sum(counts.values()), {row.state for row in collector.ledger}

    digests, least, states = read()
    organization.ask("POST", "faults", [{"kind": "throttle", "op": "sagemaker:*", "tps": 20, "burst": 20}])
    again, made, seen = read()
    assert again == digests
    assert seen == states
    assert made <= 1.1 * least, (made, least)


def test_the_row_of_a_call_tells_to_which_rate_throttling_brought_it(organization: Organization) -> None:
    collector = organization.collector(retries=1)
    organization.ask("POST", "faults", [{"kind": "throttle", "op": READ, "times": 1}])
    arn = organization.arn("credit-default/1")
    collector.package(arn, ["/package/status"])
    rates = {row.api: (row.state, row.rate) for row in collector.aws.take_ledger()}
    assert rates[READ] == ("read", 5.0), "half of the ten that the settings allow"
    assert {rate for api, (_, rate) in rates.items() if api != READ} == {0.0}
    collector.package(arn, ["/package/status"])
    assert {row.rate for row in collector.ledger} == {0.0}, "nothing was throttled since"

"""A registry, a queue and all that the desk writes to, in memory, in bad weather: any step may be throttled, and any
process may die before or after it. Evidence is that of the recorded runs of a release, judged by the real rules."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Fact, Present, Source, Unknown
from modelwarden.gate import House
from modelwarden.render.asff import Hub
from modelwarden.respond.claim import Claim
from modelwarden.respond.desk import Desk
from modelwarden.respond.listing import listing
from modelwarden.respond.word import Word
from modelwarden.run import Run, read
from modelwarden.store.place import AlreadyThere
from modelwarden.store.records import Records

RECORDED = sorted((Path(__file__).parents[1] / "compat/v0.1.0/gate").glob("*.json"))
APPROVERS = ("arn:aws:iam::444455556666:user/grace", "arn:aws:iam::444455556666:user/henk")
START = datetime.fromisoformat("2026-11-20T06:00:00+00:00")
SOURCE = Source("sagemaker:DescribeModelPackage")
HUB = Hub("aws", "111111111111", "eu-west-1")


class Died(BaseException):
    """The process is gone: nothing after it happens, and nobody reports anything."""


class Throttled(UserError):
    """AWS asks to wait."""


@dataclass
class Package:
    """One package of the registry."""

    evidence: Evidence
    breaks: bool
    """Whether it breaks policy."""
    readable_from: datetime
    """Until then its bias report cannot be read."""
    status: str = "PendingManualApproval"
    modified: datetime = START
    by: str = ""
    """Who set the status last."""
    history: list[str] = field(default_factory=list)
    """Run ids that took an approval back."""


@dataclass
class Weather:
    """Everything outside of the function."""

    house: House
    chance: random.Random
    trouble: float
    """Chance that a step fails, or that the process dies at it."""
    clock: datetime = START
    packages: dict[str, Package] = field(default_factory=dict)
    queue: list[tuple[datetime, str, int]] = field(default_factory=list)
    """(visible from, body, times received)."""
    dead: list[str] = field(default_factory=list)
    claims: dict[tuple[str, str], Claim] = field(default_factory=dict)
    archive: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    """Run ids that were entered."""
    told: list[Word] = field(default_factory=list)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Id -> what Security Hub holds."""
    ids: int = 0

    def step(self) -> None:
        """Where something may go wrong."""
        if self.chance.random() < self.trouble:
            raise self.chance.choice((Died(), Throttled("slow down")))

    def now(self) -> str:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def approve(self, arn: str) -> list[str]:
        """Somebody approves; the events that this sends."""
        package = self.packages[arn]
        self.clock += timedelta(seconds=30)
        package.status, package.modified, package.by = "Approved", self.clock, self.chance.choice(APPROVERS)
        envelope = {"source": "aws.sagemaker", "time": self.now()}
        call = {
            "eventName": "UpdateModelPackage",
            "eventTime": self.now(),
            "requestParameters": {"modelPackageArn": arn, "modelApprovalStatus": "Approved"},
            "userIdentity": {"arn": package.by},
        }
        state = {"ModelPackageArn": arn, "ModelApprovalStatus": "Approved"}
        return [
            json.dumps({**envelope, "detail-type": "AWS API Call via CloudTrail", "detail": call}),
            json.dumps({**envelope, "detail-type": "SageMaker Model Package State Change", "detail": state}),
        ]

    def revert(self, run: Run) -> str | None:
        self.step()
        package = self.packages[run.decision.package]
        if package.status != "Approved":
            return None
        package.status = "Rejected"
        package.modified = self.clock
        package.history.append(run.id)
        self.step()
        return "taken back"

    def run_id(self) -> str:
        self.ids += 1
        return f"20261120T060000{self.ids:06}Z-{self.ids:08x}"

    def desk(self) -> Desk:
        collector: Any = Reader(self)
        return Desk(
            self.house,
            Held(self),
            Records(Shelf(self)),
            self.enter,
            Out(self),
            self.show,
            self.revert,
            lambda _: collector,
            self.now,
            self.run_id,
        )

    def enter(self, run: Run) -> None:
        self.step()
        self.log.append(run.id)
        self.step()

    def show(self, run: Run, before: Run | None) -> None:
        self.step()
        for document in listing(run, before, HUB):
            self.shown[document["Id"]] = document
            self.step()

    def batch(self) -> list[tuple[str, int]]:
        """Up to ten visible messages in any order, each counted as received."""
        visible = [entry for entry in self.queue if entry[0] <= self.clock]
        taken = self.chance.sample(visible, min(10, len(visible)))
        for entry in taken:
            self.queue.remove(entry)
        return [(body, count + 1) for _, body, count in taken]

    def put_back(self, messages: list[tuple[str, int]], most: int) -> None:
        """What was not deleted becomes visible again, or goes to the dead letters."""
        for body, count in messages:
            if count >= most:
                self.dead.append(body)
            else:
                self.queue.append((self.clock + timedelta(seconds=30), body, count))


@dataclass
class Reader:
    """In the place of a collector."""

    weather: Weather

    ledger: tuple[()] = ()

    def package(self, arn: str, needed: Collection[str] | None = None) -> Evidence:
        self.weather.step()
        package = self.weather.packages[arn]
        facts: dict[str, Fact] = {
            **package.evidence.facts,
            "/approval/status": Present(package.status, SOURCE),
            "/package/modified_at": Present(package.modified.strftime("%Y-%m-%dT%H:%M:%SZ"), SOURCE),
            "/life_cycle/stage": Present("Production", SOURCE),
            "/life_cycle/stage_status": Present("Approved", SOURCE),
        }
        for name in ("principal", "identity"):
            facts[f"/approver/{name}"] = Present(package.by or "nobody", SOURCE)
        facts["/approver/kind"] = Present("person", SOURCE)
        facts["/approver/person"] = Present(package.by.rpartition("/")[2], SOURCE)
        facts["/approver/approved_at"] = facts["/package/modified_at"]
        if self.weather.clock < package.readable_from:
            unread = Unknown("AccessDenied", Source("s3:GetObject"))
            facts |= {pointer: unread for pointer in facts if pointer.startswith("/bias_report/")}
        return Evidence(arn, facts)

    def reference(self, images: Collection[str]) -> dict[str, Fact]:
        return dict(REFERENCE)


@dataclass
class Held:
    """Claims."""

    weather: Weather

    def claim(self, wanted: Claim) -> Claim:
        self.weather.step()
        found = self.weather.claims.setdefault((wanted.package, wanted.key), wanted)
        self.weather.step()
        return found

    def note(self, claim: Claim, step: str, *, verdict: str = "", said: str = "") -> Claim:
        self.weather.step()
        now = self.weather.claims[claim.package, claim.key]
        if step in now.done:
            return now
        words = (*now.said, said) if said else now.said
        after = replace(now, done=(*now.done, step), verdict=verdict or now.verdict, said=words)
        self.weather.claims[claim.package, claim.key] = after
        self.weather.step()
        return after

    def of(self, package: str) -> Iterator[Claim]:
        yield from [claim for (arn, _), claim in self.weather.claims.items() if arn == package]


@dataclass
class Shelf:
    """A place of documents."""

    weather: Weather

    def names(self, folder: str) -> list[str] | Unknown:
        return sorted(name for name in self.weather.archive if name.startswith(f"{folder}/"))

    def read(self, name: str) -> bytes | Unknown:
        return self.weather.archive.get(name, Unknown("NoSuchKey"))

    def write(self, name: str, data: bytes) -> str:
        self.weather.step()
        if name in self.weather.archive:
            raise AlreadyThere(name)
        self.weather.archive[name] = data
        self.weather.step()
        return name


@dataclass
class Out:
    """Queue, topic and bus."""

    weather: Weather

    def later(self, message: bytes, seconds: int) -> None:
        self.weather.step()
        self.weather.queue.append((self.weather.clock + timedelta(seconds=seconds), message.decode(), 0))
        self.weather.step()

    def tell(self, word: Word) -> None:
        self.weather.step()
        self.weather.told.append(word)
        self.weather.step()


def _recorded() -> tuple[dict[bool, Evidence], dict[str, Fact]]:
    runs = [read(path) for path in RECORDED]
    return {bool(run.decision.without_waivers == "block"): run.evidence for run in runs}, dict(runs[0].reference)


EVIDENCE, REFERENCE = _recorded()
"""Whether it breaks policy -> evidence; and the base images of both."""


def package_of(number: int, breaks: bool, readable_from: datetime = START) -> Package:
    """A package like a recorded one, under a name of its own."""
    evidence = EVIDENCE[breaks]
    arn = f"arn:aws:sagemaker:eu-west-1:444455556666:model-package/credit-default/{100 + number}"
    facts = {
        **evidence.facts,
        "/package/arn": Present(arn, SOURCE),
        "/package/version": Present(100 + number, SOURCE),
    }
    return Package(Evidence(arn, facts), breaks, readable_from)


Handle = Callable[[list[tuple[str, int]]], set[str]]

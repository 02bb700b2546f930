"""The collector: one package at a time, from whichever account owns it, with lookups shared among packages.

Independent lookups run at once, so that a package needs few round trips one after the other: credentials, the
description, what it names, and what those name. Only facts that are needed are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.session import Session

from modelwarden.arn import PackageArn, parse_arn
from modelwarden.collect import package
from modelwarden.collect.aws import ATTEMPTS, OWN, Access, Answer, Aws, Failure, Tape
from modelwarden.collect.cell import Cell, Lookups
from modelwarden.collect.describe import describe
from modelwarden.collect.image import parse_image
from modelwarden.collect.rates import READS_PER_SECOND, SEARCHES_PER_SECOND, Pace
from modelwarden.collect.reading import Facts, Reading, Wants
from modelwarden.collect.refresh import refreshed
from modelwarden.collect.registry import Images, Wanted
from modelwarden.collect.text import whole
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Present, Source, Unknown
from modelwarden.identity import who
from modelwarden.request import Principal
from modelwarden.snapshot import LedgerRow

_REGION: Final = "us-east-1"
"""Where the caller is asked about when nothing says where it is at home."""
_BASE: Final = Wanted(manifest=True, layers=True, diff_ids=True, repository=False, pushed=False)
_BASE_FACTS: Final = ("/resolved_digest", "/manifest_count", "/platform", "/digest", "/layers", "/diff_ids")


class NoSuchPackage(UserError):
    """AWS answered that there is no such package."""

    help = "list the group with `aws sagemaker list-model-packages --model-package-group-name GROUP`"


class Collector:
    """Reads packages; lookups of images, keys, objects and tags are shared among all that it reads."""

    def __init__(
        self,
        *,
        role: str | None = None,
        external_id: str | None = None,
        via: tuple[str, ...] = (),
        retries: int | None = None,
        timeout_seconds: int | None = None,
        searches_per_second: int | None = None,
        reads_per_second: int | None = None,
        record: Path | None = None,
        replay: Path | None = None,
        session: Session | None = None,
    ) -> None:
        attempts = ATTEMPTS if retries is None else retries + 1
        pace = Pace(searches_per_second or SEARCHES_PER_SECOND, reads_per_second or READS_PER_SECOND)
        self.aws = Aws(Access(role, external_id, via, attempts, timeout_seconds, pace), Tape(record, replay), session)
        self._lookups = Lookups(self.aws)

    def member(self, account: str) -> Collector:
        """A collector for the packages of one account: what it looks up is dropped with it, images by digest are shared."""
        found = copy(self)
        found.aws = self.aws.member(account)
        found._lookups = Lookups(found.aws, self._lookups)
        return found

    @property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """A row for each account, region and API so far."""
        return self.aws.ledger()

    def caller(self) -> Principal | Unknown:
        """Who the credentials prove, by sts:GetCallerIdentity; a recording only asserts it."""
        answer = self.aws.identity(_REGION)
        if isinstance(answer, Failure):
            return answer.unknown()
        return who(whole(answer.data["Arn"]), asserted=self.aws.replaying)

    def package(self, text: str, needed: Collection[str] | None = None) -> Evidence:
        """Evidence of one package; `needed` are patterns of facts, None for all.

        A package that cannot be read is evidence full of unknown facts.

        Raises:
            ArnError: not the ARN of a model package.
            NoSuchPackage: AWS says that it does not exist.
            NoCredentials: there is nobody to call AWS as.
        """
        arn = parse_arn(text)
        failure = self.aws.enter(arn.account, arn.region)
        unread = None if failure is None else package.unread(arn, failure.unknown())
        facts = unread or read_package(Cell(self._lookups, arn), Wants(needed))
        return Evidence(arn.text, facts, asserted=self.aws.replaying)

    def refreshed(self, evidence: Evidence, needed: Collection[str] | None = None) -> Evidence:
        """Evidence of a package that did not change, with what can change beside it looked up anew.

        Raises:
            NoCredentials: there is nobody to call AWS as.
        """
        cell = Cell(self._lookups, parse_arn(evidence.package))
        return refreshed(cell, evidence, Wants(needed))

    def reference(self, base_images: Iterable[str], *, account: str = OWN) -> Facts:
        """Layers of approved base images, read with the caller's own credentials, below `/reference`."""
        uris = list(dict.fromkeys(base_images))
        source = Source("parameter approved_base_images")
        self.aws.own_account(_REGION)
        facts: Facts = {"/reference/base_image_count": Present(len(uris), source)}
        images = Images(self._lookups, account)
        heads = [f"/reference/base_image/{index}" for index in range(len(uris))]
        read = self._lookups.pools.run(
            [partial(images.facts, head, parse_image(uri), None, _BASE) for head, uri in zip(heads, uris, strict=True)]
        )
        facts |= {f"{head}/uri": Present(whole(uri), source) for head, uri in zip(heads, uris, strict=True)}
        facts |= {pointer: fact for pointer, fact in read.items() if pointer.endswith(_BASE_FACTS)}
        return facts

    def lookup(self, arn: PackageArn, region: str, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        """A call that other packages of the account may need too."""
        return self._lookups.call(arn.account, region, service, operation, **parameters)


def read_package(cell: Cell, want: Wants) -> Facts:
    """Facts of the cell's package: the description, then everything that it names at once.

    Raises:
        NoSuchPackage: AWS says that it does not exist.
    """
    described = describe(cell, with_card=want.any("/card/", "/trainer"))
    if isinstance(described, Failure):
        if described.state == "read":
            raise NoSuchPackage(f"{cell.arn.text}: no such model package")
        return package.unread(cell.arn, described.unknown())
    reading = Reading(cell, described, want)
    facts = package.described(cell.arn, described.data, described.source) | reading.at_hand()
    return facts | cell.lookups.pools.run(reading.tasks())

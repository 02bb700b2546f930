"""The desk of a function, from its environment.

`MODELWARDEN_ORGANIZATION` and `MODELWARDEN_ORGANIZATION_DIGEST` name the organization layer, as everywhere. `ARCHIVE` is the
`s3://bucket/prefix` where runs are written, `QUEUE_URL` the queue that hints come from, `TOPIC_ARN` and `BUS_NAME` who is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from modelwarden import clock, gate
from modelwarden.aws.outlets import AwsOutlets
from modelwarden.collect import Collector
from modelwarden.collect.aws import Aws
from modelwarden.enforce import revert
from modelwarden.errors import UserError
from modelwarden.gate import House
from modelwarden.render.asff import AT_ONCE
from modelwarden.respond.desk import Desk
from modelwarden.respond.listing import listing
from modelwarden.run import Run
from modelwarden.store.location import claims_at
from modelwarden.store.records import records_at
from modelwarden.store.security_hub import NotSent, SecurityHub, hub_of


class NotSetUp(UserError):
    """A function whose environment does not say what it needs."""

    help = "deploy it with the template in deploy/"


def desk_of(environment: Mapping[str, str]) -> Desk:
    """The desk that the environment describes; settings and bundle are loaded once for the life of the function.

    Raises:
        UserError: something is missing, or the settings cannot be used.
    """
    queue, archive, region = (_given(environment, name) for name in ("QUEUE_URL", "ARCHIVE", "AWS_REGION"))
    house = gate.load_house(gate.Sources(), environment)
    if house.settings.advisory and house.settings.respond.mode == "enforce":
        raise NotSetUp(
            "`respond.mode` is enforce, and no pinned organization layer says so",
            "set MODELWARDEN_ORGANIZATION and MODELWARDEN_ORGANIZATION_DIGEST",
        )
    whole = gate.collector_of(house)

    def collector(account: str) -> Collector:
        # Entered here, so that every one that follows goes on with what was assumed; a refusal is met, and told, again there.
        whole.aws.enter(account, region)
        return whole.member(account)

    own = whole.aws
    outlets = AwsOutlets(own, region, queue, environment.get("TOPIC_ARN", ""), environment.get("BUS_NAME", ""))
    return Desk(
        house,
        claims_at(house.settings.store, lambda: own),
        records_at(archive, own),
        _log_of(house, own),
        outlets,
        partial(_show, own, region),
        lambda run: revert(house, run, house.settings.respond.revert_to),
        collector,
        clock.now,
        clock.run_id,
    )


def _log_of(house: House, aws: Aws) -> Callable[[Run], None]:
    """What enters a run into the log that the organization layer names; nothing where it names none.

    Nothing waits on a disk that ends with the function: where the log refuses, the message comes again.
    """
    location = house.settings.log
    if location is None:
        return lambda run: None
    from modelwarden.attest import entry, log
    from modelwarden.attest.location import shelf_at
    from modelwarden.attest.signer import signer_at

    shelf = shelf_at(location, lambda: aws)
    key = house.settings.sign
    signer = signer_at(key, lambda: aws, lambda: b"") if key and not house.settings.advisory else None

    def enter(run: Run) -> None:
        sha256 = {"run": hashlib.sha256(msgspec.json.encode(run.to_json())).hexdigest()}
        word = entry.Word(run.id, "gate", clock.now(), run.decision.package, run.decision.verdict, sha256)
        number = log.append(shelf, entry.signed(word, signer) if signer else word)
        if signer:
            log.sign(shelf, signer, clock.now, entered=(number,))

    return enter


def _show(aws: Aws, region: str, run: Run, before: Run | None) -> None:
    """Show the findings to Security Hub of the function's own account and region.

    Raises:
        NotSent: not all of them were taken.
    """
    hub = SecurityHub(aws, hub_of(aws, region))
    refused: dict[str, str] = {}
    documents = listing(run, before, hub.hub)
    for start in range(0, len(documents), AT_ONCE):
        refused |= hub.send(documents[start : start + AT_ONCE])
    if refused:
        first, why = next(iter(refused.items()))
        raise NotSent(f"Security Hub refused {len(refused)} findings, the first is {first}: {why}")


def _given(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise NotSetUp(f"{name} is not set")
    return value

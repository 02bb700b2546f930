"""The desk of a function, from its environment.

`MODELWARDEN_ORGANIZATION` and `MODELWARDEN_ORGANIZATION_DIGEST` name the organization layer, as everywhere. `ARCHIVE` is the
`s3://bucket/prefix` where runs are written, `QUEUE_URL` the queue that hints come from, `TOPIC_ARN` and `BUS_NAME` who is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from modelwarden import clock, gate
from modelwarden.aws.environment import NotSetUp, given, log_of
from modelwarden.aws.outlets import AwsOutlets
from modelwarden.collect import Collector
from modelwarden.collect.aws import Aws
from modelwarden.enforce import revert
from modelwarden.render.asff import AT_ONCE
from modelwarden.respond.desk import Desk
from modelwarden.respond.listing import listing
from modelwarden.run import Run
from modelwarden.store.location import claims_at
from modelwarden.store.records import records_at
from modelwarden.store.security_hub import NotSent, SecurityHub, hub_of


def desk_of(environment: Mapping[str, str]) -> Desk:
    """The desk that the environment describes; settings and bundle are loaded once for the life of the function.

    Raises:
        UserError: something is missing, or the settings cannot be used.
    """
    queue, archive, region = (given(environment, name) for name in ("QUEUE_URL", "ARCHIVE", "AWS_REGION"))
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
        log_of(house, own),
        outlets,
        partial(_show, own, region),
        lambda run: revert(house, run, house.settings.respond.revert_to),
        collector,
        clock.now,
        clock.run_id,
    )


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

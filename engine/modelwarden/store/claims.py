"""Claims in the table of DynamoDB, beside the state: each is written by a condition, and by one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from modelwarden.collect.aws import Aws
from modelwarden.respond.claim import Claim
from modelwarden.settings.store import Table
from modelwarden.store import items
from modelwarden.store.items import Item
from modelwarden.store.table import ATTEMPTS, Calls, NotWritten, pause


class TableClaims:
    """One table; `respond.claim.Claims` says what its operations are for."""

    def __init__(self, aws: Aws, table: Table) -> None:
        self._calls = Calls(aws, table.name, table.region)
        self._keep_days = table.keep_days

    def claim(self, wanted: Claim) -> Claim:
        detail = ""
        for attempt in range(ATTEMPTS):
            try:
                self._calls.put(items.of_claim(wanted, 1, self._keep_days), None)
            except NotWritten as lost:
                detail = lost.detail
                if held := self._held(wanted):
                    return held[0]
                pause(attempt)
            else:
                return wanted
        raise self._calls.gave_up(detail)

    def note(self, claim: Claim, step: str, *, verdict: str = "", said: str = "") -> Claim:
        detail = ""
        for attempt in range(ATTEMPTS):
            held = self._held(claim)
            if held is None:
                raise self._calls.gave_up(f"the claim {claim.key} of {claim.package} is gone")
            now, version = held
            if step in now.done:
                return now
            words = (*now.said, said) if said else now.said
            after = replace(now, done=(*now.done, step), verdict=verdict or now.verdict, said=words)
            try:
                self._calls.put(items.of_claim(after, version + 1, self._keep_days), version)
            except NotWritten as lost:
                detail = lost.detail
                pause(attempt)
            else:
                return after
        raise self._calls.gave_up(detail)

    def of(self, package: str) -> Iterator[Claim]:
        found = self._calls.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :claim)",
            ExpressionAttributeValues={":pk": items.package_key(package)["pk"], ":claim": {"S": items.CLAIM}},
            ConsistentRead=True,
        )
        yield from (items.read(item, Claim) for item in found)

    def _held(self, claim: Claim) -> tuple[Claim, int] | None:
        found: Item | None = self._calls.get(items.claim_key(claim))
        return (items.read(found, Claim), items.version_of(found)) if found else None

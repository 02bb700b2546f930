"""What a sighting, or its absence, makes of the state of a package. Pure; every store does what stands here.

Laws: the same twice changes nothing; what an older run says changes nothing; within one run, a sighting outweighs its
absence, in whichever order they arrive; whatever a scan says outweighs hearsay.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec.structs import replace

from modelwarden.store.state import Change, Event, Hearsay, Seen, Standing

UNLISTED: Final = "not listed"
GONE: Final = "deleted"
_DIGESTS: Final = ("evidence", "bundle", "settings", "waivers")


class Step(NamedTuple):
    """A new state, and the line of history that comes with it."""

    standing: Standing
    change: Change | None


def sighted(before: Standing | None, seen: Seen) -> Step | None:
    """What a sighting makes of a package; None where it changes nothing."""
    if before is None:
        return _first(seen)
    if not _is_news(before, seen):
        return None
    event = _event(before, seen)
    after = Standing(
        seen,
        run=seen.run,
        first_seen=before.first_seen,
        last_seen=before.last_seen if seen.role == "gone" else seen.at,
        changed_at=before.changed_at,
        changed_by=before.changed_by,
        previous_verdict=before.previous_verdict,
        imported=before.imported,
    )
    if seen.role == "gone":
        after = replace(after, closed_at=before.closed_at or seen.at, closed_why=before.closed_why or GONE)
    if event is None:
        return Step(after, None)
    previous = "" if before.closed_at else before.seen.verdict
    after = replace(after, changed_at=seen.at, changed_by=seen.run, previous_verdict=previous)
    return Step(after, _change(seen, event, previous, _why(before, seen)))


def unlisted(before: Standing, run: str, at: str) -> Step | None:
    """What it means that a run read the list of a package's cell to its end and did not see it; None: nothing."""
    if before.closed_at or before.run >= run:
        return None
    verdict = before.seen.verdict
    after = replace(
        before,
        run=run,
        changed_at=at,
        changed_by=run,
        previous_verdict=verdict,
        closed_at=at,
        closed_why=UNLISTED,
    )
    seen = before.seen
    return Step(after, Change(seen.package, run, at, "closed", seen.role, "", verdict, (UNLISTED,), seen.bundle))


def heard(before: Standing | None, told: Hearsay, run: str, at: str) -> Step | None:
    """What an import makes of a package: never another verdict, nothing closed or opened, and no scan overruled.

    None where the same was imported before.
    """
    if before is not None and before.imported == told.digest:
        return None
    seen = Seen(told.package, told.account, told.region, "imported", run, told.last)
    change = Change(told.package, run, at, "imported", "imported", "", "", told.why, "", told.declared)
    if before is None:
        return Step(Standing(seen, run, told.first, told.last, at, run, imported=told.digest), change)
    if before.seen.role != "imported" or before.closed_at or told.last < before.last_seen:
        return Step(replace(before, imported=told.digest), change)
    first = min(before.first_seen, told.first)
    after = replace(before, seen=seen, run=max(run, before.run), first_seen=first, last_seen=told.last)
    return Step(replace(after, changed_at=at, changed_by=run, imported=told.digest), change)


def _first(seen: Seen) -> Step:
    closed_at, why = (seen.at, GONE) if seen.role == "gone" else ("", "")
    standing = Standing(
        seen,
        run=seen.run,
        first_seen=seen.at,
        last_seen=seen.at,
        changed_at=seen.at,
        changed_by=seen.run,
        closed_at=closed_at,
        closed_why=why,
    )
    return Step(standing, _change(seen, "first", "", ()))


def _is_news(before: Standing, seen: Seen) -> bool:
    if before.seen.role == "imported" and not before.closed_at:
        return True
    if seen.run != before.run:
        return seen.run > before.run
    # The run that missed it saw it after all; else, of two sightings by one run the later holds.
    return before.seen.run != seen.run or seen.at > before.seen.at


def _event(before: Standing, seen: Seen) -> Event | None:
    if seen.role == "gone":
        return None if before.closed_at else "closed"
    if before.closed_at:
        return "reopened"
    return "changed" if _outcome(before.seen) != _outcome(seen) else None


def _outcome(seen: Seen) -> tuple[object, ...]:
    return seen.role, seen.stage, seen.moment, seen.verdict, seen.controls


def _why(before: Standing, seen: Seen) -> tuple[str, ...]:
    """What brought another outcome, as far as it can be told: time alone only where every digest is known and the same."""
    if seen.role == "gone":
        return (GONE,)
    if before.closed_at:
        return (before.closed_why,)
    pairs = {name: (getattr(before.seen, name), getattr(seen, name)) for name in _DIGESTS}
    asked = [name for name in ("role", "stage", "moment") if getattr(before.seen, name) != getattr(seen, name)]
    differing = [name for name, (old, new) in pairs.items() if old and new and old != new]
    if differing or asked:
        return (*differing, *asked)
    return ("clock",) if all(old and new for old, new in pairs.values()) else ("unknown",)


def _change(seen: Seen, event: Event, previous: str, why: tuple[str, ...]) -> Change:
    verdict = "" if event == "closed" else seen.verdict
    return Change(seen.package, seen.run, seen.at, event, seen.role, verdict, previous, why, seen.bundle)

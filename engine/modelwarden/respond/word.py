"""What is told of a decision: enough to act on, nothing of the evidence. Pure."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from modelwarden.run import Run

SCHEMA: Final = "modelwarden.decision/1"
DETAIL_TYPE: Final = "modelwarden.decision"
"""Of the event on the bus; its source is `modelwarden`."""


class Word(Struct, frozen=True, rename="camel"):
    """One decision, as it goes to a topic and to an event bus."""

    schema: str
    run: str
    package: str
    account: str
    region: str
    stage: str
    moment: str
    verdict: str
    without_waivers: str | None
    blocked: tuple[str, ...]
    """Ids of controls."""
    undecided: tuple[str, ...]
    flagged: tuple[str, ...]
    waivers: tuple[str, ...]
    """Ids of the waivers that were applied, break-glass among them."""
    break_glass: bool
    rollback: str | None
    """The run that allowed what was returned to."""
    principal: str | None
    """ARN of who approved; None where nobody is asked, or nobody could tell."""
    done: tuple[str, ...]
    """What was done, in words."""
    bundle: str
    settings: str


def word_of(run: Run, done: tuple[str, ...]) -> Word:
    """What is told of a run; `done` is what was done by it."""
    decision = run.decision
    _, _, _, region, account, _ = decision.package.split(":", 5)
    by = {effect: tuple(one.finding.control for one in decision.rulings if one.effect == effect) for effect in _EFFECTS}
    waivers = [one.waiver for one in decision.rulings if one.waiver]
    return Word(
        SCHEMA,
        run.id,
        decision.package,
        account,
        region,
        decision.request.stage,
        decision.request.moment,
        decision.verdict,
        decision.without_waivers,
        by["blocks"],
        by["undecides"],
        by["flags"],
        tuple(sorted({waiver.id for waiver in waivers})),
        any(waiver.break_glass for waiver in waivers),
        decision.rollback.run if decision.rollback else None,
        getattr(decision.request.principal, "principal", None),
        done,
        decision.digests.bundle,
        decision.digests.settings,
    )


_EFFECTS: Final = ("blocks", "undecides", "flags")

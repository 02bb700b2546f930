"""Decide: findings and settings become one decision. Pure.

Every finding acts at its control's level: a fail at `block` blocks, an unknown at `block` leaves the decision
undecided, either of them at `flag` flags. A waiver turns what it covers into a flag and never into an allow. Where
nothing applied, or nothing passed and something could not be told, nothing was proven, so the decision is undecided
whatever the levels: a package that nobody could read is never a yes. A block is certain whatever else is unknown, so it
comes before undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from modelwarden.evidence import Evidence, Fact, digest
from modelwarden.finding import (
    AppliedWaiver,
    Decision,
    Digests,
    Effect,
    Finding,
    Level,
    Rollback,
    Ruling,
    Verdict,
    effect_of,
)
from modelwarden.material import material_digest
from modelwarden.request import Principal, Request


class Rules(Protocol):
    """What the settings say for one package and request (`settings.Settings.effective`)."""

    def level(self, control_id: str) -> tuple[Level, str]: ...

    def waiver(self, finding: Finding) -> AppliedWaiver | None:
        """The live waiver that covers this finding of this package, if any."""
        ...


def decide(
    findings: Sequence[Finding],
    rules: Rules,
    request: Request,
    *,
    package: str,
    digests: Digests,
    advisory: bool,
    evidence_asserted: bool = False,
    off: Sequence[str] = (),
    notices: Sequence[str] = (),
    rollback: Rollback | None = None,
) -> Decision:
    """The decision; `off` are the controls that the settings switched off, `rollback` one that was authorised."""
    judged = (_rule(finding, rules, rollback) for finding in findings)
    rulings = tuple(sorted(judged, key=lambda ruling: ruling.finding.control))
    verdict = _verdict(rulings)
    asserted = (
        *(("evidence",) if evidence_asserted else ()),
        *(("principal",) if isinstance(request.principal, Principal) and request.principal.state == "asserted" else ()),
        *(("as_of",) if request.as_of_asserted else ()),
    )
    return Decision(
        package=package,
        request=request,
        verdict=verdict,
        rulings=rulings,
        digests=digests,
        advisory=advisory,
        asserted=asserted,
        notices=(*notices, *_notices(rulings, off)),
        off=tuple(sorted(off)),
        rollback=rollback,
        without_waivers=without_waivers(rulings, rollback),
    )


def digests_of(
    evidence: Evidence, reference: Mapping[str, Fact], *, bundle: str, settings: str, waivers: str
) -> Digests:
    """The digests of everything a decision rests on."""
    return Digests(
        evidence=evidence.digest(),
        reference=Evidence("reference", reference).digest() if reference else digest({}),
        bundle=bundle,
        settings=settings,
        waivers=waivers,
        material=material_digest(evidence),
    )


def without_waivers(rulings: Sequence[Ruling], rollback: Rollback | None = None) -> Verdict:
    """The shadow verdict: what the decision would be if no waiver counted. The law: it is never better than the verdict."""
    return _verdict([Ruling(one.finding, one.level, _unwaived(one, rollback)) for one in rulings])


def _unwaived(ruling: Ruling, rollback: Rollback | None) -> Effect:
    effect = ruling.without_waiver
    return "flags" if effect == "blocks" and rollback is not None else effect


def _rule(finding: Finding, rules: Rules, rollback: Rollback | None) -> Ruling:
    level, why = rules.level(finding.control)
    if finding.outcome in ("pass", "not-applicable"):
        return Ruling(finding, level, "none", why)
    waiver = rules.waiver(finding)
    effect: Effect = "flags" if waiver is not None else effect_of(finding.outcome, level)
    if effect == "blocks" and rollback is not None:
        return Ruling(finding, level, "flags", f"{why}; rollback to run {rollback.run}", waiver)
    return Ruling(finding, level, effect, why, waiver)


def _verdict(rulings: Sequence[Ruling]) -> Verdict:
    """The worst effect; where nothing speaks for the package, undecided."""
    effects = {ruling.effect for ruling in rulings}
    if "blocks" in effects:
        return "block"
    if "undecides" in effects or _nothing_proven(rulings):
        return "undecided"
    return "flag" if "flags" in effects else "allow"


def _nothing_proven(rulings: Sequence[Ruling]) -> str:
    """Why nothing speaks for the package, whatever the levels; empty where something does.

    INVARIANT: one more fail or unknown never makes it empty where something is unknown already.
    """
    if all(ruling.finding.outcome == "not-applicable" for ruling in rulings):
        return "no control applied, so nothing was proven"
    outcomes = {ruling.finding.outcome for ruling in rulings if ruling.waiver is None}
    return "no control passed, so nothing was proven" if "unknown" in outcomes and "pass" not in outcomes else ""


def _notices(rulings: Sequence[Ruling], off: Sequence[str]) -> list[str]:
    notices = []
    by_parameter: dict[str, list[str]] = {}
    for ruling in rulings:
        for name in ruling.finding.unset_parameters:
            by_parameter.setdefault(name, []).append(ruling.finding.control)
    if by_parameter:
        needed = "; ".join(f"{name} ({', '.join(ids)})" for name, ids in sorted(by_parameter.items()))
        notices.append(f"parameters that nobody set: {needed}; set them under [parameters]")
    if off:
        notices.append(f"switched off by the settings: {', '.join(sorted(off))}")
    unproven = _nothing_proven(rulings)
    return [*notices, unproven] if unproven else notices

"""Precedents: what an earlier decision, recorded where the organization keeps them, proves about a package today.

Only what was proven then counts: a run under a pinned organization layer, by a principal whom AWS named, of which
nothing was asserted. Pure.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from modelwarden.evidence import Evidence, Fact, Present, Source, Unknown
from modelwarden.finding import Decision, Rollback
from modelwarden.material import material_digest
from modelwarden.request import PROVEN_BY, Principal, Stage
from modelwarden.run import Run

_SOURCE: Final = "records"

State = Literal["recorded", "out of band", "not told"]


class Standing(Struct, frozen=True):
    """What the records say of a package that the registry calls Approved."""

    state: State
    """`recorded`: a decision approved it as it is now. `out of band`: it is proven that none did."""
    why: str


def counts(run: Run) -> bool:
    """Whether a recorded run may prove anything."""
    decision = run.decision
    who = decision.request.principal
    proven = isinstance(who, Principal) and who.state == "proven"
    return proven and not decision.advisory and not decision.asserted and not run.evidence.asserted


def approves(run: Run) -> bool:
    """Whether a run decided about an approval, whichever way: the newest one that did is what holds."""
    return counts(run) and run.decision.request.moment == "approve"


def rollback_to(run: Run, stage: Stage, material: str) -> Rollback | None:
    """What a rollback returns to: a run that allowed this very material for a stage, by the rules and not by a rollback."""
    decision = run.decision
    who, verdict = decision.request.principal, decision.verdict
    same = decision.request.stage == stage and decision.digests.material == material != ""
    if not (same and counts(run) and isinstance(who, Principal)) or decision.rollback is not None:
        return None
    if verdict not in ("allow", "flag"):
        return None
    moment = decision.request.moment
    return Rollback(run.id, verdict, moment, run.finished_at, who.principal, decision.digests.bundle)


def approver(run: Run, evidence: Evidence, stage: Stage) -> dict[str, Fact]:
    """Facts of who approved, by the newest run that decided about it; empty where it does not prove the approval.

    It does where the registry says Approved and names that run, which allowed what the package is now for this stage.
    """
    decision = run.decision
    status, said = evidence.get("/approval/status"), evidence.get("/approval/description")
    named = isinstance(said, Present) and names_run(str(said.value), decision, run.id)
    approved = isinstance(status, Present) and status.value == "Approved"
    fits = decision.request.stage == stage and decision.verdict in ("allow", "flag")
    same = decision.digests.material == material_digest(evidence) != ""
    who = decision.request.principal
    if not (named and approved and fits and same and approves(run) and isinstance(who, Principal)):
        return {}
    source = Source(_SOURCE, run.finished_at, run.id)
    return {**who.facts("/approver", source), "/approver/approved_at": Present(run.finished_at, source)}


def standing(approval: Run | Unknown | None, evidence: Evidence | None, stage: Stage | None) -> Standing:
    """Whether a recorded decision approves a package whose status is Approved.

    `approval` is the newest run that decided about it; evidence and stage are None where nobody could tell its stage.
    INVARIANT: what was not read is `not told`: it is neither fine, nor does it accuse anybody.
    """
    if approval is None:
        return Standing("out of band", "no recorded decision is about it")
    if isinstance(approval, Unknown):
        said = ": ".join(filter(None, (approval.reason, approval.detail)))
        return Standing("not told", f"its record could not be read: {said}")
    decision, run = approval.decision, f"run {approval.id}"
    if decision.verdict not in ("allow", "flag"):
        return Standing("out of band", f"{run}, the newest that decided, says {decision.verdict}")
    if evidence is None or stage is None:
        return Standing("not told", f"nobody can tell its stage, to compare it with {run}")
    if decision.request.stage != stage:
        return Standing("out of band", f"{run} is for {decision.request.stage}, not for {stage}")
    if approver(approval, evidence, stage):
        return Standing("recorded", run)
    who = decision.request.principal
    if isinstance(who, Principal) and who.source != PROVEN_BY:
        return _after(approval, who, evidence, run)
    return _differing(approval, evidence, run)


def _after(approval: Run, who: Principal, evidence: Evidence, run: str) -> Standing:
    """A run that judged an approval after somebody gave it: it is about that approver's, of that material."""
    by = evidence.get("/approver/principal")
    if "" in (approval.decision.digests.material, material_digest(evidence)) or not isinstance(by, Present):
        return Standing("not told", f"not everything was read, to compare it with {run}")
    if by.value != who.principal:
        return Standing("out of band", f"{run} judged the approval of {who.principal}, and {by.value} gave this one")
    if approval.decision.digests.material != material_digest(evidence):
        return Standing("out of band", f"it is no longer what {run} approved")
    return Standing("recorded", f"{run}, which judged it after it was given")


def _differing(approval: Run, evidence: Evidence, run: str) -> Standing:
    """Why a run that allowed the package for its stage does not prove its approval."""
    said, decision = evidence.get("/approval/description"), approval.decision
    if isinstance(evidence.get("/approval/status"), Unknown) or isinstance(said, Unknown):
        return Standing("not told", f"its approval was not read, to compare it with {run}")
    if not (isinstance(said, Present) and names_run(str(said.value), decision, approval.id)):
        return Standing("out of band", f"its approval does not name {run}, the newest that decided")
    if "" in (decision.digests.material, material_digest(evidence)):
        return Standing("not told", f"not everything that it would run was read, to compare it with {run}")
    return Standing("out of band", f"it is no longer what {run} approved")


def names_run(said: str, decision: Decision, run_id: str) -> bool:
    """Whether a description, as `enforce.description` writes it, is of this run, stage and material."""
    head, *rest = said.split("; ")
    stage = f" for {decision.request.stage} by " in head
    return stage and f"run {run_id}" in rest and binding(decision) in rest


def binding(decision: Decision) -> str:
    """The words of a description that say what an approval is for."""
    return f"material {decision.digests.material or 'not fully read'}"

"""Cases: what an event leads to once the package is read anew. An event decides nothing but which package is read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from modelwarden import gate, precedent
from modelwarden.arn import parse_arn
from modelwarden.collect import Collector, NoSuchPackage
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Present, Source, Unknown
from modelwarden.gate import House, Observed, Question
from modelwarden.material import material_digest
from modelwarden.request import STRICTEST, Moment, Principal, Stage
from modelwarden.respond.hint import TRAIL as EVENT
from modelwarden.respond.hint import Hint
from modelwarden.run import Run
from modelwarden.scan.select import stage_for

_STATUS: Final = "/approval/status"
_DESCRIPTION: Final = "/approval/description"
_MODIFIED: Final = "/package/modified_at"
_CLAIMED: Final = "/life_cycle/stage"
_APPROVER: Final = ("/approver/principal", "/approver/identity", "/approver/kind")
_SOON: Final = timedelta(seconds=5)
"""Between CloudTrail's time of a call and the registry's time of the change that it made, at most."""
TRAIL: Final = "cloudtrail:LookupEvents"
"""What proves a principal that the event itself does not."""


class NotRead(UserError):
    """A package of which not even the status could be read: the event comes again."""

    help = "the message is tried again; see why the reader role cannot read the package"
    exit_code = 4


class Nothing(Struct, frozen=True):
    """Why there is nothing to judge."""

    state: str
    """`gone` or `not approved`."""
    why: str


class Case(Struct, frozen=True):
    """A package that is to be judged."""

    question: Question
    observed: Observed
    approved: bool
    """Whether the registry says so now."""
    modified: str
    """UTC: when the package was changed last."""
    returned: str = ""
    """The run by which somebody returned to it, which approved what the rules of today may block; empty where there is none."""


def case_of(house: House, collector: Collector, hint: Hint) -> Case | Nothing:
    """Read the package of a hint, and tell what is to be judged of it.

    Raises:
        NotRead: its status, stage or time could not be read.
    """
    try:
        return _case(house, collector, hint)
    except NoSuchPackage as error:
        return Nothing("gone", str(error))


def _case(house: House, collector: Collector, hint: Hint) -> Case | Nothing:
    glance = collector.package(hint.package, (_STATUS, _MODIFIED, _CLAIMED))
    status, modified, claimed = (_told(glance, pointer) for pointer in (_STATUS, _MODIFIED, _CLAIMED))
    approved = status == "Approved"
    if not approved and not hint.endpoint:
        return Nothing("not approved", f"its approval status is {status or 'not set'}")
    otherwise = house.settings.account_stages.get(parse_arn(hint.package).account)
    stage = stage_for(claimed, house.settings.stages, otherwise)
    if stage is None:
        # Whoever approves names the stage: one that nobody knows must not be a way around being judged.
        stage = STRICTEST
    serve = _ask(house, collector, hint, stage, "serve", None)
    newest = gate.recorded_approval(collector, house, hint.package)
    if not approved or _settled(hint, newest, serve.evidence, stage):
        returned = _returned(newest, serve.evidence, stage)
        return Case(_question(hint, stage, "serve"), serve, approved, modified, returned)
    actor = _actor(collector, hint, modified, _other(newest, serve.evidence, stage))
    observed = _ask(house, collector, hint, stage, "approve", actor)
    return Case(_question(hint, stage, "approve"), observed, approved, modified)


def _settled(hint: Hint, newest: Run | Unknown | None, evidence: Evidence, stage: Stage) -> bool:
    """Whether the approval was judged before, as what the package is now.

    The gate's own approval names its run in the registry. Of any other one, the newest run that judged an approval says
    so, unless this very event is another approval.
    """
    if isinstance(newest, Run) and precedent.approver(newest, evidence, stage):
        return True
    return hint.actor is None and _is_same(newest, evidence, stage)


def _is_same(newest: Run | Unknown | None, evidence: Evidence, stage: Stage) -> bool:
    """Whether a run judged the approval, and allowed for this stage what the package is now."""
    return _allowed(newest, evidence, stage) == material_digest(evidence) != ""


def _returned(newest: Run | Unknown | None, evidence: Evidence, stage: Stage) -> str:
    """The run that let somebody return to what the package is now; empty where there is none."""
    rollback = isinstance(newest, Run) and newest.decision.rollback is not None and _is_same(newest, evidence, stage)
    return newest.id if isinstance(newest, Run) and rollback else ""


def _other(newest: Run | Unknown | None, evidence: Evidence, stage: Stage) -> Unknown | None:
    """Why nobody approved what the package is now, where the newest approval was of something else."""
    then, now = _allowed(newest, evidence, stage), material_digest(evidence)
    if not isinstance(newest, Run) or "" in (then, now) or then == now:
        return None
    return Unknown("changed after it was approved", Source("records"), f"run {newest.id} approved material {then}")


def _allowed(newest: Run | Unknown | None, evidence: Evidence, stage: Stage) -> str:
    """The material that a run allowed for this stage, as the gate's own approval or of somebody's; empty where it did not.

    Whoever only asked, at the gate or over the API, approved nothing.
    """
    if not isinstance(newest, Run) or newest.decision.verdict not in ("allow", "flag"):
        return ""
    decision, said = newest.decision, evidence.get(_DESCRIPTION)
    who = decision.request.principal
    told = isinstance(who, Principal) and who.source in (EVENT, TRAIL)
    named = isinstance(said, Present) and precedent.names_run(str(said.value), decision, newest.id)
    return decision.digests.material if (told or named) and decision.request.stage == stage else ""


def _ask(
    house: House, collector: Collector, hint: Hint, stage: Stage, moment: Moment, actor: Principal | Unknown | None
) -> Observed:
    nobody = Unknown("nobody acts")
    observed = gate.collect(collector, house, replace(_question(hint, stage, moment), caller=actor or nobody))
    return replace(observed, principal=actor)


def _question(hint: Hint, stage: Stage, moment: Moment) -> Question:
    return Question(hint.package, stage, moment)


def _actor(collector: Collector, hint: Hint, modified: str, other: Unknown | None) -> Principal | Unknown:
    """Who approved what the package is now: by the event, if nothing was changed after it, else by the trail.

    `other` says that the last approval that was judged was of something else, which the trail cannot mend.
    """
    if hint.actor is not None and _at_once(hint.at, modified):
        return hint.actor
    if other is not None:
        return other
    evidence = collector.package(hint.package, _APPROVER)
    principal, identity, kind = (evidence.get(pointer) for pointer in _APPROVER)
    if not (isinstance(principal, Present) and isinstance(identity, Present) and isinstance(kind, Present)):
        return principal if isinstance(principal, Unknown) else Unknown("no event found", Source(TRAIL))
    named: Literal["person", "role"] = "person" if kind.value == "person" else "role"
    return Principal(str(principal.value), str(identity.value), named, "proven", TRAIL)


def _at_once(event: str, modified: str) -> bool:
    """Whether a call of that time made the change of this one."""
    if not modified:
        return False
    apart = datetime.fromisoformat(event) - datetime.fromisoformat(modified)
    return abs(apart) <= _SOON


def _told(evidence: Evidence, pointer: str) -> str:
    """A text, empty where AWS answered that there is none.

    Raises:
        NotRead: nobody can tell.
    """
    fact = evidence.get(pointer)
    if isinstance(fact, Unknown):
        detail = f": {fact.detail}" if fact.detail else ""
        raise NotRead(f"{evidence.package}: {pointer} is unknown: {fact.reason}{detail}")
    return str(fact.value) if isinstance(fact, Present) else ""

"""Enforce: write a decision back to the registry as approval status and description. Only when asked to.

It approves only what was judged: right before writing, the package is read again, and its material digest must be the
one that the decision names. Nothing that was merely asserted and no settings of the judged party's own approve.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from modelwarden.arn import parse_arn
from modelwarden.authz import may_approve
from modelwarden.collect import Collector
from modelwarden.collect.aws import ATTEMPTS, Access, Aws, Failure
from modelwarden.collect.record import Tape
from modelwarden.errors import UserError
from modelwarden.evaluate import subject
from modelwarden.evidence import Evidence, Present
from modelwarden.finding import Decision
from modelwarden.gate import House, collector_of
from modelwarden.material import PATTERNS, material_digest
from modelwarden.precedent import binding
from modelwarden.request import Principal
from modelwarden.run import Run
from modelwarden.settings.respond import Reverted

Status = Literal["Approved", "Rejected", "PendingManualApproval"]

API: Final = "sagemaker:UpdateModelPackage"
LONGEST_DESCRIPTION: Final = 1024
_STATUS: Final = "/approval/status"
_DESCRIPTION: Final = "/approval/description"


class NotEnforced(UserError):
    """A decision that was not written back."""

    help = "the decision itself stands; it is recorded with its run"


def enforce(house: House, run: Run, *, kept: bool = True) -> str:
    """Write the decision of a run back, and say in one line what was done.

    An allow or flag approves, a block rejects, and undecided leaves everything as it is. `kept`: False where the
    organization keeps its decisions and could not keep this one, which then approves nothing.

    Raises:
        NotEnforced: something was asserted, changed or not permitted, or AWS refused; nothing was written.
    """
    decision = run.decision
    _check(house, decision)
    if decision.verdict == "undecided":
        return "undecided: the approval status stays as it is"
    wanted: Status = "Rejected" if decision.verdict == "block" else "Approved"
    if wanted == "Approved":
        _check_authority(decision, kept)
    collector = collector_of(house)
    status, said = _read_again(collector, decision, wanted)
    if status == wanted and (wanted == "Rejected" or _is_said(decision, said)):
        return f"{decision.package} is {wanted} already: nothing was written"
    principal = _principal(collector, decision)
    if wanted == "Approved":
        _authorize(house, run, principal)
    _write(house, decision.package, wanted, description(run, principal))
    return f"{decision.package} is now {wanted}, and was {status or 'of a status that could not be read'}"


def revert(house: House, run: Run, status: Reverted) -> str | None:
    """Take an approval back that the run's decision does not bear; what was done in one line, None where nothing was to do.

    Raises:
        NotEnforced: the package was changed after it was judged, something was asserted, or AWS refused.
    """
    decision = run.decision
    _check_proven(decision)
    _check_rules(house, decision)
    now, _ = _read_again(collector_of(house), decision, status)
    if now and now != "Approved":
        return None
    _write(house, decision.package, status, description(run, _asked(decision)))
    return f"{decision.package} is now {status}, and was {now or 'of a status that could not be read'}"


def _asked(decision: Decision) -> Principal | None:
    """Whose approval it is."""
    principal = decision.request.principal
    return principal if isinstance(principal, Principal) else None


def description(run: Run, principal: Principal | None) -> str:
    """Who, why, and what exactly; at most `LONGEST_DESCRIPTION` characters of one line."""
    decision = run.decision
    who = _name(principal) if principal else "somebody who could not be told"
    # At serve nobody acts, and nobody is asked for.
    by = "" if principal is None and decision.request.principal is None else f" by {who}"
    parts = [
        f"modelwarden: {decision.verdict} for {decision.request.stage}{by}",
        f"run {run.id}",
        binding(decision),
        *([f"rollback to run {decision.rollback.run}"] if decision.rollback else []),
        *(["advisory settings"] if decision.advisory else []),
        *reasons(decision),
    ]
    text = "".join(char if char.isprintable() else "?" for char in "; ".join(parts))
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 3] + "..."


def _is_said(decision: Decision, said: str) -> bool:
    """Whether an approval is for this very material and stage; one that names others, or nothing, is given anew."""
    head, *rest = said.split("; ")
    return f" for {decision.request.stage} by " in head and binding(decision) in rest


def reasons(decision: Decision) -> list[str]:
    """Why a decision says what it says, in short: ids of controls by what they do, and how many passed."""
    waived = [f"{one.finding.control} by {one.waiver.id}" for one in decision.rulings if one.waiver]
    blocked = [one.finding.control for one in decision.rulings if one.effect == "blocks"]
    undecided = [one.finding.control for one in decision.rulings if one.effect == "undecides"]
    flagged = [one.finding.control for one in decision.rulings if one.effect == "flags" and not one.waiver]
    lists = (("blocked by", blocked), ("undecided by", undecided), ("waived", waived), ("flagged", flagged))
    said = [f"{what} {', '.join(names)}" for what, names in lists if names]
    return [*said, f"{decision.count()['passed']} passed"]


def _check(house: House, decision: Decision) -> None:
    _check_proven(decision)
    if decision.request.moment != "approve":
        raise NotEnforced(
            f"not enforced: the decision is about the moment {decision.request.moment}, and the approval status about approve",
            "gate it with --at approve",
        )
    _check_rules(house, decision)
    if parse_arn(decision.package).group is None:
        raise NotEnforced(
            f"not enforced: {decision.package} is unversioned, and only versions of a group have an approval status",
            "register it in a model package group",
        )


def _check_proven(decision: Decision) -> None:
    if decision.asserted:
        raise NotEnforced(
            f"not enforced: {', '.join(decision.asserted)} of this decision is asserted, not proven",
            "gate the package's ARN with your own credentials and without --as-of",
        )


def _check_rules(house: House, decision: Decision) -> None:
    if (decision.digests.bundle, decision.digests.settings, decision.digests.waivers) != house.digests:
        raise NotEnforced("not enforced: controls or settings are not those of the decision", "gate the package again")


def _check_authority(decision: Decision, kept: bool) -> None:
    """A judged party that brings its own settings could allow itself anything."""
    if not kept:
        raise NotEnforced(
            "not approved: the run could not be kept where the organization keeps its decisions",
            "let whoever gates write below `records`, and gate again",
        )
    if decision.advisory:
        raise NotEnforced(
            f"not approved: the {decision.verdict} is advisory, since no pinned organization layer stands behind the settings",
            "name the policy pack with --organization and --organization-digest",
        )
    if not decision.digests.material:
        raise NotEnforced(
            f"not approved: not everything that {decision.package} would run was read, so an approval could not bind to it",
            "grant the reading role access to its images and artifacts; `modelwarden evidence ARN` shows what is unknown",
        )


def _read_again(collector: Collector, decision: Decision, wanted: Status) -> tuple[str, str]:
    """Approval status and description now, empty where they were not read.

    A package that is proven to be another one than that judged stops both statuses. What cannot be read stops only an
    approval: a block is certain whatever else is unknown, and closing the gate must not wait for more.
    """
    now: Evidence = collector.package(decision.package, (*PATTERNS, _STATUS, _DESCRIPTION))
    judged, found = decision.digests.material, material_digest(now)
    if judged and found and judged != found:
        raise NotEnforced(
            f"not enforced: {decision.package} was changed after it was judged: its material digest is now {found}, not {judged}",
            "gate it again",
        )
    if not found and wanted == "Approved":
        raise NotEnforced(
            f"not approved: whether {decision.package} is still what was judged could not be read", "gate it again"
        )
    facts = (now.get(_STATUS), now.get(_DESCRIPTION))
    status, said = (str(fact.value) if isinstance(fact, Present) else "" for fact in facts)
    return status, said


def _principal(collector: Collector, decision: Decision) -> Principal | None:
    """Who acts now; None where nobody could tell."""
    now = collector.caller()
    if not isinstance(now, Principal):
        return None
    judged = decision.request.principal
    if isinstance(judged, Principal) and judged != now:
        raise NotEnforced(
            f"not enforced: judged for {_name(judged)}, but the credentials are now those of {_name(now)}",
            "gate it again",
        )
    return now


def _authorize(house: House, run: Run, principal: Principal | None) -> None:
    if principal is None:
        raise NotEnforced(
            "not approved: sts:GetCallerIdentity did not say who approves", "allow the call, and gate it again"
        )
    request = run.decision.request
    facts = subject(run.evidence, run.reference, request)
    rules = house.settings.effective(facts, request)
    given = may_approve(house.bundle.authorizer, principal, facts, request.stage, rules)
    if not given.allowed:
        raise NotEnforced(f"not approved: {'; '.join(given.reasons)}", given.help)


def _write(house: House, package: str, status: Status, text: str) -> None:
    """Only the two fields go out: whatever a request leaves out stays as it is."""
    arn = parse_arn(package)
    collect, own = house.settings.collect, house.settings.enforce
    role = own.role or collect.role
    attempts = ATTEMPTS if collect.retries is None else collect.retries + 1
    external_id = own.external_id if own.role else collect.external_id
    aws = Aws(Access(role, external_id, collect.via, attempts, collect.timeout_seconds), Tape(None, None))
    failure = aws.enter(arn.account, arn.region)
    if failure is not None:
        raise _refused(package, status, failure, role)
    given: dict[str, Any] = {"ModelPackageArn": package, "ModelApprovalStatus": status, "ApprovalDescription": text}
    answer = aws.call(arn.account, arn.region, "sagemaker", "UpdateModelPackage", **given)
    if isinstance(answer, Failure):
        raise _refused(package, status, answer, role)


def _refused(package: str, status: Status, failure: Failure, role: str | None) -> NotEnforced:
    told = f"{failure.source.api}: {failure.code}: {failure.message}"
    if failure.source.api != API:
        return NotEnforced(
            f"{package} was not set to {status}: {told}", f"let your credentials assume the role `{role}`"
        )
    if failure.state in ("denied", "expired"):
        who = f"the role `{role}`" if role else "your credentials"
        return NotEnforced(
            f"{package} was not set to {status}: {told}",
            f"grant {API} to {who}, or name a role that may write as `role` under [enforce]",
        )
    return NotEnforced(
        f"whether {package} was set to {status} is not certain: {told}", "read the package, and gate it again"
    )


def _name(principal: Principal) -> str:
    return principal.principal if principal.kind == "role" else f"{principal.identity} ({principal.principal})"

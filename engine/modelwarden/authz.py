"""Authorisation: who may approve at a risk rating, grant a waiver, break the glass or roll back. Cedar decides; the default is no.

Cedar's patterns cannot come from parameters, so lists of who may become groups: whoever a list names is a member of
`Modelwarden::Group::"<parameter>"`, and the policies in `policies/authz/` speak of groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

from msgspec import Struct

from modelwarden.act import person
from modelwarden.attributes import NAMESPACE, RISK_POINTER, effective_risk
from modelwarden.cedar import Authorizer
from modelwarden.control import ParameterValue
from modelwarden.evidence import Evidence, Present, Unknown
from modelwarden.request import Principal, Stage
from modelwarden.waiver import Waiver

APPROVERS: Final = {"Low": "approvers_low", "Medium": "approvers_medium", "High": "approvers_high"}
"""Effective risk rating -> the parameter that lists who may approve."""
GRANTERS: Final = "waiver_approvers"
GRANTERS_OF_CRITICAL: Final = "waiver_approvers_critical"
BREAKERS: Final = "break_glass_approvers"
ROLLERS: Final = "rollback_approvers"

SEVERITIES: Final = ("low", "medium", "high", "critical")
"""The least first: a waiver is as severe as the most severe control that it names."""

_ARN_PARTS: Final = 6
_ROLE_PATH: Final = re.compile(r"^role/.*/")
_SET_IT: Final = "set it in the organization layer: ARNs of IAM roles and users, for example arn:aws:iam::111122223333:role/ModelRisk"


class Parameters(Protocol):
    """What the settings say of one package and request (`settings.Effective`)."""

    @property
    def parameters(self) -> Mapping[str, ParameterValue]: ...

    @property
    def parameters_unknown(self) -> Mapping[str, str]: ...


class Authorized(Struct, frozen=True):
    """Whether somebody may, and why not."""

    reasons: tuple[str, ...] = ()
    """Why not; empty where it is allowed."""
    help: str = ""

    @property
    def allowed(self) -> bool:
        return not self.reasons


def may_approve(
    authorizer: Authorizer, principal: Principal, facts: Evidence, stage: Stage, rules: Parameters
) -> Authorized:
    """Whether the principal may approve the package at its effective risk rating. What is asserted never may."""
    if principal.state != "proven":
        return Authorized((f"`{principal.principal}` is asserted, not proven",), "act with your own credentials")
    risk = effective_risk(facts.get(RISK_POINTER))
    attributes: dict[str, Any] = {"arn": facts.package, "stage": stage}
    if isinstance(risk, Present):
        attributes["effectiveRiskRating"] = str(risk.value)
    groups = [name for name in APPROVERS.values() if _named(principal.principal, _listed(rules, name))]
    resource = _entity("Package", facts.package, attributes)
    refusal = _refusal(authorizer, "may_approve", _principal(principal, groups), resource, rules)
    if not refusal:
        return Authorized()
    if not isinstance(risk, Present):
        why = risk.reason if isinstance(risk, Unknown) else "absent"
        return Authorized((f"the effective risk rating is unknown: {why}", *refusal), "make the model card readable")
    return _not_approver(principal, str(risk.value), groups, refusal, rules)


def refused_rollback(
    authorizer: Authorizer,
    principal: Principal | Unknown | None,
    package: str,
    stage: Stage,
    failed: Iterable[str],
    rules: Parameters,
) -> str:
    """Why the principal may not roll back to a package whose controls `failed`, empty where it may."""
    if not isinstance(principal, Principal) or principal.state != "proven":
        return "who rolls back is not proven"
    groups = [ROLLERS] if _named(principal.principal, _listed(rules, ROLLERS)) else []
    resource = _entity("Rollback", package, {"stage": stage, "failed": list(failed)})
    refusal = _refusal(authorizer, "may_roll_back", _principal(principal, groups), resource, rules)
    if not refusal:
        return ""
    if ROLLERS in rules.parameters_unknown:
        return f"parameter {ROLLERS} cannot be told: {rules.parameters_unknown[ROLLERS]}"
    if not groups:
        return (
            f"`{principal.principal}` may not roll back: parameter {ROLLERS} of the organization layer does not list it"
        )
    return f"`{principal.principal}` may not roll back: {'; '.join(refusal)}"


def refused_waiver(authorizer: Authorizer, waiver: Waiver, rules: Parameters, severities: Mapping[str, str]) -> str:
    """Why a waiver does not count, empty where it does; `severities` is control id -> severity.

    As many different approvers as it needs must be such who may.
    """
    allowed: set[str] = set()
    refusals: list[str] = []
    principals = {act.by: act.principal for act in waiver.approvals}
    for name in waiver.approvers:
        refusal = refused_approver(authorizer, waiver, name, principals.get(name), rules, severities)
        if refusal:
            refusals.append(refusal)
        else:
            allowed.add(person(name))
    if len(allowed) >= waiver.needed:
        return ""
    names = (BREAKERS, GRANTERS) if waiver.break_glass else (GRANTERS, GRANTERS_OF_CRITICAL)
    doubts = [
        f"parameter {name} cannot be told: {rules.parameters_unknown[name]}"
        for name in names
        if name in rules.parameters_unknown
    ]
    needed = "breaking the glass takes two who may: " if waiver.break_glass else ""
    if not needed and waiver.needed > 1:
        needed = f"it takes {waiver.needed} who may: "
    return needed + "; ".join([*refusals, *doubts])


def refused_approver(
    authorizer: Authorizer,
    waiver: Waiver,
    name: str,
    arn: str | None,
    rules: Parameters,
    severities: Mapping[str, str],
) -> str:
    """Why a person may not grant this waiver, empty where they may. A list names people as it likes: by name or by `arn`."""
    action = "may_break_glass" if waiver.break_glass else "may_grant_waiver"
    attributes = {
        "controls": list(waiver.controls),
        "owner": waiver.owner,
        "coversUnknown": waiver.unknown,
        "severity": max((severities[id_] for id_ in waiver.controls), key=SEVERITIES.index),
    }
    groups = [
        group
        for group in (GRANTERS, GRANTERS_OF_CRITICAL, BREAKERS)
        if person(name) in map(person, _listed(rules, group)) or (arn and _named(arn, _listed(rules, group)))
    ]
    who = Principal(person(name), name, "person", "asserted")
    resource = _entity("Waiver", waiver.id, attributes)
    refusal = _refusal(authorizer, action, _principal(who, groups), resource, rules)
    return f"`{name}` {'; '.join(refusal)}" if refusal else ""


def _not_approver(
    principal: Principal, risk: str, groups: list[str], refusal: tuple[str, ...], rules: Parameters
) -> Authorized:
    """The refusal in words that name the parameter to set."""
    name = APPROVERS.get(risk)
    if name is None:
        return Authorized((f"nobody may approve at effective risk rating `{risk}`", *refusal))
    if name in groups:
        who = f"`{principal.identity}` is listed in {name}, but {'; '.join(refusal)}"
        return Authorized((who,), "ask whoever maintains the policies below `authz/`")
    if name in rules.parameters_unknown:
        return Authorized((f"parameter {name} cannot be told: {rules.parameters_unknown[name]}",), _SET_IT)
    entries = _listed(rules, name)
    if not entries:
        return Authorized(
            (f"nobody may approve at effective risk rating {risk}: parameter {name} lists nobody",), _SET_IT
        )
    reasons = [f"`{principal.principal}` may not approve at effective risk rating {risk}: {name} does not list it"]
    reasons += [
        f"`{entry}` in {name} is no ARN and names nobody" for entry in entries if len(_parts(entry)) < _ARN_PARTS
    ]
    return Authorized(tuple(reasons), f"let one of {name} approve: {', '.join(entries)}")


def _refusal(
    authorizer: Authorizer, action: str, principal: Mapping[str, Any], resource: Mapping[str, Any], rules: Parameters
) -> tuple[str, ...]:
    """Empty for Allow without any error."""
    lists = (*APPROVERS.values(), GRANTERS, GRANTERS_OF_CRITICAL, BREAKERS, ROLLERS)
    listed = [name for name in lists if name in rules.parameters or name in rules.parameters_unknown]
    request = {
        "principal": principal["uid"],
        "action": {"type": f"{NAMESPACE}::Action", "id": action},
        "resource": resource["uid"],
        "context": {"listed": listed},
    }
    return authorizer.refusal(request, [principal, resource])


def _principal(principal: Principal, groups: Iterable[str]) -> dict[str, Any]:
    attributes = {"kind": principal.kind, "identity": principal.identity}
    parents = [{"type": f"{NAMESPACE}::Group", "id": group} for group in groups]
    return _entity("Principal", principal.principal, attributes) | {"parents": parents}


def _entity(kind: str, id_: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": f"{NAMESPACE}::{kind}", "id": id_}, "attrs": dict(attributes), "parents": []}


def _listed(rules: Parameters, name: str) -> tuple[str, ...]:
    value = rules.parameters.get(name, ())
    return value if isinstance(value, tuple) else ()


def _named(arn: str, patterns: Iterable[str]) -> bool:
    """INVARIANT: `*` never reaches over a colon, else a user's path could spell another account's role."""
    parts = _parts(arn)
    return len(parts) == _ARN_PARTS and any(
        len(pattern) == _ARN_PARTS and all(map(fnmatchcase, parts, pattern)) for pattern in map(_parts, patterns)
    )


def _parts(arn: str) -> list[str]:
    """Of an ARN; principals carry no path of a role, so a pattern's is left out too."""
    parts = arn.split(":", _ARN_PARTS - 1)
    return [*parts[:-1], _ROLE_PATH.sub("role/", parts[-1])]

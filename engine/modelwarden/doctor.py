"""Doctor: which permissions are missing, and which controls cannot be decided without each of them. Pure.

Nothing here judges by a table of its own. What was read is evaluated as the gate evaluates it; each unknown fact of a
finding names the call that did not give it, and the call the permission. Where no package was read, the dictionary of
facts says which API feeds what a control reads (`permission.feeds`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Final

from modelwarden.checkup import NOT_PROBED, OK, Checkup, Permission, Probed
from modelwarden.evaluate import evaluate, subject
from modelwarden.evidence import Evidence, Fact, Present, Unknown
from modelwarden.finding import ControlInfo, Observation
from modelwarden.permission import DECRYPT, DESCRIBE, ENTER, IDENTITY, OBJECT, PERMISSIONS, action_of, feeds
from modelwarden.request import MOMENTS, STAGES, Request
from modelwarden.snapshot import LedgerRow

if TYPE_CHECKING:
    from modelwarden.gate import House

_WORST: Final = ("denied", "expired", "throttled", "disabled", "unreachable", "malformed", "incomplete")
_NAMED: Final = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_ANSWERED: Final = ("NotFound", "no event found", "in another account", "malformed", "not collected")
"""Reasons of unknown facts that stand for an answer, not for a refusal: no permission helps."""
_SHOWN: Final = 3
"""Places that are named; the rest is counted."""

Key = tuple[str, str]
"""(account, IAM action)."""


def examine(house: House, probed: Probed, as_of: str) -> Checkup:
    """What follows from what was probed, under the settings of the house."""
    enabled = _enabled(house, probed, as_of)
    undecided = _undecided(house, probed, as_of)
    permissions = []
    states = _states(probed)
    for action in PERMISSIONS:
        accounts = sorted({account for account, known in states if known == action}) or [""]
        for account in accounts:
            state, why, where = states.get((account, action), (NOT_PROBED, _idle(action, probed), ()))
            if state in (OK, NOT_PROBED):
                permissions.append(Permission(action, account, state, why))
                continue
            unknown = tuple(sorted(undecided.get((account, action), set())))
            reads = tuple(info.id for info in enabled if info.id not in unknown and feeds(action) & set(info.reads))
            permissions.append(Permission(action, account, state, why, where, unknown, reads))
    unset, untold = _parameters(house, probed, enabled, as_of)
    ids = tuple(info.id for info in enabled)
    wanted = frozenset(pattern for info in enabled for pattern in info.reads)
    idle = [one.action for one in permissions if one.state == NOT_PROBED and one.action != ENTER]
    unproven = tuple(one for one in idle if probed.evidence is None and feeds(one) & wanted)
    return Checkup(tuple(permissions), ids, unset, untold, house.settings.advisory, unproven)


def base_images(house: House, evidence: Evidence, as_of: str) -> tuple[str, ...]:
    """URIs that the settings approve as base images for a package."""
    request = Request("Production", "approve", as_of)
    value = house.settings.effective(subject(evidence, {}, request), request).parameters.get("approved_base_images")
    return value if isinstance(value, tuple) else ()


def _enabled(house: House, probed: Probed, as_of: str) -> list[ControlInfo]:
    found: dict[str, ControlInfo] = {}
    for stage, moment in product(STAGES, MOMENTS):
        request = Request(stage, moment, as_of)
        effective = house.settings.effective(_subject(probed, request), request)
        for id_, control in house.bundle.controls.items():
            if moment in control.info.moments and effective.level(id_)[0] != "off":
                found[id_] = control.info
    return [found[id_] for id_ in sorted(found)]


def _parameters(
    house: House, probed: Probed, enabled: Iterable[ControlInfo], as_of: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """(parameters that nobody set, parameters that nobody can tell)."""
    request = Request("Production", "approve", as_of)
    effective = house.settings.effective(_subject(probed, request), request)
    untold = dict(effective.parameters_unknown)
    free = [name for name in house.bundle.declarations if name not in effective.parameters and name not in untold]
    unset = {name: tuple(info.id for info in enabled if name in info.parameters) for name in free}
    # Without a package no scope can be told, and that is no defect.
    return unset, untold if probed.evidence is not None else {}


def _subject(probed: Probed, request: Request) -> Evidence:
    return subject(probed.evidence or Evidence(""), probed.reference, request)


def _undecided(house: House, probed: Probed, as_of: str) -> dict[Key, set[str]]:
    """(account, action) -> controls that are unknown at some stage and moment because it is missing."""
    found: dict[Key, set[str]] = {}
    for stage, moment in product(STAGES, MOMENTS) if probed.evidence is not None else ():
        assert probed.evidence is not None
        request = Request(stage, moment, as_of, probed.principal)
        effective = house.settings.effective(_subject(probed, request), request)
        for finding in evaluate(house.bundle, effective, probed.evidence, probed.reference, request):
            for seen in finding.observed if finding.outcome == "unknown" else ():
                blamed = _blamed(seen, probed)
                if blamed is not None:
                    found.setdefault(blamed, set()).add(finding.control)
    return found


def _blamed(seen: Observation, probed: Probed) -> Key | None:
    """Whose absence left a fact unknown; None where it was read, or where no permission helps."""
    fact, pointer = seen.fact, seen.pointer
    if not isinstance(fact, Unknown) or fact.reason in _ANSWERED:
        return None
    if pointer.startswith("/request/principal/"):
        return probed.own, IDENTITY
    if fact.source is None or _seen(pointer, probed):
        return None
    action = _refused(pointer, fact, action_of(fact.source.api), probed)
    if action not in PERMISSIONS:
        return None
    own = action == IDENTITY or pointer.startswith("/reference/")
    return (probed.own if own else probed.account), action


def _seen(pointer: str, probed: Probed) -> bool:
    """Whether only the checksum of an object is missing, which takes the right to decrypt it and which no control needs."""
    head, _, name = pointer.rpartition("/")
    facts = probed.evidence.facts if probed.evidence else {}
    return name == "checksum_sha256" and isinstance(facts.get(f"{head}/etag"), Present)


def _refused(pointer: str, fact: Unknown, action: str, probed: Probed) -> str:
    """The action that was refused: the one that the service names, or what lies behind the call."""
    named = _NAMED.search(fact.detail)
    if named and named[1] in PERMISSIONS:
        return named[1]
    sealed = pointer.startswith(tuple(f"{head}/" for head in probed.undecrypted))
    # The object can be seen and not be opened; or the package was described, all but its card.
    return DECRYPT if sealed or (action == DESCRIBE and _described(probed)) else action


def _described(probed: Probed) -> bool:
    return probed.evidence is not None and isinstance(probed.evidence.get("/container_count"), Present)


def _states(probed: Probed) -> dict[Key, tuple[str, str, tuple[str, ...]]]:
    """(account, action) -> (state, the service's words, what could not be read)."""
    blames: dict[Key, list[str]] = {}
    for pointer, fact in _facts(probed).items():
        blamed = _blamed(Observation(pointer, fact), probed)
        if blamed is not None:
            blames.setdefault(blamed, []).append(pointer)
    locked = (probed.account, DECRYPT)
    found: dict[Key, tuple[str, str, tuple[str, ...]]] = {}
    for key, rows in _rows(probed).items():
        failed = sorted(rows, key=lambda row: _WORST.index(row.state))
        # Granted, and refused all the same for want of the key: that is told of the key.
        if not failed or (locked in blames and key not in blames and key[1] in (OBJECT, DESCRIBE)):
            found[key] = OK, "", ()
        else:
            found[key] = failed[0].state, failed[0].error, _places(blames.get(key, ()), probed)
    if locked in blames:
        keys = ", ".join(sorted(set(probed.undecrypted.values()))) or "the key of the model card"
        found[locked] = "denied", f"may see and not open what lies under {keys}", _places(blames[locked], probed)
    elif _opened(probed):
        found[locked] = OK, "", ()
    return found


def _rows(probed: Probed) -> dict[Key, list[LedgerRow]]:
    """(account, action) -> rows of the ledger that failed, empty where all were read."""
    found: dict[Key, list[LedgerRow]] = {}
    for row in probed.ledger:
        account = probed.own if row.account == "own" else row.account
        failed = found.setdefault((account, action_of(row.api)), [])
        # Whoever asks for what does not exist may be told so in any words.
        answered = row.api in probed.nameless and row.error.startswith("ValidationException")
        if row.state in _WORST and not answered:
            failed.append(row)
    return found


def _facts(probed: Probed) -> dict[str, Fact]:
    return {**(probed.evidence.facts if probed.evidence else {}), **probed.reference}


def _opened(probed: Probed) -> bool:
    """Whether something was read that lies under a KMS key for certain: the package's own card."""
    facts = _facts(probed)
    key, origin = facts.get("/package/kms_key/id"), facts.get("/card/origin")
    return isinstance(key, Present) and isinstance(origin, Present) and origin.value == "package"


def _places(pointers: Iterable[str], probed: Probed) -> tuple[str, ...]:
    """URIs of the objects and images behind pointers: the nearest `uri` above each."""
    facts = _facts(probed)
    found = list(dict.fromkeys(uri for pointer in pointers for uri in _uris(pointer, facts)))
    rest = len(found) - _SHOWN
    return (*found[:_SHOWN], *([f"{rest} more"] if rest > 0 else []))


def _uris(pointer: str, facts: Mapping[str, Fact]) -> Iterator[str]:
    parts = pointer.split("/")
    for length in range(len(parts) - 1, 1, -1):
        fact = facts.get("/".join([*parts[:length], "uri"]))
        if isinstance(fact, Present):
            yield str(fact.value)
            return


def _idle(action: str, probed: Probed) -> str:
    """Why nobody asked."""
    if action == ENTER and probed.role:
        return "the package lies in the caller's own account"
    entered = probed.own and all(row.state == "read" for row in probed.ledger if row.api == ENTER)
    return PERMISSIONS[action] if entered or action == ENTER else "the account could not be entered"

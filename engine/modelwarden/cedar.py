"""The only place that talks to cedarpy: parsing, validation, formatting and judging.

What cedarpy 4.12 does, and this module hides (each is a contract test): policy ids are positional unless the set is
built from JSON; a `forbid` whose condition errors is skipped and the decision is Allow; an empty set is a Deny without
reasons; without the parents of the action entities every `action in` is false; a bad entity makes all NoDecision.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden import deferred
from modelwarden.attributes import NAMESPACE
from modelwarden.request import MOMENTS

# Of cedarpy's import, nine tenths are its typed syntax tree, which nothing here uses: the JSON form is enough.
deferred.module("cedarpy.pst")
import cedarpy  # noqa: E402

PolicyJson = dict[str, Any]
"""One policy in Cedar's JSON form: effect, principal, action, resource, conditions, annotations."""

WIDTHS: Final = (80, 100, 120)
"""Line widths at which a layout is accepted; the first is that of Cedar's own tools."""

_ACTION: Final = re.compile(r" in context for \w+::Action::\"\w+\"")
_TOO_DEEP: Final = "nested too deeply, or too many conditions in one policy: write several"
_BASE_ID: Final = "modelwarden:base"
_ERROR: Final = "error while evaluating policy `"


class CedarError(Exception):
    """Policy or schema text that Cedar refuses; the message is Cedar's own first line."""


class NoDecision(Exception):
    """Cedar gave no decision at all (a malformed request): nothing of it may be believed."""


class Judgement(Struct, frozen=True, gc=False):
    """What one call of a policy set said."""

    satisfied: frozenset[str]
    """Ids of every satisfied `forbid`."""
    errors: Mapping[str, str]
    """Policy id -> why its condition could not be computed."""


def version() -> str:
    """Of cedarpy, as it is installed."""
    beside = Path(cedarpy.__file__).parent.parent
    found = sorted(beside.glob("cedarpy-*.dist-info"))
    if len(found) == 1:
        return found[0].name.removeprefix("cedarpy-").removesuffix(".dist-info")
    # Asking the metadata takes longer than all judging, so it is the second try.
    from importlib.metadata import version as of_metadata

    return of_metadata("cedarpy")


def parse(text: str) -> list[PolicyJson]:
    """The policies of a file, in order.

    Raises:
        CedarError: a syntax error, or templates, which this engine has no use for.
    """
    try:
        document = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise CedarError(_first_line(error)) from error
    except RecursionError as error:
        raise CedarError(_TOO_DEEP) from error
    if document.get("templates"):
        raise CedarError("policy templates are not supported: replace the slots by `principal` and `resource`")
    policies: dict[str, PolicyJson] = document["staticPolicies"]
    return [policies[key] for key in sorted(policies, key=lambda name: int(name.removeprefix("policy")))]


def format_text(text: str, width: int = WIDTHS[0]) -> str:
    """The text as Cedar's formatter lays it out.

    Raises:
        CedarError: a syntax error.
    """
    try:
        return str(cedarpy.format_policies(text, width))
    except ValueError as error:
        raise CedarError(_first_line(error)) from error


def is_laid_out(text: str) -> bool:
    """Whether Cedar's formatter leaves the text as it is, at one of the `WIDTHS`; raises CedarError as above."""
    return any(format_text(text, width) == text for width in WIDTHS)


def validate(policies: Mapping[str, PolicyJson], schema: str) -> list[tuple[str, str]]:
    """`[(policy id, problem)]` of strict validation, each problem once; empty where all are valid.

    Raises:
        CedarError: the schema itself is refused.
    """
    if not policies:
        return []
    handle = _schema(schema)
    problems: dict[tuple[str, str], None] = {}
    for policy_id, policy in policies.items():
        try:
            text = cedarpy.policies_from_json_str(_set_json({"p": policy}))
        except ValueError:
            # The JSON form may be 128 deep, and text deeper: what Cedar cannot read back cannot be judged.
            problems[policy_id, _TOO_DEEP] = None
            continue
        result = cedarpy.validate_policies(text, handle)
        told = sorted({_validation_problem(found.error) for found in result.errors}, key=len, reverse=True)
        if not result.validation_passed and not told:
            told = ["refused by the validator without a reason"]
        # A record and the members in it are one problem, told of the longest path.
        problems |= {(policy_id, one): None for one in told if not any(_is_prefix(one, other) for other in told)}
    return list(problems)


@lru_cache(maxsize=2)
def _schema(text: str) -> cedarpy.Schema:
    """One for the controls and one for who may: a bundle is validated file by file, and to read a schema takes longer."""
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise CedarError(f"schema: {_first_line(error)}") from error


def _validation_problem(error: str) -> str:
    """Without the policy's number and without the action, since Cedar repeats the problem for each of them."""
    return _ACTION.sub("", _first_line(error).removeprefix("for policy `policy0`, "))


def _is_prefix(one: str, other: str) -> bool:
    """``... attribute `a` on ...`` of ``... attribute `a.b` on ...``."""
    shorter, longer = (text.split("`") for text in (one, other))
    return len(shorter) == len(longer) > 1 and shorter[0] == longer[0] and longer[1].startswith(shorter[1] + ".")


class Entities:
    """The entities of one request, read once however many sets are asked about them."""

    def __init__(self, document: bytes, shared: bytes) -> None:
        """`shared` are those that are the same in many requests. Raises NoDecision where an entity is malformed."""
        try:
            self.handle = _with_actions(shared).with_added_json_str(document.decode())
        except ValueError as error:
            raise NoDecision(_first_line(error)) from error


class PolicySet:
    """Compiled `forbid` policies by id, with the base `permit` that makes a compliant package an Allow."""

    def __init__(self, policies: Mapping[str, PolicyJson]) -> None:
        """Raises CedarError if Cedar refuses the set."""
        try:
            self._handle = cedarpy.PolicySet.from_json_str(_set_json({**policies, _BASE_ID: _BASE}))
        except ValueError as error:
            raise CedarError(_first_line(error)) from error

    def judge(self, request: dict[str, Any], entities: Entities) -> Judgement:
        """Which policies are satisfied.

        Raises:
            NoDecision: the request is malformed.
        """
        result = cedarpy.is_authorized(request, self._handle, entities.handle)
        decision, told = result.decision, result.diagnostics
        if decision is cedarpy.Decision.NoDecision:
            raise NoDecision("; ".join(told.errors) or "no reason given")
        reasons = frozenset(told.reasons) - {_BASE_ID}
        if (decision is cedarpy.Decision.Deny) != bool(reasons):
            raise NoDecision("decision and reasons disagree")
        return Judgement(reasons, dict(map(_split_error, told.errors)))


class Authorizer:
    """Authorisation policies: default deny, `permit` and `forbid` by id (who may approve, who may grant a waiver)."""

    def __init__(self, policies: Mapping[str, PolicyJson]) -> None:
        try:
            self._handle = cedarpy.PolicySet.from_json_str(_set_json(policies))
        except ValueError as error:
            raise CedarError(_first_line(error)) from error

    def refusal(self, request: Mapping[str, Any], entities: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Why it is refused, sorted; empty only for a decision of Allow without any error."""
        result = cedarpy.is_authorized(dict(request), self._handle, msgspec.json.encode(list(entities)).decode())
        reasons, errors = result.diagnostics.reasons, result.diagnostics.errors
        if errors or result.decision is cedarpy.Decision.NoDecision:
            return tuple(f"cannot be decided: {_first_line(error)}" for error in sorted(errors)) or ("no decision",)
        if result.decision is cedarpy.Decision.Allow:
            return ()
        return tuple(f"policy {reason} forbids it" for reason in sorted(reasons)) or ("no policy permits it",)


_BASE: Final[PolicyJson] = {
    "effect": "permit",
    "principal": {"op": "All"},
    "action": {"op": "All"},
    "resource": {"op": "All"},
    "conditions": [],
    "annotations": {},
}


@lru_cache(maxsize=64)
def _with_actions(shared: bytes) -> cedarpy.Entities:
    return _actions().with_added_json_str(shared.decode())


@cache
def _actions() -> cedarpy.Entities:
    """The action entities with their parent; without the parents nothing would apply and everything be allowed."""
    group = {"type": f"{NAMESPACE}::Action", "id": "promote"}
    actions: list[dict[str, Any]] = [{"uid": group, "attrs": {}, "parents": []}]
    actions += [{"uid": {**group, "id": moment}, "attrs": {}, "parents": [group]} for moment in MOMENTS]
    return cedarpy.Entities.from_json_str(json.dumps(actions))


def _set_json(policies: Mapping[str, PolicyJson]) -> str:
    """A policy set keyed by id. Annotations judge nothing, and reading them back takes Cedar a third of the time."""
    policies = {id_: {**policy, "annotations": {}} for id_, policy in policies.items()}
    return msgspec.json.encode({"staticPolicies": policies, "templates": {}, "templateLinks": []}).decode()


def _split_error(text: str) -> tuple[str, str]:
    """``error while evaluating policy `ID`: why`` -> (ID, why)."""
    policy_id, _, why = text.removeprefix(_ERROR).partition("`: ")
    return policy_id, why


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason given").strip().rstrip(".")

"""Tags, and the resource policy of the group. Pure."""

from __future__ import annotations

import json
from typing import Any

from modelwarden.collect.aws import Answer, Failure
from modelwarden.collect.report import plain
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown
from modelwarden.facts import escape

_POLICY = ("state", "document", "principals", "actions")


def tag_facts(answer: Answer | Failure) -> dict[str, Fact]:
    """`/tag_keys` and one fact for each tag; a listing that failed leaves the keys unknown."""
    if isinstance(answer, Failure):
        fact = answer.fact()
        return {"/tag_keys": Unknown("NotFound", fact.source) if isinstance(fact, Absent) else fact}
    tags = {
        plain(str(tag["Key"])): plain(str(tag.get("Value", "")))
        for tag in answer.data["Tags"]
        if isinstance(tag, dict) and "Key" in tag
    }
    facts: dict[str, Fact] = {"/tag_keys": Present(tuple(sorted(tags)), answer.source)}
    return facts | {f"/tag/{escape(key)}": Present(value, answer.source) for key, value in tags.items()}


def policy_facts(answer: Answer | Failure | None, source: Source) -> dict[str, Fact]:
    """Facts of GetModelPackageGroupPolicy; None for a package without a group. No policy at all is an answer."""
    if answer is None:
        return {f"/group_policy/{name}": Absent(source) for name in _POLICY}
    if isinstance(answer, Failure):
        return {f"/group_policy/{name}": answer.fact() for name in _POLICY}
    text = answer.data.get("ResourcePolicy")
    if not isinstance(text, str) or not text:
        return {f"/group_policy/{name}": Absent(answer.source) for name in _POLICY}
    facts: dict[str, Fact] = {"/group_policy/document": Present(plain(text[:20_480]), answer.source)}
    try:
        statements = json.loads(text)["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        allowed = [one for one in statements if one.get("Effect") == "Allow"]
        principals = {name for one in allowed for name in _names(one.get("Principal", one.get("NotPrincipal") and "*"))}
        actions = {name for one in allowed for name in _names(one.get("Action", one.get("NotAction") and "*"))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        unknown = Unknown("malformed", answer.source)
        return facts | {
            "/group_policy/state": Present("malformed", answer.source),
            "/group_policy/principals": unknown,
            "/group_policy/actions": unknown,
        }
    return facts | {
        "/group_policy/state": Present("valid", answer.source),
        "/group_policy/principals": Present(tuple(sorted(map(plain, principals))), answer.source),
        "/group_policy/actions": Present(tuple(sorted(map(plain, actions))), answer.source),
    }


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for inner in value.values() for name in _names(inner)]
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []

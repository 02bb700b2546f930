"""Tags, and the resource policy of the group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.cell import Cell
from modelwarden.collect.text import whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown
from modelwarden.facts import escape

_POLICY: Final = ("state", "document", "principals", "actions")
_PAGES: Final = 10
"""A resource has 50 tags at most, which is one page."""


def read_tags(cell: Cell) -> dict[str, Fact]:
    """All pages of the tags. A version carries none of its own: it has those of its group."""
    arn = cell.arn
    head = f"arn:{arn.partition}:sagemaker:{arn.region}:{arn.account}:model-package-group"
    resource = arn.text if arn.group is None else f"{head}/{arn.group}"
    tags: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    for _ in range(_PAGES):
        answer = cell.call("sagemaker", "ListTags", ResourceArn=resource, **token)
        if isinstance(answer, Failure):
            return {"/tag_keys": answer.unknown()}
        tags += answer.data["Tags"]
        following = answer.data.get("NextToken")
        if not following:
            return tag_facts(tags, answer.source)
        token = {"NextToken": following}
    return {"/tag_keys": Unknown("incomplete", answer.source, f"more than {_PAGES} pages of tags")}


def tag_facts(tags: list[Mapping[str, Any]], source: Source) -> dict[str, Fact]:
    """`/tag_keys` and one fact for each tag."""
    found = {whole(tag["Key"]): whole(tag.get("Value", "")) for tag in tags if "Key" in tag}
    facts: dict[str, Fact] = {"/tag_keys": Present(tuple(sorted(found)), source)}
    return facts | {f"/tag/{escape(key)}": Present(value, source) for key, value in found.items()}


def read_policy(cell: Cell, source: Source) -> dict[str, Fact]:
    """Facts of GetModelPackageGroupPolicy. No policy at all is an answer, and so is a package without a group."""
    if cell.arn.group is None:
        return _no_policy(Absent(source))
    if not cell.owned:
        return _no_policy(cell.foreign("GetModelPackageGroupPolicy takes a name and knows the caller's groups only"))
    answer = cell.call("sagemaker", "GetModelPackageGroupPolicy", ModelPackageGroupName=cell.arn.group)
    return _no_policy(answer.fact()) if isinstance(answer, Failure) else policy_facts(answer)


def _no_policy(fact: Fact) -> dict[str, Fact]:
    return {f"/group_policy/{name}": fact for name in _POLICY}


def policy_facts(answer: Answer) -> dict[str, Fact]:
    """Who may do what by the policy of the group."""
    text, source = answer.data["ResourcePolicy"], answer.source
    if not text:
        return _no_policy(Absent(source))
    facts: dict[str, Fact] = {"/group_policy/document": Present(whole(text), source)}
    try:
        statements = json.loads(text)["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        allowed = [one for one in statements if one.get("Effect") == "Allow"]
        principals = {name for one in allowed for name in _names(one, "Principal")}
        actions = {name for one in allowed for name in _names(one, "Action")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        unknown = Unknown("malformed", source)
        return facts | {
            "/group_policy/state": Present("malformed", source),
            "/group_policy/principals": unknown,
            "/group_policy/actions": unknown,
        }
    return facts | {
        "/group_policy/state": Present("valid", source),
        "/group_policy/principals": Present(tuple(sorted(map(whole, principals))), source),
        "/group_policy/actions": Present(tuple(sorted(map(whole, actions))), source),
    }


def _names(statement: Mapping[str, Any], member: str) -> list[str]:
    """Whom or what a statement names; one that names all but some names everybody."""
    return ["*"] if f"Not{member}" in statement else _texts(statement[member])


def _texts(value: Any) -> list[str]:
    """Raises TypeError for what no policy holds."""
    if isinstance(value, dict):
        return [name for inner in value.values() for name in _texts(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _texts(inner)]
    if not isinstance(value, str):
        raise TypeError
    return [value]

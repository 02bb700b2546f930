"""Search over model packages, their groups and model cards: all operators, sorting, paging, hits, tags."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from modelwarden.sandbox.cloudtrail import moment
from modelwarden.sandbox.packages import shared_with
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Cell, Handler, check_decrypt, page

_MISSING: Final = object()


def _search(call: Call) -> Mapping[str, Any] | None:
    """Newest change first unless told otherwise; other resources are moto's."""
    resource = call.need("Resource")
    if resource not in ("ModelPackage", "ModelPackageGroup", "ModelCard"):
        return None
    expression = call.parameters.get("SearchExpression")
    if expression is not None and not _filters(expression):
        raise Refusal(
            "ValidationException", "SearchExpression must contain at least one filter, nested filter or sub-expression"
        )
    records = _records(call, resource)
    found = [record for record in records if expression is None or _matches(expression, record)]
    by = call.parameters.get("SortBy") or "LastModifiedTime"
    descending = call.parameters.get("SortOrder", "Descending") == "Descending"
    found.sort(key=lambda record: _sort_key(_values(record, by)), reverse=descending)
    results, token = page(found, call, 10)
    hits = {"Value": len(found), "Relation": "EqualTo"}
    return {"Results": [{resource: record} for record in results], "TotalHits": hits, **token}


def _records(call: Call, resource: str) -> list[dict[str, Any]]:
    if resource == "ModelCard":
        return [_card(call, versions[-1]) for versions in call.cell.cards.values()]
    groups, packages = _visible(call)
    return packages if resource == "ModelPackage" else groups


def _card(call: Call, card: dict[str, Any]) -> dict[str, Any]:
    """The newest version; without its content where that is under a key with which the caller may not decrypt."""
    try:
        check_decrypt(call, card.get("SecurityConfig", {}).get("KmsKeyId"))
    except Refusal:
        return {name: value for name, value in card.items() if name != "Content"}
    return card


def _visible(call: Call) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(groups, packages) of the caller, or with CrossAccount those that others share with it."""
    if call.parameters.get("CrossAccountFilterOption") != "CrossAccount":
        return _groups(call.cell), _packages(call.cell)
    groups, packages = [], []
    for (account, region), cell in call.world.cells.items():
        shared = {name for name, group in cell.groups.items() if shared_with(group, call.account)}
        if account != call.account and region == call.region:
            groups += [one for one in _groups(cell) if one["ModelPackageGroupName"] in shared]
            packages += [one for one in _packages(cell) if one.get("ModelPackageGroupName") in shared]
    return groups, packages


def _packages(cell: Cell) -> list[dict[str, Any]]:
    """Every Describe field but ManagedStorageType, and the tags: a version's are those of its group."""
    records = []
    for key, package in cell.packages.items():
        group = cell.groups.get(package.get("ModelPackageGroupName", ""))
        tags = group.tags if group is not None else cell.package_tags.get(key, {})
        kept = {name: value for name, value in package.items() if name != "ManagedStorageType"}
        records.append({**kept, "Tags": _tags(tags)})
    return records


def _groups(cell: Cell) -> list[dict[str, Any]]:
    return [
        {
            "ModelPackageGroupName": group.name,
            "ModelPackageGroupArn": group.arn,
            "ModelPackageGroupDescription": group.description,
            "CreationTime": group.created,
            "CreatedBy": group.created_by,
            "ModelPackageGroupStatus": "Completed",
            "Tags": _tags(group.tags),
        }
        for group in cell.groups.values()
    ]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _filters(expression: Mapping[str, Any]) -> bool:
    return any(expression.get(name) for name in ("Filters", "NestedFilters", "SubExpressions"))


def _matches(expression: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    verdicts = [_holds(one, _values(record, one["Name"])) for one in expression.get("Filters") or []]
    verdicts += [_nested(one, record) for one in expression.get("NestedFilters") or []]
    verdicts += [_matches(one, record) for one in expression.get("SubExpressions") or []]
    return any(verdicts) if expression.get("Operator") == "Or" else all(verdicts)


def _nested(nested: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """One member of the list must meet all filters."""
    prefix = nested["NestedPropertyName"]
    members = _values(record, prefix)
    wanted = [(one, one["Name"].removeprefix(f"{prefix}.")) for one in nested["Filters"]]
    return any(
        all(_holds(one, _values(member, name)) for one, name in wanted)
        for member in members
        if isinstance(member, dict)
    )


def _values(record: Any, path: str) -> list[Any]:
    """The values at a dotted path; lists are followed into each member, `Tags.KEY` into the tag."""
    if isinstance(record, list):
        return [value for member in record for value in _values(member, path)]
    if not path:
        return [record]
    if not isinstance(record, Mapping):
        return []
    head, _, rest = path.partition(".")
    if head == "Tags" and rest:
        return [tag["Value"] for tag in record.get("Tags", []) if tag["Key"] == rest]
    for split in range(path.count(".") + 1, 0, -1):
        name = ".".join(path.split(".")[:split])
        if name in record:
            return _values(record[name], path[len(name) + 1 :])
    return []


def _holds(condition: Mapping[str, Any], values: list[Any]) -> bool:
    operator, wanted = (
        condition.get("Operator") or ("Equals" if "Value" in condition else "Exists"),
        condition.get("Value"),
    )
    if operator in ("Exists", "NotExists"):
        return bool(values) == (operator == "Exists")
    if wanted is None:
        raise Refusal("ValidationException", f"Operator {operator} needs a value")
    if operator in ("NotEquals",):
        return all(not _equal(value, wanted) for value in values)
    test = _TESTS.get(operator)
    if test is None:
        raise Refusal("ValidationException", f"Unknown operator {operator}")
    return any(test(value, wanted) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _equal(value: Any, wanted: str) -> bool:
    pair = _pair(value, wanted)
    return bool(pair and pair[0] == pair[1])


def _pair(value: Any, wanted: str) -> tuple[Any, Any] | None:
    """Both sides as times, numbers or text; None: they cannot be compared."""
    try:
        if isinstance(value, datetime):
            return value, moment(wanted)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value), float(wanted)
    except ValueError as error:
        raise Refusal("ValidationException", f"Value {wanted} is not valid for the property") from error
    return _text(value), wanted


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    def test(value: Any, wanted: str) -> bool:
        pair = _pair(value, wanted)
        return bool(pair and compare(*pair))

    return test


_TESTS: Final[dict[str, Callable[[Any, str], bool]]] = {
    "Equals": _equal,
    "GreaterThan": _ordered(lambda a, b: a > b),
    "GreaterThanOrEqualTo": _ordered(lambda a, b: a >= b),
    "LessThan": _ordered(lambda a, b: a < b),
    "LessThanOrEqualTo": _ordered(lambda a, b: a <= b),
    "Contains": lambda value, wanted: wanted.lower() in _text(value).lower(),
    "In": lambda value, wanted: any(_equal(value, one.strip()) for one in wanted.split(",")),
}


def _sort_key(values: list[Any]) -> tuple[int, float, str]:
    """Times and numbers before text, nothing before all; ties keep their order."""
    if not values:
        return (0, 0.0, "")
    first = values[0]
    if isinstance(first, datetime):
        return (1, first.timestamp(), "")
    if isinstance(first, int | float):
        return (1, float(first), "")
    return (2, 0.0, _text(first))


OPERATIONS: Final[dict[str, Handler]] = {"sagemaker:Search": _search}

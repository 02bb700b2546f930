"""The model card: from its text to facts. Pure, and total over any text."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final, Literal

from modelwarden import builtin
from modelwarden.card_text import visible_characters
from modelwarden.collect.fits import Check, compiled
from modelwarden.collect.text import unique, whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown
from modelwarden.facts import FactType, escape, kinds

Origin = Literal["package", "standalone"]

MAX_CHARACTERS: Final = 100_000
"""Of ModelCardContent (botocore's model of CreateModelPackage)."""
_CONTENT: Final = "/card/content/"
_MAX_DEPTH: Final = 50
"""Levels of objects and lists in one another; the schema has eight."""
_MAX_EVALUATIONS: Final = 1_000
_MAX_ERRORS: Final = 200
_GROUPS: Final = {
    "bias": re.compile(r"bias|fairness", re.IGNORECASE),
    "explainability": re.compile(r"(?<![a-z])shap(?![a-z])|expla(in|nation)|attribution", re.IGNORECASE),
}
"""How groups of such metrics are named: by the SDK, and by people."""


def no_card(fact: Fact) -> dict[str, Fact]:
    """Every card fact where there is no card (absent), or where nobody could read whether there is one (unknown)."""
    return dict.fromkeys(_patterns(), fact)


def parse_card(text: str, origin: Origin, status: str | None, source: Source) -> dict[str, Fact]:
    """Facts below `/card` for the text of ModelCardContent, whatever it holds."""
    facts: dict[str, Fact] = {
        "/card/origin": Present(origin, source),
        "/card/status": Present(status, source) if status else Absent(source),
        "/card/content_sha256": Present(
            "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), source
        ),
    }
    try:
        document = decode(text)
    except ValueError as error:
        return {
            **no_card(Unknown("malformed", source)),
            **facts,
            "/card/state": Present("malformed", source),
            "/card/problem": Present(whole(str(error)), source),
        }
    facts |= {"/card/state": Present("valid", source), "/card/problem": Absent(source)}
    facts["/card/schema_errors"] = Present(tuple(schema_errors(document, origin)), source)
    return {**no_card(Absent(source)), **facts, **_content(document, source)}


def metadata_only(content: Mapping[str, Any], status: str | None, source: Source, denied: Unknown) -> dict[str, Fact]:
    """After IncludedData=MetadataOnly: the rating as far as it was left in, everything else unknown, never absent."""
    facts = no_card(denied)
    facts |= {
        "/card/origin": Present("package", source),
        "/card/status": Present(status, source) if status else Absent(source),
    }
    uses = content.get("intended_uses")
    rating = uses.get("risk_rating") if isinstance(uses, dict) else None
    if isinstance(rating, str):
        facts[f"{_CONTENT}intended_uses/risk_rating"] = Present(whole(rating), source)
    return facts


@cache
def _patterns() -> tuple[str, ...]:
    return tuple(
        pattern for pattern in kinds() if pattern.startswith("/card/") and "*" not in pattern and "{" not in pattern
    )


@cache
def _fields() -> tuple[tuple[str, tuple[str, ...], FactType], ...]:
    """(pattern, names on the way to it, type) of each field of the content that the dictionary has."""
    return tuple(
        (pattern, tuple(pattern.removeprefix(_CONTENT).split("/")), kind.type)
        for pattern, kind in kinds().items()
        if pattern.startswith(_CONTENT) and "evaluation_details" not in pattern
    )


@lru_cache(maxsize=8)
def decode(text: str) -> Mapping[str, Any]:
    """The card as an object; one that was encoded twice is decoded twice. Nobody may change it: whether it was withheld,
    what it says and which job it names are asked of the same text one after the other. Few are kept, since a hostile
    one takes some megabytes.

    Raises:
        ValueError: it is too long, no JSON, ambiguous or no object.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"longer than {MAX_CHARACTERS} characters")
    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=_constant)
        if isinstance(document, str):
            document = json.loads(document, object_pairs_hook=unique, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"a JSON {type(document).__name__} instead of an object")
    if _deeper(document, _MAX_DEPTH):
        raise ValueError("nested too deeply")
    return document


def _deeper(document: Any, levels: int) -> bool:
    """Whether there is something below so many levels; without recursion, which depth would exhaust."""
    found = [document]
    for _ in range(levels):
        holders = [one.values() if isinstance(one, dict) else one for one in found if isinstance(one, dict | list)]
        found = [member for holder in holders for member in holder]
    return bool(found)


def _constant(name: str) -> float:
    """NaN and the infinities are no JSON; they are kept for the schema to refuse."""
    return float(name.replace("Infinity", "inf"))


@cache
def _schema(origin: Origin) -> dict[str, Any]:
    name = "model_card.schema.json" if origin == "package" else "model_card_standalone.schema.json"
    schema: dict[str, Any] = json.loads(builtin.read("reports.schemas", name))
    if origin == "standalone":
        base: dict[str, Any] = json.loads(builtin.read("reports.schemas", "model_card.schema.json"))
        base["properties"]["model_overview"]["properties"] |= schema["properties"]["model_overview"]["properties"]
        base["properties"]["model_package_details"] = schema["properties"]["model_package_details"]
        schema = base
    return schema


@cache
def _fits(origin: Origin) -> Check:
    return compiled(_schema(origin))


@cache
def _validator(origin: Origin) -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(_schema(origin))


def schema_errors(document: Mapping[str, Any], origin: Origin) -> list[str]:
    """`path: what is wrong`, sorted, at most 20; numbers that are none count as wrong."""
    numbers = (
        f"{path}: {value} is no JSON number" for path, value in _numbers(document, "") if not math.isfinite(value)
    )
    # INVARIANT: what fits has no errors.
    errors = () if _fits(origin)(document) else _validator(origin).iter_errors(document)
    violations = (f"/{'/'.join(map(str, error.absolute_path))}: {_said(error)}" for error in errors)
    # A card of nothing but violations has thousands; the first ones are enough to refuse it.
    found = [*islice(numbers, _MAX_ERRORS), *islice(violations, _MAX_ERRORS)]
    return sorted({whole(error)[:200] for error in found})[:20]


def _said(error: Any) -> str:
    """The validator's message without the offending text, which may be long or sensitive."""
    match error.validator:
        case "additionalProperties":
            extra = sorted(set(error.instance) - set(error.schema.get("properties", {})))
            return f"unknown key {', '.join(extra)}"
        case "type":
            return f"must be {_types(error.validator_value)}"
        case "enum":
            return f"must be one of {', '.join(map(str, error.validator_value))}"
        case "required":
            return f"{', '.join(name for name in error.validator_value if name not in error.instance)} is missing"
        case "maxLength" | "maxItems" | "minLength" | "minItems" | "minimum" | "pattern":
            return f"{error.validator} is {error.validator_value}"
    return f"does not fit ({error.validator})"


def _types(value: Any) -> str:
    return " or ".join(value) if isinstance(value, list) else str(value)


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _numbers(inner, f"{path}/{key}")


def _content(document: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    """The dictionary's fields, every other text, and the lists that name them."""
    facts: dict[str, Fact] = {}
    pointers: list[str] = []
    for pattern, names, type_ in _fields():
        facts[pattern] = _field(document, names, type_, source)
    groups: dict[str, set[str]] = {"bias": set(), "explainability": set()}
    facts |= _evaluations(document.get("evaluation_details"), groups, source)
    facts["/card/bias_groups"] = Present(tuple(sorted(groups["bias"])), source)
    facts["/card/explainability_groups"] = Present(tuple(sorted(groups["explainability"])), source)
    blank: list[str] = []
    for path, text in _texts(document, ""):
        pointer = "/card/content" + path
        if facts.get(pointer) != Present(whole(text), source):
            pointer = _free(path)
            facts[pointer] = Present(whole(text), source)
        pointers.append(pointer)
        if not visible_characters(text):
            blank.append(pointer)
    facts["/card/string_pointers"] = Present(tuple(pointers), source)
    facts["/card/blank_pointers"] = Present(tuple(sorted(blank)), source)
    return facts


def _free(path: str) -> str:
    """The pointer of a text that is no field of the dictionary."""
    # A star would read as a pattern, and a lone surrogate as nothing at all.
    return "/card/text/" + whole(escape(path[1:])).replace("*", "%2A")


def _field(document: Mapping[str, Any], names: tuple[str, ...], type_: FactType, source: Source) -> Fact:
    value: Any = document
    for name in names:
        if not isinstance(value, dict):
            return Unknown("wrong type", source)
        value = value.get(name)
        if value is None:
            return Absent(source)
    return _typed(value, type_, source)


def _typed(value: Any, type_: str, source: Source) -> Fact:
    if value is None:
        return Absent(source)
    if type_ == "string" and isinstance(value, str):
        return Present(whole(value), source)
    if type_ == "list" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Present(tuple(map(whole, value)), source)
    return Unknown("wrong type", source)


def _evaluations(value: Any, groups: dict[str, set[str]], source: Source) -> dict[str, Fact]:
    if value is None:
        return {f"{_CONTENT}evaluation_details_count": Absent(source)}
    if not isinstance(value, list):
        return {f"{_CONTENT}evaluation_details_count": Unknown("wrong type", source)}
    if len(value) > _MAX_EVALUATIONS:
        return {f"{_CONTENT}evaluation_details_count": Unknown("too many evaluations", source)}
    facts: dict[str, Fact] = {f"{_CONTENT}evaluation_details_count": Present(len(value), source)}
    for index, entry in enumerate(value):
        head = f"{_CONTENT}evaluation_details/{index}"
        entry = entry if isinstance(entry, dict) else {}
        for name, type_ in (("name", "string"), ("evaluation_observation", "string"), ("datasets", "list")):
            facts[f"{head}/{name}"] = _typed(entry.get(name), type_, source)
        facts[f"{head}/numeric_metric_count"] = Present(_metrics(entry.get("metric_groups"), groups), source)
    return facts


def _metrics(value: Any, groups: dict[str, set[str]]) -> int:
    """How many finite numbers the groups hold; notes the names of the bias and explainability groups that hold some."""
    found = 0
    for group in value if isinstance(value, list) else ():
        data = group.get("metric_data") if isinstance(group, dict) else None
        numbers = [m for m in data if _is_numeric(m)] if isinstance(data, list) else []
        found += len(numbers)
        name = group.get("name") if isinstance(group, dict) else None
        if numbers and isinstance(name, str):
            for kind, pattern in _GROUPS.items():
                if pattern.search(name):
                    groups[kind].add(whole(name))
    return found


def _is_numeric(metric: Any) -> bool:
    """Of type number with a finite value; a whole number is finite, and may be too large for a float."""
    if not isinstance(metric, dict) or metric.get("type") != "number":
        return False
    value = metric.get("value")
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text but those inside metric groups, which are names of metrics and axes."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key != "metric_groups":
                yield from _texts(inner, f"{path}/{escape(key)}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}/{index}")

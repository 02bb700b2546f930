"""The model card: from its text to facts. Pure, and total over any text."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from modelwarden.evidence import Absent, Fact, Present, Source, Unknown
from modelwarden.facts import escape, kinds

Origin = Literal["package", "standalone"]

MAX_CHARACTERS: Final = 100_000
"""Of ModelCardContent (botocore's model of CreateModelPackage)."""
_CONTENT: Final = "/card/content/"
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Of the categories of letters and symbols, and yet without ink."""


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
        document = _decode(text)
    except ValueError as error:
        return {
            **no_card(Unknown("malformed", source)),
            **facts,
            "/card/state": Present("malformed", source),
            "/card/problem": Present(_plain(str(error)), source),
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
        facts[f"{_CONTENT}intended_uses/risk_rating"] = Present(_plain(rating), source)
    return facts


def _patterns() -> list[str]:
    return [
        pattern for pattern in kinds() if pattern.startswith("/card/") and "*" not in pattern and "{" not in pattern
    ]


def _decode(text: str) -> dict[str, Any]:
    """The card as an object; one that was encoded twice is decoded twice.

    Raises:
        ValueError: it is too long, no JSON, ambiguous or no object.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"longer than {MAX_CHARACTERS} characters")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
        if isinstance(document, str):
            document = json.loads(document, object_pairs_hook=_unique, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"a JSON {type(document).__name__} instead of an object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _constant(name: str) -> float:
    """NaN and the infinities are no JSON; they are kept for the schema to refuse."""
    return float(name.replace("Infinity", "inf"))


@cache
def _validator(origin: Origin) -> Any:
    import jsonschema

    name = "model_card.schema.json" if origin == "package" else "model_card_standalone.schema.json"
    schema = json.loads((files("modelwarden.builtin.reports.schemas") / name).read_text())
    if origin == "standalone":
        base = json.loads((files("modelwarden.builtin.reports.schemas") / "model_card.schema.json").read_text())
        base["properties"]["model_overview"]["properties"] |= schema["properties"]["model_overview"]["properties"]
        schema = base
    return jsonschema.Draft202012Validator(schema)


def schema_errors(document: Mapping[str, Any], origin: Origin) -> list[str]:
    """`path: what is wrong`, sorted, at most 20; numbers that are none count as wrong."""
    errors = [
        f"/{'/'.join(map(str, error.absolute_path))}: {_said(error)}"
        for error in _validator(origin).iter_errors(document)
    ]
    errors += [
        f"{path}: {value} is no JSON number" for path, value in _numbers(document, "") if not math.isfinite(value)
    ]
    return sorted({_plain(error)[:200] for error in errors})[:20]


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
    for pattern in kinds():
        if pattern.startswith(_CONTENT) and "evaluation_details" not in pattern:
            facts[pattern] = _field(document, pattern, source)
    groups: dict[str, set[str]] = {"bias": set(), "explainability": set()}
    facts |= _evaluations(document.get("evaluation_details"), groups, source)
    facts["/card/bias_groups"] = Present(tuple(sorted(groups["bias"])), source)
    facts["/card/explainability_groups"] = Present(tuple(sorted(groups["explainability"])), source)
    for path, text in _texts(document, ""):
        pointer = _CONTENT + path.lstrip("/")
        if not isinstance(facts.get(pointer), Present):
            pointer = f"/card/text/{escape(path.lstrip('/'))}"
            facts[pointer] = Present(_plain(text), source)
        pointers.append(pointer)
    blank = [pointer for pointer in pointers if not any(map(_is_visible, str(_value_of(facts[pointer]))))]
    facts["/card/string_pointers"] = Present(tuple(pointers), source)
    facts["/card/blank_pointers"] = Present(tuple(sorted(blank)), source)
    return facts


def _value_of(fact: Fact) -> Any:
    return fact.value if isinstance(fact, Present) else ""


def _is_visible(character: str) -> bool:
    """Letters, numbers, punctuation and symbols; neither blanks nor what only shapes or hides its neighbours."""
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANK_LETTERS


def _field(document: Mapping[str, Any], pattern: str, source: Source) -> Fact:
    value: Any = document
    for name in pattern.removeprefix(_CONTENT).split("/"):
        if not isinstance(value, dict):
            return Unknown("wrong type", source)
        if name not in value:
            return Absent(source)
        value = value[name]
    return _typed(value, kinds()[pattern].type, source)


def _typed(value: Any, type_: str, source: Source) -> Fact:
    if type_ == "string" and isinstance(value, str):
        return Present(_plain(value), source)
    if type_ == "list" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Present(tuple(map(_plain, value)), source)
    return Unknown("wrong type", source)


def _evaluations(value: Any, groups: dict[str, set[str]], source: Source) -> dict[str, Fact]:
    if value is None:
        return {f"{_CONTENT}evaluation_details_count": Absent(source)}
    if not isinstance(value, list):
        return {f"{_CONTENT}evaluation_details_count": Unknown("wrong type", source)}
    facts: dict[str, Fact] = {f"{_CONTENT}evaluation_details_count": Present(len(value), source)}
    for index, entry in enumerate(value):
        head = f"{_CONTENT}evaluation_details/{index}"
        entry = entry if isinstance(entry, dict) else {}
        for name, type_ in (("name", "string"), ("evaluation_observation", "string"), ("datasets", "list")):
            facts[f"{head}/{name}"] = _typed(entry[name], type_, source) if name in entry else Absent(source)
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
            lowered = name.casefold()
            if "bias" in lowered:
                groups["bias"].add(_plain(name))
            if "shap" in lowered or "explan" in lowered or "explain" in lowered:
                groups["explainability"].add(_plain(name))
    return found


def _is_numeric(metric: Any) -> bool:
    value = metric.get("value") if isinstance(metric, dict) else None
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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


def _plain(text: str) -> str:
    """Text that every encoder takes: lone surrogates are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

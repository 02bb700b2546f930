"""A JSON Schema of the embedded metric format, after the specification that AWS publishes in the CloudWatch user guide."""

from __future__ import annotations

from typing import Any, Final

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 255}
_UNITS: Final = ["None", "Count", "Percent", "Seconds", "Milliseconds", "Microseconds", "Bytes", "Count/Second"]
"""Those of the specification that we may want."""
_DIRECTIVE: Final = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": {**_NAME, "pattern": "^[^:]"},
        "Dimensions": {"type": "array", "minItems": 1, "items": {"type": "array", "maxItems": 9, "items": _NAME}},
        "Metrics": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["Name"],
                "additionalProperties": False,
                "properties": {
                    "Name": _NAME,
                    "Unit": {"enum": _UNITS},
                    "StorageResolution": {"enum": [1, 60]},
                },
            },
        },
    },
}
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                # Milliseconds: seconds would be a moment of 1970.
                "Timestamp": {"type": "integer", "minimum": 1_000_000_000_000},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": _DIRECTIVE},
            },
        }
    },
}


def targets(document: dict[str, Any]) -> list[str]:
    """What the schema cannot say: names that point at no member of the root, or at one of the wrong type."""
    wrong = []
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for name in (one["Name"] for one in directive["Metrics"]):
            value = document.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                wrong.append(name)
        wrong += [
            name for names in directive["Dimensions"] for name in names if not isinstance(document.get(name), str)
        ]
    return wrong

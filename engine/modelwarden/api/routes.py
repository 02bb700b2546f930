"""Routes: which calls there are, what each takes and gives. Calls are led by this table, and openapi.json is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from modelwarden.api import decisions, reading
from modelwarden.api.message import Call, Reply
from modelwarden.api.once import KEY
from modelwarden.api.service import Service

Handler: TypeAlias = Callable[[Service, Call, str, Mapping[str, str]], Reply]
"""(service, call, value of the path, query) -> reply. Raises Refusal, Unavailable or UserError where there is none."""

_ARN: Final = (
    r"^arn:aws[a-z-]*:sagemaker:[a-z]{2}(-[a-z]+)+-[0-9]:[0-9]{12}:model-package/[A-Za-z0-9][A-Za-z0-9-]{0,62}"
    r"(/[1-9][0-9]{0,8})?$"
)
_PACKAGE: Final = {
    "type": "string",
    "pattern": _ARN,
    "example": "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7",
}
QUESTION: Final = {
    "type": "object",
    "required": ["package", "stage", "moment"],
    "properties": {
        "package": {**_PACKAGE, "description": "ARN of the model package"},
        "stage": {"enum": ["Development", "Staging", "Production"]},
        "moment": {
            "enum": ["approve", "deploy"],
            "description": "may it be approved for the stage, or go live there now",
        },
        "rollback": {
            "type": "boolean",
            "default": False,
            "description": "return to what the organization's records say was allowed once",
        },
    },
    "additionalProperties": False,
}
"""JSON Schema of the body of a question; `decisions.Asked` reads it."""


class Parameter(Struct, frozen=True):
    """One thing that a route takes beside the body."""

    name: str
    place: Literal["path", "query", "header"]
    about: str
    schema: Mapping[str, Any]


class Route(Struct, frozen=True):
    """One method of one path."""

    method: Literal["GET", "POST"]
    path: str
    """With at most one value, at its end: `/decisions/{id}`."""
    operation: str
    about: str
    handler: Handler
    answer: tuple[int, str]
    """Status, and the schema of the body."""
    refusals: tuple[str, ...]
    """Kinds of `refusal.KINDS`, beside those of every route."""
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}
    """Of the answer: name -> what it says."""

    @property
    def head(self) -> str:
        """The path up to its value."""
        return self.path.partition("{")[0]

    @property
    def greedy(self) -> bool:
        """Whether slashes may stand in the value."""
        return self.path.endswith("{arn}")

    def takes(self, query: str) -> bool:
        """Whether it has a parameter of this name in its query."""
        return any(one.place == "query" and one.name == query for one in self.parameters)


ROUTES: Final = (
    Route(
        method="POST",
        path="/decisions",
        operation="judge",
        about="Judge a model package. Every verdict is a 201: read `verdict`.",
        handler=decisions.judge,
        answer=(201, "decision"),
        refusals=("malformed", "no-package", "in-use", "too-large", "not-json", "invalid", "key-reused"),
        parameters=(
            Parameter(
                KEY,
                "header",
                "A new UUID for each question: what is sent again under it is answered as before, and not judged again.",
                {"type": "string", "pattern": decisions.KEY_PATTERN},
            ),
        ),
        body=QUESTION,
        headers={"location": "the decision, from the address of the call on"},
    ),
    Route(
        method="GET",
        path="/decisions/{id}",
        operation="decision",
        about="A decision that was recorded.",
        handler=decisions.read,
        answer=(200, "decision"),
        refusals=("malformed", "no-decision"),
        parameters=(
            Parameter("id", "path", "`run` of the decision.", {"type": "string", "pattern": "^[0-9A-Za-z-]{1,80}$"}),
            Parameter("package", "query", "Its package, of a decision that `modelwarden gate` recorded.", _PACKAGE),
        ),
    ),
    Route(
        method="GET",
        path="/packages/{arn}",
        operation="package",
        about="What scans found of a model package: its state, and each change with what brought it.",
        handler=reading.package,
        answer=(200, "history"),
        refusals=("malformed", "not-seen"),
        parameters=(Parameter("arn", "path", "ARN, percent-encoded or as it is.", _PACKAGE),),
    ),
    Route(
        method="GET",
        path="/runs",
        operation="runs",
        about="The scans, newest first.",
        handler=reading.runs,
        answer=(200, "runs"),
        refusals=("malformed", "not-seen"),
        parameters=(
            Parameter(
                "limit",
                "query",
                "Runs of a page.",
                {"type": "integer", "minimum": 1, "maximum": reading.MOST, "default": reading.PAGE},
            ),
            Parameter("cursor", "query", "From the link `next` of the page before.", {"type": "string"}),
        ),
        headers={"link": 'the next page, `rel="next"`, where there is one; from the address of the call on'},
    ),
    Route(
        method="GET",
        path="/controls",
        operation="controls",
        about="The controls in force.",
        handler=reading.controls,
        answer=(200, "controls"),
        refusals=(),
    ),
    Route(
        method="GET",
        path="/openapi.json",
        operation="openapi",
        about="This document.",
        handler=reading.openapi,
        answer=(200, "openapi"),
        refusals=(),
    ),
)

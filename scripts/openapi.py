"""The OpenAPI document, made of the routes and of the published schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts import schemas

from modelwarden import __version__
from modelwarden.api.message import JSON
from modelwarden.api.refusal import KINDS, PROBLEM
from modelwarden.api.routes import ROUTES, Parameter, Route

_ABOUT = (
    "Judges SageMaker model packages and reads what was decided. Calls are signed with AWS Signature Version 4 for"
    " execute-api; whoever signs a call is the principal of its decision. See docs/api.md."
)
_OF_ALL = ("not-proven", "not-acceptable", "defect", "unavailable")
"""Kinds of refusals of every route."""


def document() -> dict[str, Any]:
    """reports/openapi.json."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "modelwarden", "version": __version__, "description": _ABOUT, "license": _license()},
        "servers": [{"url": "/"}],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": {"sigv4": _sigv4()}},
    }


def _operation(route: Route) -> dict[str, Any]:
    status, name = route.answer
    said = {"description": "As the schema says.", "content": {JSON: {"schema": _ref(name)}}}
    if route.headers:
        said["headers"] = {
            header: {"description": about, "schema": {"type": "string"}} for header, about in route.headers.items()
        }
    operation: dict[str, Any] = {"operationId": route.operation, "summary": route.about}
    if route.parameters:
        operation["parameters"] = [_parameter(one) for one in route.parameters]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": route.body}}}
    return operation | {"responses": {str(status): said, **_refusals(route)}}


def _refusals(route: Route) -> dict[str, Any]:
    """Status -> response, which names every kind of it."""
    kinds = sorted((KINDS[kind][0], kind) for kind in (*route.refusals, *_OF_ALL))
    found: dict[str, list[str]] = {}
    for status, kind in kinds:
        found.setdefault(str(status), []).append(f"`{kind}`: {KINDS[kind][1]}.")
    content = {PROBLEM: {"schema": _ref("problem")}}
    return {status: {"description": " ".join(said), "content": content} for status, said in found.items()}


def _parameter(one: Parameter) -> dict[str, Any]:
    required = {"required": True} if one.place == "path" else {}
    return {"name": one.name, "in": one.place, "description": one.about, **required, "schema": dict(one.schema)}


def _schemas() -> dict[str, Any]:
    found = {
        "decision": schemas.decision_schema(),
        "history": schemas.history_schema(),
        "runs": schemas.runs_schema(),
        "controls": schemas.controls_schema(),
        "problem": schemas.problem_schema(),
    }
    own = {name: _placed(schema, f"#/components/schemas/{name}") for name, schema in found.items()}
    return own | {"openapi": {"type": "object", "required": ["openapi", "info", "paths"]}}


def _placed(schema: Any, where: str) -> Any:
    """A schema whose references are to its own place in the document; what it is elsewhere stands in its own file."""
    if isinstance(schema, Mapping):
        return {
            name: f"{where}{value.removeprefix('#')}" if name == "$ref" else _placed(value, where)
            for name, value in schema.items()
            if name != "$schema"
        }
    return [_placed(one, where) for one in schema] if isinstance(schema, list | tuple) else schema


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _license() -> dict[str, str]:
    return {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _sigv4() -> dict[str, str]:
    return {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4",
        "x-amazon-apigateway-authtype": "awsSigv4",
    }

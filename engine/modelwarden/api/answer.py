"""Answering: a call finds its route, and whatever happens there becomes a reply."""

from __future__ import annotations

import traceback
from typing import Final
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from modelwarden.api.message import Call, Reply
from modelwarden.api.negotiation import check_accept
from modelwarden.api.refusal import Refusal, Unavailable
from modelwarden.api.routes import ROUTES, Route
from modelwarden.api.service import Service
from modelwarden.errors import UserError
from modelwarden.render.log import Event

_MOST_PARAMETERS: Final = 20


def answer(service: Service, call: Call) -> Reply:
    """The reply to a call. Nothing is raised: what went wrong here has an id, under which the log says the rest."""
    told: dict[str, object] = {"method": call.method[:20], "path": call.path[:300]}
    if call.caller:
        told["caller"] = call.caller.identity
    try:
        found = _answered(service, call)
    except Refusal as refusal:
        found = refusal.reply()
    except (UserError, Unavailable) as error:
        told |= {"error": str(error), "help": getattr(error, "help", "")}
        found = _failed(told, Refusal("unavailable", "it is not known; the log of the API says why", "try again later"))
    except Exception as error:  # noqa: BLE001 - the outermost frame: a defect is told without what it is about
        told |= {"error": f"{type(error).__name__}: {error}", "traceback": "".join(traceback.format_exception(error))}
        found = _failed(told, Refusal("defect", "nothing was decided by this call", "report it with its `instance`"))
    failed = found.status >= 500
    service.log(Event("call", level="error" if failed else "info", fields=told | {"status": found.status}))
    return found


def _failed(told: dict[str, object], refusal: Refusal) -> Reply:
    told["instance"] = f"urn:uuid:{uuid4()}"
    return refusal.reply(str(told["instance"]))


def _answered(service: Service, call: Call) -> Reply:
    route, value = _route(call)
    check_accept(call.headers)
    return route.handler(service, call, value, _query(route, call.query))


def _route(call: Call) -> tuple[Route, str]:
    """The route of a call, and the value at the end of its path.

    Raises:
        Refusal: there is none, or it has another method.
    """
    found = [(route, value) for route in ROUTES if (value := _value(route, call.path)) is not None]
    if not found:
        routes = ", ".join(dict.fromkeys(route.path for route in ROUTES))
        raise Refusal("no-route", f"there is no `{call.path[:200]}`", f"there are {routes}")
    fitting = next((one for one in found if one[0].method == call.method), None)
    if fitting is None:
        methods = ", ".join(route.method for route, _ in found)
        raise Refusal("no-method", f"`{call.method[:20]}` is not one of its methods", f"use {methods}", allow=methods)
    return fitting


def _value(route: Route, path: str) -> str | None:
    """The value that a path holds for a route, empty where the route takes none; None where it is another path."""
    if "{" not in route.path:
        return "" if path == route.path else None
    if not path.startswith(route.head) or path == route.head:
        return None
    # API Gateway decodes some paths and hands on others; what may stand in a value has no percent sign of its own.
    value = unquote(path.removeprefix(route.head))
    return value if route.greedy or "/" not in value else None


def _query(route: Route, text: str) -> dict[str, str]:
    """Name -> value.

    Raises:
        Refusal: no query, a name that the route does not know, or one that stands twice.
    """
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError as error:
        raise Refusal("malformed", f"the query cannot be read: {error}", "write it as name=value&name=value") from error
    query: dict[str, str] = {}
    for name, value in pairs:
        if not route.takes(name):
            raise Refusal("malformed", f"`{name[:50]}` is no parameter of this route", "openapi.json lists them")
        if name in query:
            raise Refusal("malformed", f"`{name}` stands twice", "send it once")
        query[name] = value
    return query

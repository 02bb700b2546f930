"""Reading: what scans found of packages, which scans there were, and which controls judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from modelwarden.api.cursor import begin, cursor
from modelwarden.api.decisions import arn_of
from modelwarden.api.message import Call, Reply, as_is, reply
from modelwarden.api.refusal import Refusal
from modelwarden.api.service import Service

if TYPE_CHECKING:
    from modelwarden.store.state import State

MOST: Final = 100
"""Runs of one page."""
PAGE: Final = 20
_LIMIT: Final = re.compile(r"[1-9][0-9]{0,2}")


def package(service: Service, _: Call, text: str, __: Mapping[str, str]) -> Reply:
    """The state of a package and its changes, as `modelwarden history --format json` prints them."""
    from modelwarden.store.state import HISTORY

    arn = arn_of(text, "arn")
    with _opened(service) as state:
        standing = state.standing(arn)
        if standing is None:
            raise Refusal("not-seen", f"no scan has seen `{arn}`", "`GET /runs` shows what was scanned")
        changes = list(state.history(arn))
    return reply(200, {"schema": HISTORY, "standing": standing, "changes": changes})


def runs(service: Service, _: Call, __: str, query: Mapping[str, str]) -> Reply:
    """The scans, newest first, page by page, as `modelwarden runs --format json` prints them."""
    from modelwarden.store.state import RUNS

    limit = _limit(query.get("limit", str(PAGE)))
    before = begin(query["cursor"]) if "cursor" in query else ""
    with _opened(service) as state:
        found = state.runs(limit + 1, before)
    more = {}
    if len(found) > limit:
        found = found[:limit]
        more["link"] = f'<?{urlencode({"cursor": cursor(found[-1].id), "limit": limit})}>; rel="next"'
    return reply(200, {"schema": RUNS, "runs": found}, **more)


def controls(service: Service, _: Call, __: str, ___: Mapping[str, str]) -> Reply:
    """The controls in force, as `modelwarden controls list --format json` prints them."""
    return reply(200, service.house.bundle.listing())


def openapi(_: Service, __: Call, ___: str, ____: Mapping[str, str]) -> Reply:
    """What this API is, for machines."""
    return as_is(200, _openapi())


@cache
def _openapi() -> bytes:
    return files("modelwarden.builtin.reports").joinpath("openapi.json").read_bytes()


def _limit(text: str) -> int:
    if not _LIMIT.fullmatch(text) or int(text) > MOST:
        raise Refusal(
            "malformed",
            f"`limit`: `{text[:20]}` is not a number from 1 to {MOST}",
            f"send one, or leave it out for {PAGE}",
        )
    return int(text)


@contextmanager
def _opened(service: Service) -> Iterator[State]:
    from modelwarden.store.state import NoState

    try:
        state = service.state()
    except NoState as error:
        raise Refusal("not-seen", "there is no state: nothing was scanned", "run `modelwarden scan` first") from error
    try:
        yield state
    finally:
        state.close()

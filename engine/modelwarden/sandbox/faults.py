"""Faults on demand: what AWS and the network do on a bad day, switchable while the sandbox runs."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from modelwarden.sandbox import wire
from modelwarden.sandbox.identity import expired
from modelwarden.sandbox.wire import Answer, Refusal, Request
from modelwarden.sandbox.world import access_denied

KINDS: Final[dict[str, str]] = {
    "throttle": "the service's throttling error; with `tps` and `burst` only above that rate",
    "deny": "AccessDenied",
    "expired": "the session has expired",
    "latency": "`ms` later, then the normal answer",
    "500": "HTTP 500",
    "cut": "the first half of the answer (of its headers where it has no body), then the connection ends",
    "html": "HTTP 200 with an HTML page",
    "empty": "HTTP 200 without a body",
    "drop": "the connection ends without an answer",
    "down": "the same, as if the endpoint of the region were gone",
    "bad-token": "pages carry a token that the next call refuses, or repeats",
    "malform": "JSON of the wrong types, XML that is none",
}
_BAD_TOKEN: Final = "broken-by-the-sandbox"  # noqa: S105 - a paging token
_THROTTLES: Final = {
    "s3": Refusal("SlowDown", "Please reduce your request rate.", 503),
    "sts": Refusal("Throttling", "Rate exceeded", 400),
    "ec2": Refusal("RequestLimitExceeded", "Request limit exceeded.", 503),
    "organizations": Refusal(
        "TooManyRequestsException",
        "AWS Organizations can't complete your request because another request is already in progress. Try again later.",
    ),
}


class Dropped(Exception):
    """The connection is to end without an answer."""


class Severed(Dropped):
    """The connection is to end within the headers of an answer that has no body to cut."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Rule:
    """Which calls go wrong, and how. None matches everything."""

    kind: str
    op: str = "*"
    """`service:Operation`, `service:*` or `*`."""
    account: str | None = None
    """Of the caller."""
    region: str | None = None
    rate: float | None = None
    """Share of the matching calls, 0 to 1."""
    tps: float | None = None
    """Calls a second that still pass (throttle); `burst` of them at once."""
    burst: float | None = None
    after: int = 0
    """Matching calls that pass first."""
    times: int | None = None
    """How many calls go wrong at most."""
    ms: int = 0

    def covers(self, operation: str, account: str, region: str) -> bool:
        """Whether a call is one of the rule's."""
        named = self.op in (operation, "*", f"{operation.partition(':')[0]}:*")
        return named and self.account in (None, account) and self.region in (None, region)


class _Armed:
    """A rule and what became of it so far."""

    def __init__(self, rule: Rule, chance: random.Random) -> None:
        self.rule, self._chance = rule, chance
        self.seen = self.injected = 0
        self._tokens, self._filled = rule.burst or rule.tps or 0.0, time.monotonic()

    def strikes(self) -> bool:
        """Whether the present call goes wrong; counts it either way."""
        rule = self.rule
        self.seen += 1
        if self.seen <= rule.after or (rule.times is not None and self.injected >= rule.times):
            return False
        if rule.rate is not None and self._chance.random() >= rule.rate:
            return False
        if rule.tps is not None and self._take(rule.tps):
            return False
        self.injected += 1
        return True

    def _take(self, tps: float) -> bool:
        """One token out of the bucket, if there is any."""
        now = time.monotonic()
        self._tokens = min(self.rule.burst or tps, self._tokens + (now - self._filled) * tps)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Faults:
    """The rules in force, in the order in which they came: every latency applies, and the first other rule that strikes."""

    def __init__(self, seed: int = 0) -> None:
        self._lock, self._seed = threading.Lock(), seed
        self._armed: list[_Armed] = []
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def add(self, rules: Any) -> None:
        """Arm a list of rules.

        Raises:
            ValueError: a rule is none; nothing is armed then.
        """
        read = [_rule(one) for one in (rules if isinstance(rules, list) else [rules])]
        with self._lock:
            self._armed += [_Armed(rule, self._chance) for rule in read]

    def clear(self) -> None:
        """Disarm everything and start the dice again."""
        with self._lock:
            self._armed = []
            self._chance.seed(self._seed)

    def told(self) -> list[dict[str, Any]]:
        """The rules in force, with how many calls they saw and struck."""
        with self._lock:
            return [{**asdict(one.rule), "seen": one.seen, "injected": one.injected} for one in self._armed]

    def denies(self, operation: str, account: str, region: str) -> bool:
        """Whether a rule of kind `deny` names an operation that is part of another one, such as `kms:Decrypt`."""
        with self._lock:
            rules = [one for one in self._armed if one.rule.kind == "deny" and one.rule.op == operation]
            # Every rule counts the request, also after one has struck.
            return any([one.strikes() for one in rules if one.rule.covers(operation, account, region)])  # noqa: C419

    def around(self, request: Request, account: str, answer: Callable[[Request], Answer]) -> Answer:
        """The answer to a call, with whatever goes wrong on its way.

        Raises:
            Dropped: the connection is to end.
        """
        with self._lock:
            struck = [
                one.rule
                for one in self._armed
                if one.rule.covers(request.name, account, request.region) and one.strikes()
            ]
        for rule in struck:
            if rule.ms:
                time.sleep(rule.ms / 1000)
        kind = next((rule.kind for rule in struck if rule.kind != "latency"), None)
        if kind is None:
            return answer(request)
        if kind in ("drop", "down"):
            raise Dropped
        refusal = _refusal(kind, request)
        if refusal is not None:
            return wire.refuse(request, refusal)
        if kind == "html":
            return Answer(200, {"Content-Type": "text/html"}, b"<html><body><h1>It works!</h1></body></html>")
        if kind == "empty":
            return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, b"")
        if kind == "bad-token":
            return _bad_token(request, answer)
        return _spoilt(kind, request, answer(request))


def _rule(given: Any) -> Rule:
    if not isinstance(given, Mapping):
        raise ValueError(f"a rule is an object, not {json.dumps(given)[:40]}")
    fields = set(Rule.__dataclass_fields__)
    if unknown := sorted(set(given) - fields):
        raise ValueError(f"unknown field `{unknown[0]}`: known are {', '.join(sorted(fields))}")
    if given.get("kind") not in KINDS:
        raise ValueError(f"unknown kind `{given.get('kind')}`: use one of {', '.join(KINDS)}")
    return replace(Rule(kind=given["kind"]), **dict(given))


def _refusal(kind: str, request: Request) -> Refusal | None:
    if kind == "throttle":
        return _THROTTLES.get(request.service, Refusal("ThrottlingException", "Rate exceeded"))
    if kind == "deny":
        text = f"User is not authorized to perform: {request.name} because no identity-based policy allows the {request.name} action"
        return access_denied(request.service, text)
    if kind == "expired":
        return expired(request.service)
    if kind == "500":
        code = "InternalError" if request.service in ("s3", "ec2") else "InternalFailure"
        return Refusal(code, "We encountered an internal error. Please try again.", 500)
    return None


def _bad_token(request: Request, answer: Callable[[Request], Answer]) -> Answer:
    """Every page says that another one follows, under a token that the next call refuses or, still struck, gets again."""
    parameters = request.parameters if request.service != "s3" else {}
    asked = {key: value for key, value in parameters.items() if value != _BAD_TOKEN}
    given = answer(replace(request, body=json.dumps(asked).encode()))
    try:
        page = json.loads(given.body)
    except ValueError:
        return given
    name = "nextToken" if request.service == "ecr" else "NextToken"
    body = json.dumps({**page, name: _BAD_TOKEN}).encode() if isinstance(page, dict) else given.body
    return Answer(given.status, given.headers, body)


def _spoilt(kind: str, request: Request, given: Answer) -> Answer:
    if kind == "cut" and request.method == "HEAD":
        raise Severed(given)
    if kind == "cut":
        headers = {key: value for key, value in given.headers.items() if key.lower() != "content-length"}
        told = {"Content-Length": str(len(given.body)), "Connection": "close"}
        return Answer(given.status, {**headers, **told}, given.body[: len(given.body) // 2])
    if request.method == "HEAD":
        return Answer(given.status, {key: _garbled_header(key, value) for key, value in given.headers.items()}, b"")
    try:
        body = json.dumps(_garbled(json.loads(given.body))).encode()
    except ValueError:
        body = b"<Garbage><unclosed>"
    return Answer(
        given.status, {key: value for key, value in given.headers.items() if key.lower() != "content-length"}, body
    )


def _garbled_header(name: str, value: str) -> str:
    kept = name.lower() in ("content-length", "content-type") or name.lower().startswith(("x-amzn-", "x-amz-request"))
    return value if kept else "garbage"


def _garbled(value: Any) -> Any:
    """The same members with values of other types; an object keeps its shape at the top only."""
    if isinstance(value, dict):
        return {key: _other(one) for key, one in value.items()}
    return _other(value)


def _other(value: Any) -> Any:
    if isinstance(value, dict | list):
        return "garbage"
    return {"garbage": [None]} if isinstance(value, int | float) else [17]

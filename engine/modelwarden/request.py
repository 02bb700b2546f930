"""The request: which stage a package shall reach, at which moment, who acts, and as of when."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

from msgspec import Struct

from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

Stage = Literal["Development", "Staging", "Production"]
Moment = Literal["approve", "deploy", "serve"]

STAGES: tuple[Stage, ...] = get_args(Stage)
MOMENTS: tuple[Moment, ...] = get_args(Moment)
STRICTEST: Stage = "Production"
"""For which a package is judged whose stage nobody can tell."""

PROVEN_BY = "sts:GetCallerIdentity"
PRINCIPAL_FIELDS = ("principal", "identity", "kind", "person")


class Principal(Struct, frozen=True):
    """Who acts. `modelwarden.identity` reads one from an ARN."""

    principal: str
    """The IAM user or role, without the session."""
    identity: str
    """The person where AWS names one, else the principal."""
    kind: Literal["person", "role"]
    state: Literal["proven", "asserted"]
    """`proven` by what `source` names; `asserted` by `--principal`."""
    source: str = PROVEN_BY
    """The API or event that proves it; without a meaning where it is asserted."""

    def fact(self, name: str, source: Source | None) -> Fact:
        """One of `PRINCIPAL_FIELDS` as a fact; `person` is absent where nobody is named behind a role."""
        if name == "person":
            return Present(self.identity, source) if self.kind == "person" else Absent(source)
        return Present(str(getattr(self, name)), source)

    def facts(self, pointer: str, source: Source) -> dict[str, Fact]:
        """All of `PRINCIPAL_FIELDS` below a pointer."""
        return {f"{pointer}/{name}": self.fact(name, source) for name in PRINCIPAL_FIELDS}


class Request(Struct, frozen=True):
    """What is asked of a package."""

    stage: Stage
    moment: Moment
    as_of: str
    """UTC, `2026-11-22T02:10:00Z`: the only clock that evaluation knows."""
    principal: Principal | Unknown | None = None
    """None: there is none (a scan). Unknown: there is one, and nobody could tell who."""
    as_of_asserted: bool = False

    def facts(self) -> Mapping[str, Fact]:
        """Pointer below `/request` -> fact; the same mapping for equal requests, so nobody may change it."""
        return _facts(self)


@lru_cache(maxsize=256)
def _facts(request: Request) -> Mapping[str, Fact]:
    facts: dict[str, Fact] = {
        "/request/stage": Present(request.stage),
        "/request/moment": Present(request.moment),
        "/request/as_of": Present(request.as_of),
        "/request/principal/state": Present(_principal_state(request)),
    }
    for name in PRINCIPAL_FIELDS:
        match request.principal:
            case Principal(state=state):
                source = Source(request.principal.source) if state == "proven" else None
                facts[f"/request/principal/{name}"] = request.principal.fact(name, source)
            case Unknown():
                facts[f"/request/principal/{name}"] = request.principal
            case None:
                facts[f"/request/principal/{name}"] = Absent()
    return facts


def _principal_state(request: Request) -> str:
    match request.principal:
        case Principal(state=state):
            return state
        case Unknown():
            return "unknown"
        case None:
            return "none"

"""Hypothesis strategies: evidence whose facts are drawn from the dictionary, over small lists and telling values."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from modelwarden.catalog import Bundle, load_bundle
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown, Value
from modelwarden.facts import kinds
from modelwarden.finding import AppliedWaiver, Finding, Level
from modelwarden.identity import who
from modelwarden.request import Request

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"

TELLING: dict[str, list[Value]] = {
    "/package/kms_key/manager": ["CUSTOMER", "AWS"],
    "/artifact/*/kms_key/manager": ["CUSTOMER", "AWS"],
    "/artifact/*/kms_key/arn": ["key-1", "key-2"],
    "/artifact/*/kms_key/state": ["Enabled", "Disabled"],
    "/artifact/*/kms_key/origin": ["AWS_KMS", "EXTERNAL"],
    "/artifact/*/encryption/sse": ["aws:kms", "AES256"],
    "/approval/status": ["Approved", "Rejected", "PendingManualApproval"],
    "/container/*/image/source": ["good", "bad"],
    "/container/*/image/tag": ["1.0", "latest"],
    "/container/*/image/tag_mutability": ["IMMUTABLE", "MUTABLE"],
    "/container/*/image/pinned_digest": ["sha256:a", "sha256:b"],
    "/container/*/image/resolved_digest": ["sha256:a", "sha256:b"],
    "/creator/identity": ["alice", "role-a"],
    "/creator/principal": ["role-a", "role-b"],
    "/creator/kind": ["person", "role"],
    "/approver/identity": ["alice", "bob"],
    "/approver/principal": ["role-a", "role-b"],
    "/approver/kind": ["person", "role"],
    "/trainer/*/principal": ["role-a", "role-c"],
    "/card/state": ["valid", "malformed"],
    "/card/content/intended_uses/risk_rating": ["High", "Medium", "Low", "Unknown"],
    "/evaluation/state": ["valid", "malformed"],
    "/bias_report/*/state": ["valid", "malformed"],
    "/bias_report/*/facet/*/section": ["pre_training", "post_training"],
    "/bias_report/*/facet/*/name": ["sex"],
    "/bias_report/*/facet/*/metric/*/name": ["DI", "DPPL", "RD", "AD", "DRR"],
    "/bias_report/*/facet/*/metric/*/state": ["number", "undefined", "infinite"],
    "/bias_report/*/facet/*/metric/*/value": [0.0, 1.0, 0.8, 0.79, "Infinity"],
    "/tag_keys": [("owner",), ("cost-center", "owner"), ()],
    "/tag/{key}": ["x", ""],
}
"""Pattern -> values at which some control changes its mind."""

BY_TYPE: dict[str, list[Value]] = {
    "string": ["x", ""],
    "time": ["2026-11-01T00:00:00Z"],
    "bool": [True, False],
    "long": [0, 1, 2],
    "number": [0.0, 1.0],
    "set": [(), ("a",)],
    "list": [(), ("a", "b")],
}

PARAMETERS: dict[str, Any] = {
    "approved_image_sources": ("good",),
    "approved_base_images": ("base:1",),
    "approved_kms_keys": ("key-1",),
    "protected_attributes": ("sex",),
    "required_tags": ("owner",),
}


@cache
def builtin() -> Bundle:
    return load_bundle()


def parameters() -> dict[str, Any]:
    defaults = {name: d.default for name, d in builtin().declarations.items() if d.default is not None}
    return {**defaults, **PARAMETERS}


class Everything:
    """Settings under which every control blocks."""

    def __init__(self, values: dict[str, Any] | None = None, level: Level = "block") -> None:
        self.parameters = parameters() if values is None else values
        self.parameters_unknown: dict[str, str] = {}
        self._level = level

    def level(self, control_id: str) -> tuple[Level, str]:
        return self._level, "test"

    def waiver(self, finding: Finding) -> AppliedWaiver | None:
        return None


@cache
def _read_patterns() -> list[str]:
    """Those without a wildcard first: members are of what was counted."""
    read: dict[str, None] = {}
    for control in builtin().controls.values():
        read |= dict.fromkeys(control.declared_facts())
    found = [one for one in read if one in kinds() and not one.startswith(("/request/", "/reference/"))]
    return sorted(found, key=lambda one: (one.count("*"), one))


@cache
def one_fact(pattern: str) -> st.SearchStrategy[Fact | None]:
    """A fact of any state, or None for one that is not in the record: one choice, since an example draws a hundred."""
    kind = kinds()[pattern]
    source = Source(kind.source)
    present = [Present(value, source) for value in TELLING.get(pattern, BY_TYPE[kind.type])]
    others = [Absent(source), Unknown("AccessDenied", source), None]
    return st.sampled_from([*present * 6, *others * len(present)])  # two of three are present


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    """Evidence over every fact that some built-in control reads."""
    facts: dict[str, Fact] = {}
    for pattern in _read_patterns():
        for pointer in _pointers(facts, pattern):
            fact = draw(one_fact(pattern))
            if fact is not None:
                facts[pointer.replace("{key}", "owner")] = fact
    return Evidence(PACKAGE, facts)


def _pointers(facts: dict[str, Fact], pattern: str) -> list[str]:
    return [
        pointer
        for pointer, _ in Evidence(PACKAGE, facts).each(pattern)
        if not pointer.endswith("_count") or pattern.endswith("_count")
    ]


def requests() -> st.SearchStrategy[Request]:
    principals = [
        None,
        Unknown("none"),
        who("arn:aws:iam::111122223333:user/alice"),
        who("arn:aws:iam::111122223333:role/role-a"),
    ]
    return st.builds(
        Request,
        stage=st.sampled_from(["Development", "Staging", "Production"]),
        moment=st.sampled_from(["approve", "deploy", "serve"]),
        as_of=st.just("2026-11-22T00:00:00Z"),
        principal=st.sampled_from(principals),
    )


CONTROLS = Path(__file__).parents[1] / "controls"

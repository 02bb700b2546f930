#!/usr/bin/env python3
"""CPU of `evaluate` with the Cedar controls, findings included, against the fastest bare cedarpy call over the same facts.

The floor is what one can do with cedarpy and policies as they are written: they and the action entities are parsed once,
facts are projected before the clock starts, and nothing but cedarpy's own answers comes back. It is measured in two
forms (entities added to a parsed base, entities as one list) and the faster one counts. The engine itself asks in the
flat form (`modelwarden.flat`), which Cedar reads faster, so its ratio can be below 1; what Cedar takes of it is told
apart. The naive call, over a tenth of the records, hands over every fact of the record and the policies as text each
time. All are measured in turn, several times, in this process.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import statistics
import time
from collections.abc import Callable
from typing import Any

import cedarpy
from msgspec.structs import replace
from nested import nested
from records import parameters, records, reference

from modelwarden.catalog import Bundle, load_bundle
from modelwarden.cedar import Entities
from modelwarden.evaluate import evaluate, subject
from modelwarden.evidence import Present
from modelwarden.finding import Finding, Level
from modelwarden.flat import request
from modelwarden.identity import who
from modelwarden.projection import Projector
from modelwarden.request import Request

REQUEST = Request("Production", "approve", "2026-11-22T02:10:00Z", who("arn:aws:iam::111122223333:user/approver"))


class Blocking:
    """Every control blocks."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.parameters = values
        self.parameters_unknown: dict[str, str] = {}

    def level(self, control_id: str) -> tuple[Level, str]:
        return "block", "benchmark"


def only(bundle: Bundle, engine: str) -> Bundle:
    """The bundle with the controls of one engine."""
    return replace(bundle, controls={id_: c for id_, c in bundle.controls.items() if c.info.engine == engine})


def cpu(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def floors(bundle: Bundle, made: list[Any], values: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """The bare calls, with everything prepared that can be."""
    projector = Projector(bundle.policies)
    policies = {policy.id: policy.json for policy in bundle.policies}
    base = {
        "effect": "permit",
        "principal": {"op": "All"},
        "action": {"op": "All"},
        "resource": {"op": "All"},
        "conditions": [],
    }
    handle = cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": {**policies, "base": base}, "templates": {}, "templateLinks": []})
    )
    group = {"type": "Modelwarden::Action", "id": "promote"}
    actions = [
        {"uid": group, "attrs": {}, "parents": []},
        {"uid": {**group, "id": "approve"}, "attrs": {}, "parents": [group]},
    ]
    parsed = cedarpy.Entities.from_json_str(json.dumps(actions))
    prepared = []
    for record in made:
        asked, entities = nested(projector.project(subject(record, {}, REQUEST), values, {}, "approve"), "approve")
        prepared.append((asked, json.dumps(entities), json.dumps([*actions, *entities])))

    def added() -> None:
        for asked, entities, _ in prepared:
            cedarpy.is_authorized(asked, handle, parsed.with_added_json_str(entities))

    def listed() -> None:
        for asked, _, entities in prepared:
            cedarpy.is_authorized(asked, handle, entities)

    return {"entities added to a parsed base": added, "entities as one list": listed}


def flat_calls(bundle: Bundle, made: list[Any], values: dict[str, Any]) -> Callable[[], object]:
    """What the engine asks of Cedar, and nothing else of its work."""
    projector = Projector(bundle.policies)
    prepared = [projector.project(subject(record, {}, REQUEST), values, {}, "approve") for record in made]
    documents = [(projection.entities(0), projection.parameters) for projection in prepared]

    def ask() -> None:
        for document, shared in documents:
            bundle.cedar.full.judge(request("approve"), Entities(document, shared))

    return ask


def naive(bundle: Bundle, made: list[Any], values: dict[str, Any]) -> Callable[[], object]:
    """One `is_authorized` a record, as the documentation of cedarpy shows it first."""
    projector = Projector(bundle.policies)
    texts = [file.text for file in bundle.files if file.path.endswith(".cedar") and "/authz/" not in file.path]
    policies = "\n".join(["permit (principal, action, resource);", *texts])
    group = {"type": "Modelwarden::Action", "id": "promote"}
    actions = [
        {"uid": group, "attrs": {}, "parents": []},
        {"uid": {**group, "id": "approve"}, "attrs": {}, "parents": [group]},
    ]
    prepared = []
    for record in made:
        asked, entities = nested(projector.project(subject(record, {}, REQUEST), values, {}, "approve"), "approve")
        facts = {pointer: fact.value for pointer, fact in record.facts.items() if isinstance(fact, Present)}
        entities[0]["attrs"]["facts"] = facts
        prepared.append((asked, [*actions, *entities]))

    def ask() -> None:
        for asked, entities in prepared:
            cedarpy.is_authorized(asked, policies, entities)

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    bundle = load_bundle()
    values = parameters(bundle)
    made = records(bundle, arguments.records)
    shared = reference(bundle)
    settings = Blocking(values)
    cedar_only = only(bundle, "cedar")
    kept: list[tuple[Finding, ...]] = []

    def ours() -> None:
        kept.clear()
        kept.extend(evaluate(cedar_only, settings, record, shared, REQUEST) for record in made)

    bare, tenth = floors(bundle, made, values), made[: max(1, len(made) // 10)]
    slow, flat = naive(bundle, tenth, values), flat_calls(cedar_only, made, values)
    ratios, gains = [], []
    for _ in range(arguments.rounds):
        floor = {name: cpu(work) for name, work in bare.items()}
        mine, best = cpu(ours), min(floor, key=lambda name: floor[name])
        ratios.append(mine / floor[best])
        per, naively = 1e6 / len(made), cpu(slow) * 1e6 / len(tenth)
        gains.append(naively / (mine * per))
        print(
            f"evaluate {mine * per:.0f} us (of which Cedar {cpu(flat) * per:.0f}), bare cedarpy {floor[best] * per:.0f} us a record"
            f" ({best}), ratio {ratios[-1]:.2f}; naive {naively:.0f} us, {gains[-1]:.1f} times ours",
            flush=True,
        )
    found = [finding.outcome for findings in kept for finding in findings]
    counts = {outcome: found.count(outcome) for outcome in dict.fromkeys(found)}
    print(f"{len(cedar_only.controls)} Cedar controls, {len(made)} records, findings: {counts}")
    print(
        f"median ratio {statistics.median(ratios):.2f} (target <= 1.5), naive against ours {statistics.median(gains):.1f} (target >= 4)\n"
    )
    profile_all(bundle, settings, made[: max(1, len(made) // 10)], shared)


def profile_all(bundle: Bundle, settings: Blocking, made: list[Any], shared: dict[str, Any]) -> None:
    """All controls, apart: what dominates."""
    spent = cpu(lambda: [evaluate(bundle, settings, record, shared, REQUEST) for record in made])
    print(f"all {len(bundle.controls)} controls: {spent / len(made) * 1e6:.0f} us a record; what dominates:")
    profiler = cProfile.Profile()
    profiler.runcall(lambda: [evaluate(bundle, settings, record, shared, REQUEST) for record in made])
    pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()

"""Synthetic evidence records for the benchmarks: distinct, of usual size, most of them compliant."""

from __future__ import annotations

import json
import random
from importlib.resources import files
from typing import Any

from modelwarden.catalog import Bundle
from modelwarden.evidence import Evidence, Fact, Present, Source, fact_from_json
from modelwarden.identity import who

APPROVER = who("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_ModelApprover_1/grace@example.com")
SOURCE = Source("sagemaker:DescribeModelPackage", "2026-11-22T02:10:00Z", "11111111-2222-3333-4444-555555555555")


def _passing_cases(bundle: Bundle) -> list[dict[str, Any]]:
    """The first passing case of every control."""
    root = files("modelwarden.builtin.cases")
    found = [json.loads((root / id_ / "cases.json").read_text()) for id_ in bundle.controls]
    return [next(case for case in cases if case["outcome"] == "pass") for cases in found]


def parameters(bundle: Bundle) -> dict[str, Any]:
    """The defaults, and the values under which the passing cases pass; sets are joined."""
    given: dict[str, Any] = {name: d.default for name, d in bundle.declarations.items() if d.default is not None}
    joined: dict[str, Any] = {}
    for case in _passing_cases(bundle):
        for name, value in case.get("parameters", {}).items():
            known = joined.get(name, ())
            joined[name] = tuple(sorted({*known, *value})) if isinstance(value, list) else value
    return given | joined


def passing_facts(bundle: Bundle) -> dict[str, Fact]:
    """The facts of the passing cases, merged: a record of about the size of a real one, with who approved it."""
    approver = {"identity": APPROVER.identity, "principal": APPROVER.principal, "person": APPROVER.identity}
    merged: dict[str, Fact] = {f"/approver/{name}": Present(value, SOURCE) for name, value in approver.items()}
    for case in _passing_cases(bundle):
        for pointer, value in case["facts"].items():
            if pointer not in merged and not pointer.startswith("/request/"):
                fact = fact_from_json(pointer, value)
                merged[pointer] = Present(fact.value, SOURCE) if isinstance(fact, Present) else fact
    return merged


def reference(bundle: Bundle) -> dict[str, Fact]:
    """The reference facts among them, which belong to no single package."""
    return {pointer: fact for pointer, fact in passing_facts(bundle).items() if pointer.startswith("/reference/")}


def records(bundle: Bundle, count: int, account: str = "111122223333") -> list[Evidence]:
    """`count` records that differ in identity, image, artifact and key facts; one in five violates something."""
    rng = random.Random(f"7 {account}")
    facts_of_all = passing_facts(bundle)
    base = {pointer: fact for pointer, fact in facts_of_all.items() if not pointer.startswith("/reference/")}
    made = []
    for number in range(count):
        arn = f"arn:aws:sagemaker:eu-west-1:{account}:model-package/churn-{number:06d}/1"
        facts = dict(base)
        facts["/package/arn"] = Present(arn, SOURCE)
        facts["/artifact/0/uri"] = Present(f"s3://ml-artifacts/churn-{number}/model.tar.gz", SOURCE)
        facts["/artifact/0/etag"] = Present(f"{rng.getrandbits(128):032x}", SOURCE)
        facts["/creator/identity"] = Present(f"person-{number}", SOURCE)
        digest = f"sha256:{rng.getrandbits(256):064x}"
        facts["/container/0/image/pinned_digest"] = Present(digest, SOURCE)
        facts["/container/0/image/resolved_digest"] = Present(digest, SOURCE)
        if rng.random() < 0.2:
            pointer, value = rng.choice(
                [
                    ("/artifact/0/encryption/sse", "AES256"),
                    ("/artifact/0/kms_key/manager", "AWS"),
                    ("/card/content/intended_uses/risk_rating", "Unknown"),
                    ("/container/0/image/resolved_digest", "sha256:0"),
                ]
            )
            facts[pointer] = Present(value, SOURCE)
        made.append(Evidence(arn, facts))
    return made

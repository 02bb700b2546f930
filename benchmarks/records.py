"""Synthetic evidence records for the benchmarks: distinct, of usual size, most of them compliant."""

from __future__ import annotations

import json
import random
from importlib.resources import files
from typing import Any

from modelwarden.catalog import Bundle
from modelwarden.evidence import Evidence, Fact, Present, Source, fact_from_json

SOURCE = Source("sagemaker:DescribeModelPackage", "2026-11-22T02:10:00Z", "11111111-2222-3333-4444-555555555555")


def parameters(bundle: Bundle) -> dict[str, Any]:
    """Defaults, and a value for each parameter without one."""
    given: dict[str, Any] = {name: d.default for name, d in bundle.declarations.items() if d.default is not None}
    return given | {
        "approved_image_sources": ("333344445555.dkr.ecr.eu-west-1.amazonaws.com/ml/base",),
        "approved_base_images": ("333344445555.dkr.ecr.eu-west-1.amazonaws.com/ml/base:1.0",),
        "approved_kms_keys": ("arn:aws:kms:eu-west-1:111122223333:key/models",),
        "protected_attributes": ("sex",),
        "required_tags": ("owner",),
    }


def passing_facts(bundle: Bundle) -> dict[str, Fact]:
    """The facts of one passing case of every control, merged: a record of about the size of a real one."""
    merged: dict[str, Fact] = {}
    root = files("modelwarden.builtin.cases")
    for id_ in bundle.controls:
        for case in json.loads((root / id_ / "cases.json").read_text()):
            if case["outcome"] == "pass":
                merged |= {
                    pointer: fact_from_json(pointer, value)
                    for pointer, value in case["facts"].items()
                    if pointer not in merged
                }
                break
    return {
        pointer: Present(fact.value, SOURCE) if isinstance(fact, Present) else fact
        for pointer, fact in merged.items()
        if not pointer.startswith("/request/")
    }


def reference(bundle: Bundle) -> dict[str, Fact]:
    """The reference facts among them, which belong to no single package."""
    return {pointer: fact for pointer, fact in passing_facts(bundle).items() if pointer.startswith("/reference/")}


def records(bundle: Bundle, count: int) -> list[Evidence]:
    """`count` records that differ in identity, image, artifact and key facts; one in five violates something."""
    rng = random.Random(7)
    base = {pointer: fact for pointer, fact in passing_facts(bundle).items() if not pointer.startswith("/reference/")}
    made = []
    for number in range(count):
        arn = f"arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn-{number}/1"
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
                    ("/approval/status", "Rejected"),
                    ("/container/0/image/resolved_digest", "sha256:0"),
                ]
            )
            facts[pointer] = Present(value, SOURCE)
        made.append(Evidence(arn, facts))
    return made

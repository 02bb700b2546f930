#!/usr/bin/env python3
"""Wall time of gating an evidence file against a bare script that imports click, cedarpy and orjson and judges the same policies.

The bare script reads the same file and the same `.cedar` files, hands over facts that were projected before, and prints
Cedar's answer: no findings, no settings, no record. Whole processes, in turn; the median of the pairwise ratios counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nested import nested
from records import parameters, records, reference

from modelwarden.catalog import load_bundle
from modelwarden.document import to_document
from modelwarden.evaluate import subject
from modelwarden.evidence import Unknown
from modelwarden.projection import Projector
from modelwarden.request import Request

BARE = """
import sys
import click, cedarpy, orjson
policies, entities, request, evidence = sys.argv[1:]
orjson.loads(open(evidence, "rb").read())
asked = orjson.loads(open(request, "rb").read())
result = cedarpy.is_authorized(asked, open(policies).read(), open(entities).read())
click.echo(result.decision.value)
"""


def prepare(folder: Path) -> tuple[list[str], list[str]]:
    """The two command lines over the same record."""
    bundle = load_bundle()
    (record,) = records(bundle, 1)
    request = Request("Production", "approve", "2026-11-22T02:10:00Z", Unknown("none"))
    asked, entities = nested(
        Projector(bundle.policies).project(subject(record, {}, request), parameters(bundle), {}, "approve"),
        "approve",
    )
    group = {"type": "Modelwarden::Action", "id": "promote"}
    actions = [
        {"uid": group, "attrs": {}, "parents": []},
        {"uid": {**group, "id": "approve"}, "attrs": {}, "parents": [group]},
    ]
    texts = [file.text for file in bundle.files if file.path.endswith(".cedar") and "authz/" not in file.path]
    (folder / "all.cedar").write_text("\n".join([*texts, "permit (principal, action, resource);"]))
    (folder / "entities.json").write_text(json.dumps([*actions, *entities]))
    (folder / "request.json").write_text(json.dumps(asked))
    (folder / "evidence.json").write_text(json.dumps(to_document(record, reference(bundle))))
    (folder / "bare.py").write_text(BARE)
    bare = [
        sys.executable,
        str(folder / "bare.py"),
        *(str(folder / name) for name in ("all.cedar", "entities.json", "request.json", "evidence.json")),
    ]
    ours = [
        str(Path(sys.executable).with_name("modelwarden")),
        "gate",
        str(folder / "evidence.json"),
        "--to",
        "Production",
    ]
    return bare, [*ours, "--runs", str(folder / "runs")]


def wall(command: list[str], folder: Path) -> float:
    # An installed program has its bytecode: without it the clock would measure Python's compiler.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode not in (0, 1, 3):
        raise SystemExit(done.stderr.decode())
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare, ours = prepare(folder)
        pairs = [(wall(ours, folder), wall(bare, folder)) for _ in range(arguments.rounds + 2)][2:]
    ratios = [mine / floor for mine, floor in pairs]
    mine, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"gate {mine * 1000:.0f} ms, bare script {floor * 1000:.0f} ms (medians of {len(pairs)} pairs)")
    print(f"median ratio {statistics.median(ratios):.2f} (target <= 1.3)")


if __name__ == "__main__":
    main()

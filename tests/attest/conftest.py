"""Runs that are proven, as a pinned organization layer and AWS would make them; keys; and a log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from modelwarden import gate
from modelwarden.attest.attestation import attest
from modelwarden.attest.key import LocalKey, new_pair, read_private
from modelwarden.evidence import Evidence, Present, Source
from modelwarden.finding import AppliedWaiver, Finding, Ruling
from modelwarden.run import Run

NOW = "2026-11-28T12:00:00Z"
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
IMAGE, MODEL = "a" * 64, "b" * 64
FACTS: dict[str, Any] = {
    "/container_count": 1,
    "/container/0/image/resolved_digest": f"sha256:{IMAGE}",
    "/artifact_count": 2,
    "/artifact/0/checksum_sha256": f"sha256:{MODEL}",
    "/artifact/0/uri": "s3://models/model.tar.gz",
    "/artifact/1/etag": "0cc175b9c0f1b6a831c399e269772661",
    "/artifact/1/uri": "s3://models/vocabulary.json",
    "/artifact/1/version_id": "v1",
}


def evidence_of(facts: dict[str, Any]) -> Evidence:
    return Evidence(
        PACKAGE, {pointer: Present(value, Source("s3:HeadObject", NOW)) for pointer, value in facts.items()}
    )


def rulings(*effects: str, waiver: AppliedWaiver | None = None) -> tuple[Ruling, ...]:
    """One ruling for each effect; `none` is a pass."""
    outcomes = {"none": "pass", "flags": "fail", "blocks": "fail", "undecides": "unknown"}
    return tuple(
        Ruling(Finding(f"XYZ-{number:03}", outcomes[effect]), "block", effect, "", waiver)  # type: ignore[arg-type]
        for number, effect in enumerate(effects)
    )


@pytest.fixture(scope="session")
def judged() -> Run:
    house = gate.load_house(gate.Sources(), {})
    question = gate.Question(PACKAGE, "Production", "deploy")
    run = gate.judge(
        house, question, gate.Observed(evidence_of(FACTS), {}, None), now=NOW, run_id="20261128T120000Z-aa"
    )
    return replace(run, decision=replace(run.decision, advisory=False))


@pytest.fixture
def run_of(judged: Run) -> Callable[..., Run]:
    """`run_of("flag", facts=..., rulings=...)`: a proven run with that verdict."""

    def make(
        verdict: str = "allow", *, facts: dict[str, Any] | None = None, id_: str = judged.id, **changes: Any
    ) -> Run:
        decision = replace(judged.decision, **{"verdict": verdict, "rulings": rulings("none"), "off": (), **changes})
        return replace(judged, id=id_, decision=decision, evidence=evidence_of(FACTS if facts is None else facts))

    return make


def sha256_of(run: Run) -> str:
    return hashlib.sha256(msgspec.json.encode(run.to_json())).hexdigest()


def attested(run: Run, key: LocalKey) -> bytes:
    return attest(run, sha256_of(run), key)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LocalKey]:
    path = tmp_path_factory.mktemp("keys") / "gate.key"
    new_pair(path, None)
    return path, read_private(path, bytes)


@pytest.fixture(scope="session")
def key(pair: tuple[Path, LocalKey]) -> LocalKey:
    return pair[1]


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> LocalKey:
    path = tmp_path_factory.mktemp("others") / "other.key"
    new_pair(path, None)
    return read_private(path, bytes)

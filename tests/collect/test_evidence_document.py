"""`modelwarden evidence`: a document of the published schema, which judges as AWS itself does and gives nothing away."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scripts import schemas

from modelwarden.evidence import Evidence
from tests.command import inside
from tests.organization import DEMO, PACKAGES

from .conftest import Organization

CLOCK = "2026-11-20T06:00:00Z"
ME = "arn:aws:iam::111111111111:user/sandbox"
BASES = [line for line in (DEMO / "modelwarden.toml").read_text(encoding="utf-8").split('"') if "/ml/base:" in line]
JUDGED = ("--to", "Production", "--as-of", CLOCK, "--config", str(DEMO / "modelwarden.toml"), "--format", "json")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def generated_schema() -> dict[str, Any]:
    """As `make docs` generates it."""
    return schemas.evidence_schema()


def run(folder: Path, environment: Mapping[str, str], *arguments: str | Path) -> Done:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    done = inside(*arguments, folder=folder, environment={**kept, **nowhere, **environment})
    assert "Traceback" not in done.err
    return Done(done.code, done.out, done.err)


def evidence(folder: Path, organization: Organization, ending: str, *options: str | Path) -> Done:
    bases = [option for base in BASES for option in ("--base-image", base)]
    arn = organization.arn(ending)
    environment = organization.sandbox.environment()
    return run(folder, environment, "evidence", arn, "--role", "ModelwardenReader", *bases, *options)


def verdicts(done: Done) -> dict[str, Any]:
    """What must be equal however the facts came in."""
    assert done.code in (0, 1, 3), done.err
    document = done.document
    findings = {(one["control"], one["outcome"], one["effect"], one["reason"]) for one in document["findings"]}
    return {"verdict": document["verdict"], "findings": findings, "material": document["digests"]["material"]}


SCHEMA = generated_schema()
READABLE = ["credit-default/1", "churn/11", "mailroom/2", "credit-default-single", "churn-hostile/1"]


@pytest.mark.parametrize("ending", [*READABLE, "claims-triage/7", "prototype/1"])
def test_the_document_fits_the_published_schema_and_reads_back(
    organization: Organization, tmp_path: Path, ending: str
) -> None:
    done = evidence(tmp_path, organization, ending)
    assert (
        done.code == 3
    )  # parts of every package cannot be read with the reader's rights: the trail, a foreign registry
    jsonschema.Draft202012Validator(SCHEMA).validate(done.document)
    own = {name: value for name, value in done.document.items() if name != "reference"}
    again = Evidence.from_json(own)
    assert again.to_json() == own
    assert again.digest() == own["digest"]


def test_the_document_has_facts_of_all_three_states_each_with_its_source(
    organization: Organization, tmp_path: Path
) -> None:
    document = evidence(tmp_path, organization, "claims-triage/7").document
    seen: dict[str, set[str]] = {"present": set(), "absent": set(), "unknown": set()}
    for pointer, fact in document["facts"].items():
        source = document["sources"][fact["source"]]
        assert source["api"].count(":") == 1, pointer
        if source["api"] != "sagemaker:DescribeModelPackage" or not pointer.startswith("/package/"):
            assert source["at"], pointer
            assert source["request_id"], pointer
        seen[fact["state"]].add(source["api"])
        assert fact["state"] != "unknown" or fact["reason"]
    assert "s3:GetObject" in seen["unknown"]
    assert {"kms:DescribeKey", "ecr:BatchGetImage", "sagemaker:ListTags"} <= seen["present"]
    assert {"sagemaker:DescribeModelPackage", "sagemaker:GetModelPackageGroupPolicy"} <= seen["absent"]


def test_the_document_holds_no_environment_value_and_no_credentials(organization: Organization, tmp_path: Path) -> None:
    done = evidence(tmp_path, organization, "credit-default/1", "--record", tmp_path / "recording")
    recording = "".join(file.read_text() for file in (tmp_path / "recording").iterdir())
    described = next(p["describe"] for p in PACKAGES if p["describe"]["ModelPackageName"] == "credit-default/1")
    values = set(described["InferenceSpecification"]["Containers"][0]["Environment"].values())
    assert values
    for secret in (*values, *("AKIA", "ASIA", "sandbox-secret", "X-Amz-Signature", "_sandbox/blobs")):
        for text in (done.out, done.err, recording):
            assert secret not in text


@pytest.mark.parametrize("ending", ["credit-default/1", "churn/11", "claims-triage/7", "cv-screening/1"])
def test_a_file_a_recording_and_aws_itself_are_judged_alike(
    organization: Organization, tmp_path: Path, ending: str
) -> None:
    arn, environment = organization.arn(ending), organization.sandbox.environment()
    recording = tmp_path / "recording"
    live = run(tmp_path, environment, "gate", arn, *JUDGED, "--principal", ME, "--record", recording)
    (tmp_path / "e.json").write_text(evidence(tmp_path, organization, ending).out)
    of_file = run(tmp_path, {}, "gate", "e.json", *JUDGED, "--principal", ME)
    # Nothing listens there: an attempt to call AWS would end the run.
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}
    replayed = run(tmp_path, nowhere, "gate", arn, *JUDGED, "--principal", ME, "--replay", recording)
    assert verdicts(of_file) == verdicts(live)
    assert verdicts(replayed) == verdicts(live)
    assert (live.code, of_file.code, replayed.code) == (live.code,) * 3
    assert live.document["digests"]["evidence"] == replayed.document["digests"]["evidence"]
    assert live.document["asserted"] == ["principal", "as_of"]
    assert of_file.document["asserted"] == replayed.document["asserted"] == ["evidence", "principal", "as_of"]


def test_the_recording_of_evidence_serves_a_gate_of_the_same_package(
    organization: Organization, tmp_path: Path
) -> None:
    """`evidence` reads every fact, so whatever a control needs is there; and who called is asserted then."""
    recorded = evidence(tmp_path, organization, "credit-default/1", "--record", tmp_path / "all")
    assert recorded.code == 3
    arn = organization.arn("credit-default/1")
    live = run(tmp_path, organization.sandbox.environment(), "gate", arn, *JUDGED)
    replayed = run(tmp_path, {}, "gate", arn, *JUDGED, "--replay", tmp_path / "all")
    assert verdicts(replayed) == verdicts(live)
    assert replayed.document["request"]["principal"]["state"] == "asserted"
    assert live.document["request"]["principal"]["state"] == "proven"


def test_a_hostile_recording_is_a_mistake_of_the_user(organization: Organization, tmp_path: Path) -> None:
    assert evidence(tmp_path, organization, "credit-default/1", "--record", tmp_path / "all").code == 3
    for file in (tmp_path / "all").glob("kms-*"):
        file.write_text('{"data": {"KeyMetadata": 5}, "source": {"api": "a", "at": null, "request_id": null}}')
    arn = organization.arn("credit-default/1")
    for command in (("gate", arn, *JUDGED), ("evidence", arn, "--role", "ModelwardenReader")):
        done = run(tmp_path, {}, *command, "--replay", tmp_path / "all")
        assert done.code == 2, done.out + done.err
        assert "not a recorded response: /KeyMetadata is no structure" in done.err
    missing = run(tmp_path, {}, "gate", arn, *JUDGED, "--replay", tmp_path / "nothing")
    assert (missing.code, "no such folder" in missing.err) == (2, True)
    (tmp_path / "empty").mkdir()
    assert run(tmp_path, {}, "gate", arn, *JUDGED, "--replay", tmp_path / "empty").code == 3

"""The demo scenario: what is checked in is what the generator writes, and it holds what it promises."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from modelwarden.identity import who
from modelwarden.sandbox.demo import (
    cards,
    catalogue,
    damage,
    defects,
    estate,
    generate,
    images,
    models,
    oracle,
    settings,
)

FOLDER = Path(generate.__file__).parent
CLASSIC = {"AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "RD", "TE"}


@pytest.fixture(scope="module")
def scenario() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((FOLDER / "scenario.json").read_text(encoding="utf-8"))
    return parsed


@pytest.fixture(scope="module")
def packages(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scenario["packages"]
    return found


def metrics(model: str, facet: str = "sex", value: str = "0") -> dict[str, Any]:
    """Post-training metrics of one facet value in a checked-in report."""
    report = json.loads((FOLDER / "files/reports" / f"{model}.bias.json").read_text(encoding="utf-8"))
    reports = report["post_training_bias_metrics"]["facets"][facet]
    found = next(entry for entry in reports if entry["value_or_threshold"] == value)
    return {metric["name"]: metric["value"] for metric in found["metrics"]}


def rarer_share(model: str) -> float:
    report = json.loads((FOLDER / "files/reports" / f"{model}.evaluation.json").read_text(encoding="utf-8"))
    matrix = report["binary_classification_metrics"]["confusion_matrix"]
    predicted = [sum(row[label] for row in matrix.values()) for label in ("0", "1")]
    return min(predicted) / sum(predicted)


def test_what_is_checked_in_is_what_the_generator_writes() -> None:
    assert generate.text(generate.scenario()) == (FOLDER / "scenario.json").read_text(encoding="utf-8")
    assert settings.text() == (FOLDER / "modelwarden.toml").read_text(encoding="utf-8")


def test_reports_come_out_the_same_again(tmp_path: Path) -> None:
    pytest.importorskip("smclarify", reason="requirements.txt of the demo is not installed")
    models.write(tmp_path)
    _same_files(tmp_path, FOLDER / "files/reports")


def test_cards_come_out_the_same_again(tmp_path: Path) -> None:
    pytest.importorskip("sagemaker.model_card", reason="requirements-cards.txt of the demo is not installed")
    cards.write(FOLDER / "files/reports", tmp_path)
    _same_files(tmp_path, FOLDER / "files/cards")


def _same_files(made: Path, kept: Path) -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in made.iterdir()} == {
        path.name: path.read_text(encoding="utf-8") for path in kept.iterdir()
    }


def test_the_folder_is_small_and_says_that_it_is_synthetic() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 1_300_000
    assert "synthetic" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_payloads_exist_and_are_used(scenario: dict[str, Any]) -> None:
    used = {entry["file"] for entry in scenario["objects"] if "file" in entry}
    kept = {str(path.relative_to(FOLDER)) for path in (FOLDER / "files/reports").iterdir()}
    assert used <= kept
    unused = {name for name in kept - used if not name.endswith(".explanations.json")}
    assert unused == set()


def test_every_package_is_planned_and_the_verdict_follows_from_its_findings(packages: list[dict[str, Any]]) -> None:
    for package in packages:
        planned = package["planned"]
        assert planned["verdict"] == oracle.verdict(planned["findings"], planned["to"])
        assert planned["exit"] == oracle.EXIT[planned["verdict"]]
        assert bool(planned["defects"]) == bool(planned["findings"]), package["describe"]["ModelPackageArn"]
        assert len(planned["defects"]) <= 2


def test_every_control_fails_and_every_verdict_occurs(packages: list[dict[str, Any]]) -> None:
    failed = {c for p in packages for c, outcome in p["planned"]["findings"].items() if outcome == "fail"}
    assert failed == set(oracle.LEVELS)
    verdicts = Counter(package["planned"]["verdict"] for package in packages)
    assert verdicts["allow"] >= 0.3 * len(packages)
    assert min(verdicts[name] for name in ("flag", "undecided")) >= 5


def test_every_defect_and_trait_is_used() -> None:
    used = {change for case in catalogue.CASES for change in case.changes}
    assert sorted(set(damage.CHANGES) - used - {"approved"}) == []
    assert used <= set(defects.CHANGES)


def test_arns_are_unique_and_belong_to_the_organization(scenario: dict[str, Any]) -> None:
    arns = [package["describe"]["ModelPackageArn"] for package in scenario["packages"]]
    assert len(set(arns)) == len(arns)
    accounts = {account["id"]: account for account in scenario["organization"]["accounts"]}
    assert {arn.split(":")[4] for arn in arns} <= set(accounts)
    assert [a["name"] for a in accounts.values() if a["state"] == "SUSPENDED"] == ["legacy-ml"]
    assert [a["name"] for a in accounts.values() if not a["reader_role"]] == ["legacy-ml", "laboratory"]
    keys = [(entry["bucket"], entry["key"]) for entry in scenario["objects"]]
    assert len(set(keys)) == len(keys)


def test_no_account_outside_of_the_organization_is_named(scenario: dict[str, Any]) -> None:
    named = set(re.findall(r"(?::|/|^)(\d{12})(?=[:./])", json.dumps(scenario)))
    assert named <= {account["id"] for account in scenario["organization"]["accounts"]}


def test_endpoints_run_what_their_place_in_the_demo_says(scenario: dict[str, Any]) -> None:
    """In the order of `serving.endpoints`; a package by the name that the scenario gives it."""
    status = {
        package["describe"]["ModelPackageArn"]: package["describe"].get("ModelApprovalStatus")
        for package in scenario["packages"]
    }
    found = {
        (one["name"], variant["name"]): status[package] if package else "image" if "image" in variant else "deleted"
        for one in scenario["endpoints"]
        for variant in one["variants"]
        for package in [_arn(one, variant.get("package"))]
    }
    assert found == {
        ("credit-decision", "AllTraffic"): "Approved",
        ("credit-preview", "AllTraffic"): "Rejected",
        ("mailroom-sorter", "AllTraffic"): "Approved",
        ("claims-mailroom", "AllTraffic"): "Approved",
        ("churn-live", "champion"): "Approved",
        ("churn-live", "challenger"): "PendingManualApproval",
        ("campaign-experiment", "AllTraffic"): "image",
        ("claims-fraud-score", "AllTraffic"): "deleted",
    }
    hub = f"arn:aws:sagemaker:{estate.IRELAND}:{estate.HUB}:model-package/mailroom"
    assert [variant["package"] for one in scenario["endpoints"][2:4] for variant in one["variants"]] == [
        "mailroom/5",
        f"{hub}/6",
    ]


def _arn(endpoint: dict[str, Any], package: str | None) -> str | None:
    if package is None or package.startswith("arn:"):
        return package
    return f"arn:aws:sagemaker:{endpoint['region']}:{endpoint['account']}:model-package/{package}"


def test_packages_have_the_shape_of_describe_model_package(packages: list[dict[str, Any]]) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("DescribeModelPackage").output_shape
    wrong = [message for package in packages for message in _misfits(shape, package["describe"], "")]
    assert wrong == []


def _misfits(shape: Any, value: Any, at: str) -> list[str]:
    if shape.type_name == "structure":
        missing = [f"{at}/{name} is missing" for name in shape.required_members if name not in value]
        unknown = [f"{at}/{name} is no member" for name in value if name not in shape.members]
        members = [(shape.members[k], v, f"{at}/{k}") for k, v in value.items() if k in shape.members]
        return [*missing, *unknown, *(message for member in members for message in _misfits(*member))]
    if shape.type_name == "list":
        return [message for i, item in enumerate(value) for message in _misfits(shape.member, item, f"{at}/{i}")]
    if shape.type_name == "string":
        limit = shape.metadata.get("max", 10**6)
        good = isinstance(value, str) and len(value) <= limit and (not shape.enum or value in shape.enum)
        return [] if good else [f"{at} = {value!r}"]
    return []


def test_image_digests_are_true_hashes_and_children_descend_from_the_base() -> None:
    base = estate.PYTHON
    child = base.on_top("anything")
    assert child.layers[: len(base.layers)] == base.layers
    again = images.layer("debian-12", recompressed=True)
    assert again.diff_id == base.layers[0].diff_id
    assert again.digest != base.layers[0].digest
    assert images.image("debian-12").digest() == images.image("debian-12").digest()


def test_digest_marks_name_images_that_exist(scenario: dict[str, Any]) -> None:
    known = {
        f"{repository['account']}/{repository['region']}/{repository['name']}:{tag}"
        for repository in scenario["repositories"]
        for image in repository["images"]
        for tag in image["tags"]
    }
    named = set(re.findall(r"@digest:([^\"\\]+)", json.dumps(scenario["packages"])))
    assert named <= known
    assert named


def test_index_children_are_the_manifests_that_the_index_lists(scenario: dict[str, Any]) -> None:
    entries = [i for repository in scenario["repositories"] for i in repository["images"] if "index" in i]
    assert entries
    for entry in entries:
        listed = [manifest["digest"] for manifest in entry["index"]["manifests"]]
        assert listed == [images.manifest_digest(child["manifest"]) for child in entry["children"]]


@pytest.mark.parametrize("model", ["credit-fair", "credit-fair-both", "credit-fair-tree", "hiring-fair", "fraud-fair"])
def test_fair_models_are_within_the_bounds(model: str) -> None:
    found = metrics(model)
    assert min(found["DI"], 1 / found["DI"]) >= 0.8
    assert max(abs(found[name]) for name in ("DPPL", "RD", "AD")) <= 0.2
    assert set(found) == CLASSIC | {"SD", "GE"}
    assert rarer_share(model) > 0.01


def test_biased_models_are_out_of_bounds_on_either_side() -> None:
    assert metrics("credit-biased")["DI"] < 0.8
    assert metrics("hiring-reversed")["DI"] > 1.25
    assert metrics("hiring-recall")["DI"] >= 0.8
    assert metrics("hiring-recall")["RD"] > 0.2
    assert metrics("credit-biased-age")["DI"] >= 0.8
    assert metrics("credit-biased-age", "age", "(45.0, 69.0]")["DI"] < 0.8


def test_both_facet_values_report_reciprocal_disparate_impacts() -> None:
    assert metrics("credit-fair-both")["DI"] * metrics("credit-fair-both", value="1")["DI"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("model", "share"),
    [("credit-constant", 0.0), ("credit-nearly-constant", 2 / 592), ("fraud-nobody", 0.0), ("credit-balanced", 0.5)],
)
def test_suspicious_metrics_are_told_apart_by_the_confusion_matrix(model: str, share: float) -> None:
    found = metrics(model)
    assert [found["DI"], found["DPPL"], found["RD"], found["DRR"]] == pytest.approx([1, 0, 0, 0], abs=1e-9)
    assert rarer_share(model) == pytest.approx(share)


def test_metrics_without_a_number() -> None:
    assert metrics("credit-infinite")["DI"] == "Infinity"
    assert metrics("credit-infinite")["TE"] == "-Infinity"
    assert metrics("credit-empty-facet", value="2")["DI"] is None
    assert metrics("credit-no-group")["CDDPL"] is None
    assert set(metrics("credit-fair-2021")) == CLASSIC
    text = (FOLDER / "files/reports/credit-empty-facet.bias.json").read_text(encoding="utf-8")
    assert "Facet set is empty" in text
    pre_only = json.loads((FOLDER / "files/reports/credit-pre-training.bias.json").read_text(encoding="utf-8"))
    assert set(pre_only) == {"version", "pre_training_bias_metrics"}


def test_cards_of_high_rating_hold_the_groups_of_their_declared_attributes() -> None:
    for case, package in generate.drafts():
        if package.card is None or package.group.rating != "High" or "attribute-not-reported" in case.changes:
            continue
        names = [group["name"] for group in package.card["evaluation_details"][0]["metric_groups"]]
        for attribute in package.group.attributes:
            assert any(f"facet {attribute}=" in name for name in names), package.arn
        assert any(name.startswith("explanations - ") for name in names), package.arn


def test_principals_are_people_and_only_the_planned_ones_approve_their_own_work(packages: list[dict[str, Any]]) -> None:
    for package in packages:
        approver = who(package["planned"]["principal"], asserted=True)
        iam = package["describe"]["CreatedBy"]["IamIdentity"]
        creator = who(iam["Arn"], source_identity=iam.get("SourceIdentity"))
        if package["planned"]["at"] == "approve":
            same = "approver-is-creator" in package["planned"]["defects"]
            assert (approver.identity == creator.identity) == same, package["describe"]["ModelPackageArn"]


def test_settings_declare_the_attributes_of_every_group() -> None:
    parsed = tomllib.loads(settings.text())
    scopes = {scope["match"]["group"]: scope["parameters"]["protected_attributes"] for scope in parsed["scope"]}
    for group in estate.GROUPS:
        name = "churn*" if group.name.startswith("churn") else group.name
        assert tuple(scopes.get(name, parsed["parameters"]["protected_attributes"])) == group.attributes

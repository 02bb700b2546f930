"""Every package version of the demo: what it is made from, what is wrong with it and how it is gated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One package version. Versions are counted per group, in the order of this file."""

    group: str
    changes: tuple[str, ...] = ()
    """names of defects and traits"""
    model: str | None = None
    """None: the model of the group"""
    to: str = "Production"
    at: str = "approve"


def _case(group: str, changes: str = "", model: str | None = None, to: str = "Production", at: str = "approve") -> Case:
    return Case(group, tuple(changes.split()), model, to, at)


CASES = (
    _case("credit-default"),
    _case("credit-default", "image-by-digest", "credit-fair-both"),
    _case("credit-default", "two-good-containers", "credit-fair-tree"),
    _case("credit-default", "biased", "credit-biased"),
    _case("credit-default", "constant-predictor", "credit-constant"),
    _case("credit-default", "constant-predictor", "credit-nearly-constant"),
    _case("credit-default", "", "credit-balanced"),
    _case("credit-default", "metric-undefined", "credit-empty-facet"),
    _case("credit-default", "metric-infinite", "credit-infinite"),
    _case("credit-default", "no-post-training-section", "credit-pre-training"),
    _case("credit-default", "bias-malformed"),
    _case("credit-default", "bias-empty"),
    _case("credit-default", "bias-unreadable"),
    _case("credit-default", "", "credit-no-group"),
    _case("credit-default", "", "credit-fair-2021"),
    _case("credit-default", "approved", at="deploy"),
    _case("credit-default", "not-approved", at="deploy"),
    _case("credit-default", "approver-is-creator"),
    _case("credit-default", "unversioned"),
    _case("credit-default", "rejected rating-in-lower-case", at="deploy"),
    _case("loan-pricing"),
    _case("loan-pricing", "biased", "credit-biased-age"),
    _case("loan-pricing", "attribute-not-reported", "credit-fair"),
    _case("loan-pricing", "artifact-key-unreadable"),
    _case("cv-screening", "model-data-source"),
    _case("cv-screening", "biased", "hiring-reversed"),
    _case("cv-screening", "biased", "hiring-recall"),
    _case("cv-screening", "card-not-approved approver-is-trainer"),
    _case("cv-screening", "rating-unknown mutable-repository"),
    _case("card-fraud"),
    _case("card-fraud", "constant-predictor image-deleted", "fraud-nobody"),
    _case("card-fraud", "multi-platform-image"),
    _case("card-fraud", "one-platform-on-foreign-base"),
    _case("card-fraud", "tag-made-immutable-by-filter"),
    _case("tumour-triage"),
    _case("tumour-triage", "evaluated-on-training-data package-key-of-aws"),
    _case("tumour-triage", "card-without-ethics"),
    _case("tumour-triage", "recompressed-base-layers"),
    _case("tumour-triage", "tag-excluded-from-immutability", to="Staging"),
    _case("churn"),
    _case("churn", "approved", "churn-tree", at="deploy"),
    _case("churn", "constant-by-confusion-matrix", "churn-constant"),
    _case("churn", "artifact-without-key"),
    _case("churn", "artifact-key-of-aws evaluation-malformed"),
    _case("churn", "no-package-key evaluation-changed"),
    _case("churn", "card-missing"),
    _case("churn", "card-not-json"),
    _case("churn", "card-empty"),
    _case("churn", "card-encoded-twice"),
    _case("churn", "evaluation-missing one-of-many-without-key"),
    _case("churn", "second-image-of-a-team"),
    _case("churn", "additional-specification-of-a-team"),
    _case("churn", "good-additional-specification"),
    _case("churn", "card-in-another-script", "churn-tree"),
    _case("churn-hostile", "hostile-text"),
    _case("claims-triage"),
    _case("claims-triage", "artifact-key-disabled"),
    _case("claims-triage", "artifact-key-leaving card-with-invented-key", to="Staging"),
    _case("claims-triage", "artifact-key-unrotated placeholder-observation", to="Staging"),
    _case("claims-triage", "placeholder-purpose image-of-a-team"),
    _case("claims-triage", "card-metric-as-text"),
    _case("claims-triage", "artifact-unreadable evaluation-unreadable"),
    _case("claims-triage", "artifact-key-unapproved", to="Staging"),
    _case("claims-fraud", "registry-unreadable"),
    _case("claims-fraud", "registry-unreadable", to="Development"),
    _case("campaign-response", "image-by-digest"),
    _case("campaign-response", "model-data-source"),
    _case("campaign-response", "image-by-tag"),
    _case("campaign-response", "image-tag-moved"),
    _case("campaign-response", "forbidden-tag", to="Staging"),
    _case("campaign-response", "image-from-docker-hub", to="Development"),
    _case("uplift", "tag-missing-on-group"),
    _case("uplift", "tag-missing-on-group", to="Staging"),
    _case("mailroom"),
    _case("mailroom", "standalone-card"),
    _case("mailroom", "foreign-base-image rating-missing"),
    _case("mailroom", "borrowed-base-layers", to="Staging"),
    _case("mailroom", "approval-not-in-trail", at="deploy"),
    _case("mailroom", "approved-by-creator", at="deploy"),
    _case("mailroom", "card-without-owner rating-unexplained"),
    _case("house-price", "no-confusion-matrix", to="Development"),
    _case("prototype", "account-not-readable"),
    _case("legacy-scoring", "account-not-readable", to="Staging"),
)

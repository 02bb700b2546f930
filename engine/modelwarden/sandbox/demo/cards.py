"""Writes the demo's model cards with the model card classes of the SageMaker SDK.

Needs sagemaker 2.257 (`requirements-cards.txt`), imported when `write` runs. What differs from version to version of a
package (artifact, training job, image, data sets) is left as `@name@` and filled in when the scenario is assembled.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwarden.sandbox.demo import prose
from modelwarden.sandbox.demo.prose import Product

Json = dict[str, Any]


_SHOWN = frozenset({"confusion_matrix", "accuracy", "recall", "precision", "auc", "f1", "mae", "rmse", "r2"})


@dataclass(frozen=True, slots=True)
class Card:
    """One card: the words of a product, with the metrics of one trained model."""

    name: str
    product: Product
    model: str
    full: bool = True
    """False leaves out all that only a High rating asks for"""


CARDS = (
    *(
        Card(name, prose.CREDIT, name)
        for name in (
            "credit-fair",
            "credit-fair-both",
            "credit-fair-tree",
            "credit-fair-age",
            "credit-fair-2021",
            "credit-no-group",
            "credit-balanced",
            "credit-biased",
            "credit-biased-age",
            "credit-constant",
            "credit-nearly-constant",
            "credit-empty-facet",
            "credit-infinite",
            "credit-pre-training",
        )
    ),
    *(Card(name, prose.HIRING, name) for name in ("hiring-fair", "hiring-reversed", "hiring-recall")),
    *(Card(name, prose.FRAUD, name) for name in ("fraud-fair", "fraud-nobody")),
    Card("churn", prose.CHURN, "churn", full=False),
    Card("churn-tree", prose.CHURN, "churn-tree", full=False),
    Card("churn-constant", prose.CHURN, "churn-constant", full=False),
    Card("claims", prose.CLAIMS, "claims", full=False),
    Card("campaign", prose.CAMPAIGN, "churn-tree", full=False),
    Card("tumour", prose.TUMOUR, "tumour"),
    Card("documents", prose.DOCUMENTS, "claims", full=False),
    Card("house-price", prose.HOUSES, "house-price", full=False),
)


def _readable(document: Json) -> Json:
    """Without metrics that are no number: the SDK's parser of bias reports refuses the text Infinity."""
    kept: Json = json.loads(json.dumps(document))
    for section in kept.values():
        if isinstance(section, dict):
            for reports in section["facets"].values():
                for report in reports:
                    report["metrics"] = [m for m in report["metrics"] if not isinstance(m["value"], str)]
    return kept


def _chosen(metrics: Json) -> Json:
    """The metrics of an evaluation report that a card shows."""
    return {name: value for name, value in metrics.items() if name in _SHOWN}


@contextmanager
def _metrics(reports: Path, model: str) -> Iterator[dict[str, Path]]:
    """Kind -> a file that the SDK can read, for each report of the model."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for kind in ("evaluation", "bias", "explanations"):
            source = reports / f"{model}.{kind}.json"
            if not source.exists():
                continue
            document = json.loads(source.read_text(encoding="utf-8"))
            if kind == "bias":
                document = _readable(document)
            if kind == "evaluation":
                document = {group: _chosen(metrics) for group, metrics in document.items()}
            found[kind] = Path(folder) / f"{kind}.json"
            found[kind].write_text(json.dumps(document), encoding="utf-8")
        yield found


def _evaluation(card: Card, reports: Path) -> Any:
    from sagemaker.model_card import EvaluationJob, EvaluationMetricTypeEnum

    job = EvaluationJob(
        name="held-out data", evaluation_observation=card.product.observation, datasets=["@evaluation_data@"]
    )
    parsers = {
        "evaluation": EvaluationMetricTypeEnum.REGRESSION
        if card.product is prose.HOUSES
        else EvaluationMetricTypeEnum.BINARY_CLASSIFICATION,
        "bias": EvaluationMetricTypeEnum.CLARIFY_BIAS,
        "explanations": EvaluationMetricTypeEnum.CLARIFY_EXPLAINABILITY,
    }
    with _metrics(reports, card.model) as files:
        for kind, path in files.items():
            if card.full or kind == "evaluation":
                job.add_metric_group_from_json(str(path), parsers[kind])
    return job


def content(card: Card, reports: Path) -> Json:
    """The card's content as the SDK serialises it."""
    from sagemaker import model_card as sdk

    words = card.product
    training = sdk.TrainingJobDetails(
        training_arn="@training_arn@",
        training_datasets=["@training_data@"],
        training_environment=sdk.Environment(container_image=["@image@"]),
        user_provided_hyper_parameters=[sdk.HyperParameter(name="random_state", value="0")],
    )
    made = sdk.ModelCard(
        name=card.name,
        status=sdk.ModelCardStatusEnum.APPROVED,
        model_overview=sdk.ModelOverview(
            model_description=words.description,
            model_creator=words.creator,
            model_owner=words.owner,
            algorithm_type=words.algorithm,
            problem_type=words.problem_type,
            model_artifact=["@artifact@"],
        ),
        intended_uses=sdk.IntendedUses(
            purpose_of_model=words.purpose,
            intended_uses=words.uses,
            factors_affecting_model_efficiency=words.factors,
            risk_rating=words.rating,
            explanations_for_risk_rating=words.rating_reason,
        ),
        business_details=sdk.BusinessDetails(
            business_problem=words.problem,
            business_stakeholders=words.stakeholders if card.full else None,
            line_of_business=words.line if card.full else None,
        ),
        training_details=sdk.TrainingDetails(training_job_details=training),
        evaluation_details=[_evaluation(card, reports)],
        additional_information=sdk.AdditionalInformation(
            ethical_considerations=words.ethics,
            caveats_and_recommendations=words.caveats,
            custom_details={"data": "synthetic"},
        )
        if card.full
        else None,
        sagemaker_session=_Offline(),
    )
    parsed: Json = json.loads(made._create_request_args()["Content"])  # the only way to serialise without a call to AWS
    return parsed


class _Offline:
    """Stands in for the SDK's session, which would want credentials and a region."""

    sagemaker_client = None


def write(reports: Path, folder: Path) -> None:
    """Write `CARD.json` for every card; two runs write the same bytes."""
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    folder.mkdir(parents=True, exist_ok=True)
    for card in CARDS:
        text = json.dumps(content(card, reports), ensure_ascii=False, indent=1)
        (folder / f"{card.name}.json").write_text(text + "\n", encoding="utf-8")

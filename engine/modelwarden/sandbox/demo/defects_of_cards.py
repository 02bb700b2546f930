"""Defects of model cards."""

from __future__ import annotations

import json
from typing import Any

from modelwarden.sandbox.demo.damage import defect, trait
from modelwarden.sandbox.demo.draft import Draft, iso

Json = dict[str, Any]


def _card(draft: Draft) -> Json:
    if draft.card is None:
        raise ValueError("an earlier defect took the card away")
    return draft.card


def _raw_card(draft: Draft, text: str) -> None:
    draft.card = None
    draft.describe["ModelCard"] = {"ModelCardContent": text, "ModelCardStatus": "Approved"}


@defect("card-missing", CARD_01="fail", CARD_02="unknown", CARD_03="fail", CARD_04="fail", CARD_07="unknown")
def _card_missing(draft: Draft) -> None:
    draft.card = None


@defect(
    "card-not-json",
    CARD_01="fail",
    CARD_02="unknown",
    CARD_03="unknown",
    CARD_04="unknown",
    CARD_07="unknown",
    APR_02="unknown",
)
def _card_not_json(draft: Draft) -> None:
    _raw_card(draft, json.dumps(_card(draft), ensure_ascii=False)[:900])


@defect("card-empty", CARD_03="fail", CARD_04="fail")
def _card_empty(draft: Draft) -> None:
    _raw_card(draft, "{}")


@trait("card-encoded-twice")
def _card_encoded_twice(draft: Draft) -> None:
    _raw_card(draft, json.dumps(json.dumps(_card(draft), ensure_ascii=False), ensure_ascii=False))


@trait("standalone-card")
def _standalone_card(draft: Draft) -> None:
    """No card in the package; a standalone one names the package as its model."""
    content = _card(draft)
    content["model_overview"] = {
        "model_id": draft.arn,
        "model_name": f"{draft.group.name}-{draft.version}",
        **content["model_overview"],
        "inference_environment": {"container_image": [draft.container["Image"]]},
    }
    name = f"{draft.group.name}-{draft.version}"
    draft.describe["CustomerMetadataProperties"]["model_card_name"] = name
    draft.card = None
    draft.standalone.append(
        {
            "account": draft.group.account,
            "region": draft.group.region,
            "ModelCardName": name,
            "ModelCardStatus": "Approved",
            "Content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
            "CreationTime": iso(draft.created),
        }
    )


@defect("card-with-invented-key", CARD_02="fail")
def _card_with_invented_key(draft: Draft) -> None:
    _card(draft)["model_overview"]["training_job_name"] = draft.job["TrainingJobName"]


@defect("card-metric-as-text", CARD_02="fail")
def _card_metric_as_text(draft: Draft) -> None:
    data = _card(draft)["evaluation_details"][0]["metric_groups"][0]["metric_data"]
    accuracy = next(metric for metric in data if metric["name"] == "accuracy")
    accuracy["value"] = str(accuracy["value"])


@defect("card-without-ethics", CARD_03="fail")
def _card_without_ethics(draft: Draft) -> None:
    del _card(draft)["additional_information"]["ethical_considerations"]


@defect("card-without-owner", CARD_03="fail")
def _card_without_owner(draft: Draft) -> None:
    del _card(draft)["model_overview"]["model_owner"]


@defect("card-not-approved", CARD_03="fail")
def _card_not_approved(draft: Draft) -> None:
    draft.describe["ModelCard"] = {"ModelCardStatus": "Draft"}


@defect("evaluated-on-training-data", CARD_03="fail")
def _evaluated_on_training_data(draft: Draft) -> None:
    content = _card(draft)
    trained_on = content["training_details"]["training_job_details"]["training_datasets"]
    content["evaluation_details"][0]["datasets"] = list(trained_on)


@defect("placeholder-purpose", CARD_03="fail", CARD_07="fail")
def _placeholder_purpose(draft: Draft) -> None:
    _card(draft)["intended_uses"]["purpose_of_model"] = "TBD"


@defect("placeholder-observation", CARD_07="fail")
def _placeholder_observation(draft: Draft) -> None:
    _card(draft)["training_details"]["training_observations"] = "TODO"


@trait("card-in-another-script")
def _card_in_another_script(draft: Draft) -> None:
    uses = "정기 배송 고객의 해지 가능성을 매주 추정하여 상담 대상을 고르는 데 사용합니다."
    _card(draft)["intended_uses"]["intended_uses"] = uses


@defect("rating-in-lower-case", CARD_02="fail", CARD_04="fail")
def _rating_in_lower_case(draft: Draft) -> None:
    _card(draft)["intended_uses"]["risk_rating"] = "high"


@defect("rating-unknown", CARD_04="fail")
def _rating_unknown(draft: Draft) -> None:
    _card(draft)["intended_uses"]["risk_rating"] = "Unknown"


@defect("rating-missing", CARD_03="fail", CARD_04="fail")
def _rating_missing(draft: Draft) -> None:
    del _card(draft)["intended_uses"]["risk_rating"]


@defect("rating-unexplained", CARD_03="fail", CARD_04="fail")
def _rating_unexplained(draft: Draft) -> None:
    del _card(draft)["intended_uses"]["explanations_for_risk_rating"]

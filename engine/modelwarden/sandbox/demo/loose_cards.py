"""The demo's model cards that belong to no package: of a model that nobody registered, of a package that is gone, and one
of which nobody can tell."""

from __future__ import annotations

import json
from typing import Any

from modelwarden.sandbox.demo import estate

Json = dict[str, Any]


def _card(account: str, region: str, name: str, status: str, created: str, content: str) -> Json:
    return {
        "account": account,
        "region": region,
        "ModelCardName": name,
        "ModelCardStatus": status,
        "Content": content,
        "CreationTime": created,
        "LastModifiedTime": created,
    }


def cards() -> list[Json]:
    """In that order. The content of the last one was cut off by the pipeline that wrote it."""
    notebook = {
        "model_overview": {
            "model_id": "campaign-notebook",
            "model_name": "campaign-notebook",
            "model_description": "Scores how likely a customer answers a campaign; tried in a notebook.",
            "model_owner": "Campaigns",
        },
        "intended_uses": {"risk_rating": "Low"},
    }
    gone = f"arn:aws:sagemaker:{estate.IRELAND}:{estate.RETAIL}:model-package/churn-2024/3"
    retired = {
        "model_overview": {"model_name": "churn-2024", "model_description": "Predicts which customers will leave."},
        "model_package_details": {"model_package_arn": gone, "model_approval_status": "Approved"},
        "intended_uses": {"risk_rating": "Medium"},
    }
    cut = json.dumps({"model_overview": {"model_name": "claims-pilot", "model_description": "Sorts claims."}})[:-14]
    return [
        _card(
            estate.MARKETING,
            estate.VIRGINIA,
            "campaign-notebook",
            "Draft",
            "2026-06-02T09:00:00Z",
            json.dumps(notebook, separators=(",", ":")),
        ),
        _card(
            estate.RETAIL,
            estate.IRELAND,
            "churn-2024",
            "Approved",
            "2025-03-17T14:30:00Z",
            json.dumps(retired, separators=(",", ":")),
        ),
        _card(estate.CLAIMS, estate.IRELAND, "claims-pilot", "PendingReview", "2026-10-29T11:15:00Z", cut),
    ]

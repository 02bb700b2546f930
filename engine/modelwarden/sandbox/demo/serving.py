"""The demo's endpoints: what runs, and how far that is from what was approved."""

from __future__ import annotations

from typing import Any

from modelwarden.sandbox.demo import estate

Json = dict[str, Any]

_CREATED = "2026-11-02T10:00:00Z"


def _package(group: str, version: int) -> str:
    """ARN of one version."""
    owner = estate.group(group)
    return f"arn:aws:sagemaker:{owner.region}:{owner.account}:model-package/{group}/{version}"


def _endpoint(account: str, region: str, name: str, *variants: Json, status: str = "InService") -> Json:
    return {
        "account": account,
        "region": region,
        "name": name,
        "status": status,
        "config": f"{name}-config-1",
        "variants": list(variants),
        "created": _CREATED,
    }


def _variant(model: str, name: str = "AllTraffic", **made_of: Any) -> Json:
    return {"name": name, "model": model, **made_of}


def endpoints() -> list[Json]:
    """In order: approved; rejected after it went live; superseded by the next approved version; of the hub, in another
    account; a champion with a challenger that nobody approved; no registered package; a model that was deleted.
    """
    scoring = f"{estate.host(estate.ECR, estate.VIRGINIA)}/ml/scoring:4.2"
    weights = f"s3://{estate.bucket(estate.MARKETING, estate.VIRGINIA)}/experiments/model.tar.gz"
    champion = _variant("churn-002", "champion", package=_package("churn", 2))
    challenger = _variant("churn-014-fast", "challenger", package=_package("churn", 14), specification="low-latency")
    return [
        _endpoint(
            estate.LENDING,
            estate.IRELAND,
            "credit-decision",
            _variant("credit-default-016", package=_package("credit-default", 16)),
        ),
        _endpoint(
            estate.LENDING,
            estate.IRELAND,
            "credit-preview",
            _variant("credit-default-020", package=_package("credit-default", 20)),
        ),
        _endpoint(estate.HUB, estate.IRELAND, "mailroom-sorter", _variant("mailroom-005", package="mailroom/5")),
        _endpoint(
            estate.CLAIMS,
            estate.IRELAND,
            "claims-mailroom",
            _variant("mailroom-006", package=_package("mailroom", 6)),
            status="Updating",
        ),
        _endpoint(estate.RETAIL, estate.IRELAND, "churn-live", champion, challenger),
        _endpoint(
            estate.MARKETING,
            estate.VIRGINIA,
            "campaign-experiment",
            _variant("campaign-notebook", image=scoring, data=weights),
        ),
        _endpoint(estate.CLAIMS, estate.VIRGINIA, "claims-fraud-score", _variant("claims-fraud-deleted")),
    ]

"""Training jobs of the scenario, and lineage that knows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.world import Call, Handler


def _describe_training_job(call: Call) -> Mapping[str, Any] | None:
    """Jobs that a client created are moto's to describe."""
    return call.cell.jobs.get(("training-job", call.need("TrainingJobName")))


def _describe_processing_job(call: Call) -> Mapping[str, Any] | None:
    return call.cell.jobs.get(("processing-job", call.need("ProcessingJobName")))


def _query_lineage(call: Call) -> Mapping[str, Any]:
    return {"Vertices": [], "Edges": []}


def _list_associations(call: Call) -> Mapping[str, Any]:
    return {"AssociationSummaries": []}


OPERATIONS: Final[dict[str, Handler]] = {
    "sagemaker:DescribeTrainingJob": _describe_training_job,
    "sagemaker:DescribeProcessingJob": _describe_processing_job,
    "sagemaker:QueryLineage": _query_lineage,
    "sagemaker:ListAssociations": _list_associations,
}

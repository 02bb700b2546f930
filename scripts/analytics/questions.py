"""The questions that Athena is asked: named queries, and the data sets behind the dashboard."""

from __future__ import annotations

from typing import Final

from scripts.analytics import models, posture
from scripts.analytics.sql import Question

QUESTIONS: Final[dict[str, Question]] = {
    one.name: one
    for one in (
        posture.posture(),
        posture.trend(),
        models.models(),
        models.use_cases(),
        posture.controls(),
        posture.open_findings(),
        posture.waivers(),
        models.metrics(),
        models.audit(),
        posture.changes(),
        models.cards(),
        models.endpoints(),
        models.endpoint_metrics(),
        posture.coverage(),
    )
}
"""By name."""

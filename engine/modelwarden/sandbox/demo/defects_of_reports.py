"""Defects of evaluation and bias reports."""

from __future__ import annotations

from modelwarden.sandbox.demo.damage import defect
from modelwarden.sandbox.demo.draft import Draft


@defect("evaluation-missing", EVAL_01="fail", BIAS_04="unknown")
def _evaluation_missing(draft: Draft) -> None:
    draft.describe["ModelMetrics"]["ModelQuality"] = {}
    draft.objects.remove(draft.object("evaluation.json"))


@defect("evaluation-malformed", EVAL_01="fail", BIAS_04="unknown")
def _evaluation_malformed(draft: Draft) -> None:
    report = draft.object("evaluation.json")
    del report["file"]
    report["text"] = '{"binary_classification_metrics": {"accuracy": {"value": 0.91'
    del draft.describe["ModelMetrics"]["ModelQuality"]["Statistics"]["ContentDigest"]


@defect("evaluation-changed", EVAL_01="fail")
def _evaluation_changed(draft: Draft) -> None:
    draft.describe["ModelMetrics"]["ModelQuality"]["Statistics"]["ContentDigest"] = "sha256:" + "5a" * 32


@defect("evaluation-unreadable", EVAL_01="unknown", BIAS_04="unknown")
def _evaluation_unreadable(draft: Draft) -> None:
    draft.object("evaluation.json")["denied"] = True


@defect("bias-empty", BIAS_01="fail", BIAS_02="unknown", BIAS_03="unknown")
def _bias_empty(draft: Draft) -> None:
    draft.describe["ModelMetrics"]["Bias"] = {}
    draft.objects.remove(draft.object("bias/analysis.json"))


@defect("bias-malformed", BIAS_01="fail", BIAS_02="unknown", BIAS_03="unknown")
def _bias_malformed(draft: Draft) -> None:
    report = draft.object("bias/analysis.json")
    del report["file"]
    report["text"] = '{"version": "1.0", "post_training_bias_metrics": {"facets": {"sex": ['


@defect("bias-unreadable", BIAS_01="unknown", BIAS_02="unknown", BIAS_03="unknown")
def _bias_unreadable(draft: Draft) -> None:
    draft.object("bias/analysis.json")["denied"] = True


def _told_by_the_model(draft: Draft) -> None:
    """The defect lies in the model that the version was built from; its reports say so."""


defect("biased", BIAS_02="fail")(_told_by_the_model)
defect("constant-predictor", BIAS_02="unknown", BIAS_04="fail")(_told_by_the_model)
defect("constant-by-confusion-matrix", BIAS_04="fail")(_told_by_the_model)
defect("metric-undefined", BIAS_02="unknown", BIAS_03="fail")(_told_by_the_model)
defect("metric-infinite", BIAS_02="fail", BIAS_03="fail")(_told_by_the_model)
defect("no-post-training-section", BIAS_01="fail", BIAS_02="unknown", BIAS_03="fail")(_told_by_the_model)
defect("attribute-not-reported", BIAS_01="fail", BIAS_02="unknown", BIAS_03="fail", CARD_03="fail")(_told_by_the_model)
defect("no-confusion-matrix", BIAS_04="unknown")(_told_by_the_model)

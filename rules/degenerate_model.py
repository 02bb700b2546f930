"""Model predicts a constant label so its bias metrics mean nothing.

A model that gives everybody the same label treats all groups alike. The confusion matrix of the evaluation report proves
or disproves it: even the rarest label must be predicted for a minimum share of the rows (`minimum_predicted_share_bp`, in
basis points). Where that report cannot speak, the bias report can still convict and never acquit: DI = 1 and
DPPL = RD = DRR = 0 (to 1e-9) for one value of one facet.
"""

from fractions import Fraction

from modelwarden.bias_report import NEUTRAL, TOLERANCE, exact
from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Present


@control(
    id="BIAS-04",
    title="model predicts a constant label so its bias metrics mean nothing",
    severity="high",
    rationale="A model that predicts one label for everybody has perfect bias metrics and is of no use to anybody.",
    remediation="retrain or move the decision threshold, and register the package with an evaluation report that holds the confusion matrix",
    reads=(
        "/evaluation/uri",
        "/evaluation/state",
        "/evaluation/label_count",
        "/evaluation/label/*/name",
        "/evaluation/label/*/predicted",
        "/bias_report_count",
        "/bias_report/*/facet_count",
        "/bias_report/*/facet/*/section",
        "/bias_report/*/facet/*/name",
        "/bias_report/*/facet/*/value_or_threshold",
        "/bias_report/*/facet/*/metric_count",
        "/bias_report/*/facet/*/metric/*/name",
        "/bias_report/*/facet/*/metric/*/value",
        "parameter:minimum_predicted_share_bp",
    ),
    source="NIST AI RMF 1.0 MEASURE 2.5",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    minimum_bp = parameters["minimum_predicted_share_bp"]
    expected = f"every label predicted for at least {minimum_bp} basis points of the rows"
    labels = evidence.members("/evaluation/label")
    count = evidence.value("/evaluation/label_count")
    if count is not None and count == len(labels) > 0:
        return _by_matrix(evidence, labels, minimum_bp, expected)
    silent = count == 0 or isinstance(evidence.get("/evaluation/label_count"), Absent) or _no_report(evidence)
    constant = _constant(evidence)
    if constant and silent:
        at = [*constant[0], "/evaluation/label_count"]
        return Fail(expected, at=at, reason=f"{constant[1]}, and no confusion matrix shows otherwise")
    if constant:
        return Unknown(
            f"{constant[1]}; the confusion matrix would decide and was not read", at=["/evaluation/label_count"]
        )
    why = "the evaluation report holds no confusion matrix" if count == 0 else "no confusion matrix was read"
    return Unknown(why, at=["/evaluation/state", "/evaluation/label_count"])


def _by_matrix(evidence: View, labels: list[str], minimum_bp: int, expected: str) -> Verdict:
    predicted = {label: exact(evidence.value(f"{label}/predicted")) for label in labels}
    counts = {label: count for label, count in predicted.items() if count is not None}
    total = sum(counts.values())
    if len(counts) < len(labels):
        return Unknown("the confusion matrix was not read to the end", at=[f"{label}/predicted" for label in labels])
    if not total:
        return Unknown("the confusion matrix counts no row", at=[f"{label}/predicted" for label in labels])
    if len(labels) == 1:
        at = ["/evaluation/label_count", f"{labels[0]}/predicted", *_named(evidence, labels)]
        return Fail(expected, at=at, reason="the confusion matrix knows a single label")
    rare = [label for label, count in counts.items() if count * 10_000 < minimum_bp * total]
    if rare:
        at = [f"{label}/predicted" for label in sorted(labels, key=counts.__getitem__)]
        told = ", ".join(f"{_name(evidence, label)} for {_share(counts[label], total)}" for label in rare)
        return Fail(expected, at=[*at, *_named(evidence, rare)], reason=f"predicted {told}")
    return Pass()


def _share(count: Fraction, total: Fraction | int) -> str:
    return f"{float(count):g} of {float(total):g} rows"


def _name(evidence: View, label: str) -> str:
    name = evidence.value(f"{label}/name")
    return "one label" if name is None else f"label `{name}`"


def _named(evidence: View, labels: list[str]) -> list[str]:
    """The names and the place of the report, as far as they are known."""
    pointers = [*(f"{label}/name" for label in labels), "/evaluation/uri"]
    return [pointer for pointer in pointers if evidence.value(pointer) is not None]


def _no_report(evidence: View) -> bool:
    state = evidence.get("/evaluation/state")
    return isinstance(state, Absent) or (isinstance(state, Present) and state.value != "valid")


def _constant(evidence: View) -> tuple[list[str], str] | None:
    """(pointers that prove it, in words) of the first facet value that looks like a constant predictor."""
    for report in evidence.members("/bias_report"):
        for facet in evidence.members(f"{report}/facet"):
            if evidence.value(f"{facet}/section") == "post_training":
                proof = _signature(evidence, facet)
                if proof:
                    name, value = evidence.value(f"{facet}/name"), evidence.value(f"{facet}/value_or_threshold")
                    return proof, f"DI = 1 and {' = '.join(list(NEUTRAL)[1:])} = 0 for `{name}` = `{value}`"
    return None


def _signature(evidence: View, facet: str) -> list[str]:
    """Pointers of the metrics if all of them are known and neutral, else nothing."""
    proof: dict[str, str] = {}
    for metric in evidence.members(f"{facet}/metric"):
        name = evidence.value(f"{metric}/name")
        if name in NEUTRAL:
            value = exact(evidence.value(f"{metric}/value"))
            if value is None or abs(value - NEUTRAL[name]) > TOLERANCE:
                return []
            proof[name] = f"{metric}/value"
    return list(proof.values()) if len(proof) == len(NEUTRAL) else []

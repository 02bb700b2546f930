"""Evaluation report is missing or cannot be parsed.

The package must name an object (ModelMetrics.ModelQuality.Statistics.S3Uri; an empty ModelQuality names none) that is there,
holds metrics, and is the one that was registered: where the package declares a ContentDigest, it must be the sha256 of the
bytes that were read, written `sha256:hex` or as bare hex. What the metrics say is the concern of EVAL-02.
"""

import re

from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Present

_EXPECTED = "a readable evaluation report, unchanged since the package was registered"
_DECLARED = "/evaluation/declared_digest"
_CONTENT = "/evaluation/content_sha256"
_SHA256 = re.compile(r"(sha256:)?([0-9a-f]*)")


@control(
    id="EVAL-01",
    title="evaluation report is missing or cannot be parsed",
    severity="critical",
    rationale="Nobody has shown how well the model predicts, or the report shown is not the one that was registered.",
    remediation="evaluate the model, write evaluation.json to S3, and register the package with its URI and digest in ModelMetrics.ModelQuality",
    reads=("/evaluation/uri", "/evaluation/state", "/evaluation/problem", _DECLARED, _CONTENT),
    source="EU AI Act Article 15; NIST AI RMF 1.0 MEASURE 2.3; ISO/IEC 42001 A.6.2.4",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    state = evidence.get("/evaluation/state")
    if isinstance(state, Present):
        if state.value != "valid":
            return _fail(evidence, "the evaluation report cannot be parsed", "/evaluation/state", "/evaluation/problem")
        return _unchanged(evidence)
    if isinstance(evidence.get("/evaluation/uri"), Absent):
        return _fail(evidence, "the package names no evaluation report", "/evaluation/uri")
    if isinstance(state, Absent):
        return _fail(evidence, "the evaluation report is not where the package says", "/evaluation/state")
    changed = _unchanged(evidence)
    return changed if isinstance(changed, Fail) else Unknown("the report was not read", at=["/evaluation/state"])


def _unchanged(evidence: View) -> Verdict:
    """Whether the bytes are those that the package declares, as far as it declares any."""
    declared = evidence.get(_DECLARED)
    if isinstance(declared, Absent):
        return Pass()
    if not isinstance(declared, Present):
        return Unknown("whether the package declares a digest of its report was not read", at=[_DECLARED])
    content = evidence.get(_CONTENT)
    if not isinstance(content, Present):
        return Unknown("the report has no known digest to compare with the declared one", at=[_CONTENT, _DECLARED])
    wanted, found = _hex(str(declared.value)), _hex(str(content.value))
    if wanted is None or found is None:
        return Unknown("the declared digest is no sha256", at=[_DECLARED, _CONTENT])
    if wanted != found:
        return _fail(evidence, "the report is not the one that was registered", _DECLARED, _CONTENT)
    return Pass()


def _hex(digest: str) -> str | None:
    """The digits of a sha256; None for a digest of another kind."""
    match = _SHA256.fullmatch(digest.strip().casefold())
    return match[2] if match else None


def _fail(evidence: View, reason: str, *at: str) -> Fail:
    """With what else is known of the report's place and problem."""
    first, *rest = [*at, *([] if "/evaluation/uri" in at else ["/evaluation/uri"])]
    return Fail(_EXPECTED, at=[first, *(one for one in rest if isinstance(evidence.get(one), Present))], reason=reason)

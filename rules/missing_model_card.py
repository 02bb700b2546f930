"""Model card is missing or cannot be parsed.

The card is a JSON object, embedded in the package or standalone and named by the package; one that was encoded twice is
still a card. What it says is the concern of the other controls of this family.
"""

from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Present

_EXPECTED = "a model card that is a JSON object"


@control(
    id="CARD-01",
    title="model card is missing or cannot be parsed",
    severity="high",
    rationale="Nobody can tell what the model is for, who answers for it and what its limits are.",
    remediation="write a model card and attach it to the package (UpdateModelPackage, ModelCard)",
    reads=("/card/state", "/card/problem"),
    source="EU AI Act Articles 11 and 13; NIST AI RMF 1.0 GOVERN 4.2, MAP 1.1; ISO/IEC 42001 A.6.2.7",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    state = evidence.get("/card/state")
    if isinstance(state, Absent):
        return Fail(_EXPECTED, at=["/card/state"], reason="there is no model card")
    if not isinstance(state, Present):
        return Unknown("whether there is a model card was not read", at=["/card/state"])
    if state.value != "valid":
        known = [pointer for pointer in ("/card/problem",) if isinstance(evidence.get(pointer), Present)]
        return Fail(_EXPECTED, at=["/card/state", *known], reason="the model card cannot be parsed")
    return Pass()

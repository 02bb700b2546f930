"""Model card violates its schema.

Which schema, follows from the card's origin: a standalone card may name its model in more ways than one inside a package.
Both enforce the limits that the official schema states and leaves inert. Without a card that can be read there is nothing
to validate; CARD-01 says so.
"""

from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Present

_ERRORS = "/card/schema_errors"


@control(
    id="CARD-02",
    title="model card violates its schema",
    severity="medium",
    rationale="What stands under an invented key, or as another type, is read by no console, report or control.",
    remediation="correct the named fields of the card: the schemas are reports/schemas/model_card.schema.json and model_card_standalone.schema.json",
    reads=("/card/state", "/card/origin", _ERRORS),
    source="EU AI Act Article 11 and Annex IV; SageMaker model card schema 0.1.0",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    errors = evidence.get(_ERRORS)
    if isinstance(errors, Present) and isinstance(errors.value, tuple):
        return _violated(evidence, errors.value) if errors.value else Pass()
    state = evidence.get("/card/state")
    if isinstance(state, Absent):
        return Unknown("there is no model card to validate", at=["/card/state"])
    if isinstance(state, Present) and state.value != "valid":
        return Unknown("the model card cannot be parsed, so there is nothing to validate", at=["/card/state", _ERRORS])
    return Unknown("the model card was not read", at=[_ERRORS])


def _violated(evidence: View, errors: tuple[str, ...]) -> Fail:
    origin = evidence.get("/card/origin")
    schema, at = "its schema", [_ERRORS]
    if isinstance(origin, Present):
        schema, at = f"the schema of a {origin.value} card", [_ERRORS, "/card/origin"]
    fields = dict.fromkeys(error.partition(": ")[0] or "/" for error in errors)
    return Fail(f"a card that fits {schema}", at=at, reason=f"wrong: {', '.join(fields)}")

"""Model card holds placeholder or duplicated text.

Judges every text of the card. A placeholder is on the stop list (`placeholder_texts`), a sentence of AWS's sample card, or
no word in any script; enumerations, names of data and hyper-parameters are never one. A sentence that stands in two fields
says nothing in one of them; the names of persons and teams may repeat. A card without texts holds no placeholder: what is
missing is the concern of CARD-03.
"""

from collections.abc import Iterator

from modelwarden.card_text import is_placeholder, path_of, repetitions
from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Fact, Present
from modelwarden.facts import kinds

_LISTED = "/card/string_pointers"
_FIELDS = tuple(
    pattern for pattern, kind in kinds().items() if pattern.startswith("/card/content/") and kind.type == "string"
)
_SHOWN = 20


@control(
    id="CARD-07",
    title="model card holds placeholder or duplicated text",
    severity="medium",
    rationale="A text that says nothing passes every check for presence and tells nobody what the model is for.",
    remediation="write in the named fields what holds for this model, or leave out those that are not required",
    reads=("/card/state", _LISTED, *_FIELDS, "/card/text/{key}", "parameter:placeholder_texts"),
    source="EU AI Act Article 11; SR 26-2 (validation)",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    stop_list = parameters["placeholder_texts"]
    listed = evidence.get(_LISTED)
    if not isinstance(listed, Present):
        state = evidence.get("/card/state")
        if isinstance(state, Absent):
            return Unknown("there is no model card to judge", at=["/card/state"])
        if isinstance(state, Present) and state.value != "valid":
            return Unknown("the model card cannot be parsed, so its texts are unknown", at=["/card/state", _LISTED])
    facts = dict(_texts(evidence, listed))
    texts = {path_of(at): str(fact.value) for at, fact in facts.items() if isinstance(fact, Present)}
    pointers = {path_of(at): at for at in facts}
    empty = {path: text for path, text in texts.items() if is_placeholder(path, text, stop_list)}
    twice = repetitions({path: text for path, text in texts.items() if path not in empty})
    if empty or twice:
        said = [f"{path} is a placeholder" for path in empty]
        order = list(twice)
        said += [
            f"{path} says the same as {other}" for path, other in twice.items() if other in order[: order.index(path)]
        ]
        at = [pointers[path] for path in (*empty, *twice)][:_SHOWN]
        return Fail("texts that say something, each in one field", at=at, reason=_shortened(said))
    unread = [pointer for pointer, fact in facts.items() if not isinstance(fact, Present)]
    if unread or not isinstance(listed, Present):
        return Unknown("texts of the card were not read", at=unread if isinstance(listed, Present) else [_LISTED])
    return Pass()


def _texts(evidence: View, listed: Fact) -> Iterator[tuple[str, Fact]]:
    """Every text that the card lists; without the list, the fields in hand, which can convict and never acquit."""
    if isinstance(listed, Present) and isinstance(listed.value, tuple):
        yield from ((pointer, evidence.get(pointer)) for pointer in listed.value)
    else:
        for pattern in _FIELDS:
            yield from evidence.each(pattern)


def _shortened(said: list[str]) -> str:
    more = len(said) - _SHOWN
    return "; ".join(said[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")

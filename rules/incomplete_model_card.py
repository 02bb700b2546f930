"""Model card is incomplete for its risk rating.

Parameter `card_profile` lists what is due at each effective rating; a rating that is absent, `Unknown` or none of the enum
counts as High. An entry with a slash is a field of the card: a list counts with one item that says something, a sentence
with `minimum_text_characters` visible characters, anything else (names of persons and teams among it) with
`minimum_name_characters`; a placeholder (CARD-07) or the text of another field counts for nothing. The other entries are
the checks named in `_CHECKS`.

What is known to be missing fails, whatever else was not read. If the rating was not read, that is what every rating asks for.
"""

import re
from collections.abc import Callable

from msgspec import Struct, field

from modelwarden.card_text import NAMES, is_placeholder, is_prose, path_of, repetitions, visible_characters
from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Fact, Present
from modelwarden.facts import kinds

_CARD = "/card/content"
_RATING = "/card/content/intended_uses/risk_rating"
_TRAINED_ON = "/card/content/training_details/training_job_details/training_datasets"
_TRAINED_BY = "/card/content/training_details/training_job_details/training_arn"
_ORIGIN = "/customer_metadata/training_origin"
_EVALUATIONS = "/card/content/evaluation_details"
_SHOWN = 20
_FIELDS = {
    pattern: kind.type
    for pattern, kind in kinds().items()
    if pattern.startswith("/card/content/") and kind.type in ("string", "list")
}


@control(
    id="CARD-03",
    title="model card is incomplete for its risk rating",
    severity="high",
    rationale="Who approves a model at this risk decides on what the card does not say.",
    remediation="fill in the named fields of the model card, in sentences that hold for this model alone",
    reads=(
        *("/card/state", "/card/status", "/card/string_pointers", "/card/bias_groups", "/card/explainability_groups"),
        *_FIELDS,
        f"{_EVALUATIONS}/*/numeric_metric_count",
        "/card/text/{key}",
        _ORIGIN,
        "/customer_metadata_keys",
        "parameter:card_profile",
        "parameter:minimum_text_characters",
        "parameter:minimum_name_characters",
        "parameter:placeholder_texts",
        "parameter:protected_attributes",
        "parameter:external_training_origins",
    ),
    source="EU AI Act Articles 11 and 13; NIST AI RMF 1.0 MAP 1.1 and 2.2; ISO/IEC 42001 A.8.2",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    state, profile = evidence.get("/card/state"), parameters["card_profile"]
    if isinstance(state, Absent):
        return Fail("a model card", at=["/card/state"], reason="there is no model card")
    if isinstance(state, Present) and state.value != "valid":
        return Unknown("the model card cannot be parsed, so what it holds is unknown", at=["/card/state", _RATING])
    ratings = _ratings(evidence.get(_RATING))
    due = [entry for entry in profile.get(ratings[0], ()) if all(entry in profile.get(one, ()) for one in ratings)]
    card = _Card(evidence, parameters)
    for entry in due:
        card.judge(entry)
    card.compare()
    if card.lacks:
        return Fail(_expected(ratings, parameters), at=list(dict.fromkeys(card.at)), reason="; ".join(card.lacks))
    unusable = [*card.unusable, *(rating for rating in ratings if rating not in profile)]
    if unusable:
        return Unknown(f"parameter card_profile: nobody can judge by {', '.join(f'`{one}`' for one in unusable)}")
    if card.needs_attributes:
        parameters["protected_attributes"]  # reading it says that nobody set it
    if len(ratings) > 1:
        return Unknown("what is due depends on the risk rating, which was not read", at=[_RATING, *card.unread])
    if card.unread:
        return Unknown("fields of the card were not read", at=card.unread)
    return Pass()


def _ratings(fact: Fact) -> list[str]:
    """The effective ratings that the card may have; all of them where nobody could read it."""
    if isinstance(fact, Present | Absent):
        value = fact.value if isinstance(fact, Present) else None
        return [value if isinstance(value, str) and value in ("Low", "Medium") else "High"]
    return ["High", "Medium", "Low"]


def _expected(ratings: list[str], parameters: Parameters) -> str:
    which = f"card_profile.{ratings[0]}" if len(ratings) == 1 else "every list of card_profile"
    return f"all of {which}, each sentence with {parameters['minimum_text_characters']} visible characters or more"


class _Card(Struct):
    """One card before its profile: what it lacks, what was not read, and what remains to be compared."""

    evidence: View
    parameters: Parameters
    lacks: list[str] = field(default_factory=list)
    """In words, each with the path in the card."""
    at: list[str] = field(default_factory=list)
    """Pointers of the facts that prove it."""
    unread: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    """Entries of the profile that are neither a field nor a check."""
    needs_attributes: bool = False
    """A bias group is due, and nobody says for which attributes."""
    good: list[str] = field(default_factory=list)
    """Pointers of texts that count unless they repeat another."""

    def judge(self, entry: str) -> None:
        pointer = f"{_CARD}{entry}"
        if entry in _CHECKS:
            _CHECKS[entry](self)
        elif "*" in pointer or pointer not in _FIELDS:
            self.unusable.append(entry)
        elif fact := self.present(pointer, f"{entry} is missing"):
            if _FIELDS[pointer] == "list":
                self.judge_list(entry, fact)
            else:
                self.judge_text(entry, str(fact.value))

    def judge_text(self, path: str, text: str) -> None:
        least = self.parameters["minimum_text_characters" if is_prose(path) else "minimum_name_characters"]
        seen = visible_characters(text)
        if seen and not self.says(path, text):
            self.lack(f"{path} is a placeholder", _CARD + path)
        elif seen < least:
            self.lack(f"{path} has {seen} of {least} visible characters", _CARD + path)
        else:
            self.good.append(_CARD + path)

    def judge_list(self, path: str, fact: Present) -> None:
        if not any(self.says(path, text) for text in _members(fact)):
            self.lack(f"{path} names nothing", _CARD + path)

    def says(self, path: str, text: str) -> bool:
        """Whether a text has something to read and is no placeholder."""
        return visible_characters(text) > 0 and not is_placeholder(path, text, self.parameters["placeholder_texts"])

    def present(self, pointer: str, lack: str) -> Present | None:
        """The fact if it is present; else it is noted as lacking or as not read."""
        fact = self.evidence.get(pointer)
        if isinstance(fact, Present):
            return fact
        if isinstance(fact, Absent):
            self.lack(lack, pointer)
        else:
            self.unread.append(pointer)
        return None

    def lack(self, what: str, *at: str) -> None:
        self.lacks.append(what)
        self.at += at

    def compare(self) -> None:
        """The texts that count so far with all other texts of the card."""
        if not self.good:
            return
        listed = self.evidence.get("/card/string_pointers")
        if not isinstance(listed, Present):
            self.unread.append("/card/string_pointers")
        pointers = {path_of(at): at for at in (*_members(listed), *self.good)}
        facts = {path: self.evidence.get(at) for path, at in pointers.items() if is_prose(path) or path in NAMES}
        self.unread += [pointers[path] for path, fact in facts.items() if not isinstance(fact, Present)]
        repeated = repetitions({path: str(fact.value) for path, fact in facts.items() if isinstance(fact, Present)})
        for path in map(path_of, self.good):
            if path in repeated:
                self.lack(f"{path} repeats {repeated[path]}", pointers[path], pointers[repeated[path]])


def _members(fact: Fact) -> tuple[str, ...]:
    """The items of a present list, else none."""
    return fact.value if isinstance(fact, Present) and isinstance(fact.value, tuple) else ()


def _training_origin(card: _Card) -> None:
    """A training job, or the origin that the package's metadata declare and the organization accepts."""
    job = card.evidence.get(_TRAINED_BY)
    if isinstance(job, Present) and str(job.value).startswith("arn:"):
        return
    accepted = card.parameters["external_training_origins"]
    origin = card.evidence.get(_ORIGIN) if accepted else Absent()
    if isinstance(origin, Present) and origin.value in accepted:
        return
    at = [_TRAINED_BY, *([_ORIGIN] if accepted else [])]
    unread = [pointer for pointer in at if not isinstance(card.evidence.get(pointer), Present | Absent)]
    card.unread += unread
    if not unread:
        card.lack(f"{path_of(_TRAINED_BY)} names no training job, and no external origin is declared", *at)


def _some_evaluation(card: _Card, lack: str, good: Callable[[View, str], bool | None], *parts: str) -> None:
    """At least one evaluation must be good; None says that it was not read."""
    heads = card.evidence.members(_EVALUATIONS)
    found = []
    for head in heads:
        found.append(good(card.evidence, head))
        if found[-1]:
            return
    count = card.evidence.get(f"{_EVALUATIONS}_count")
    listed = isinstance(count, Absent) or (isinstance(count, Present) and count.value == len(heads))
    at = [f"{_EVALUATIONS}_count", *(f"{head}/{part}" for head in heads for part in parts)]
    if listed and None not in found:
        card.lack(lack, *at[:_SHOWN])
    else:
        card.unread += [
            pointer for pointer in at if not isinstance(card.evidence.get(pointer), Present | Absent)
        ] or at[:1]


def _evaluated(card: _Card) -> None:
    def good(evidence: View, head: str) -> bool | None:
        count, data = evidence.get(f"{head}/numeric_metric_count"), evidence.get(f"{head}/datasets")
        if (isinstance(count, Present) and not count.value) or isinstance(count, Absent):
            return False
        if isinstance(data, Absent) or (isinstance(data, Present) and not any(map(visible_characters, _members(data)))):
            return False
        return True if isinstance(count, Present) and isinstance(data, Present) else None

    lack = "/evaluation_details holds no evaluation with a numeric metric and a data set"
    _some_evaluation(card, lack, good, "numeric_metric_count", "datasets")


def _disjoint(card: _Card) -> None:
    """All data sets of one evaluation are apart from all that the model was trained on."""
    lack = "/evaluation_details holds no evaluation on data apart from training_datasets"
    trained = card.present(_TRAINED_ON, lack)
    if trained is None:
        return
    used = [_place(text) for text in _members(trained)]

    def good(evidence: View, head: str) -> bool | None:
        data = evidence.get(f"{head}/datasets")
        if not isinstance(data, Present | Absent):
            return None
        places = [_place(text) for text in _members(data) if visible_characters(text)]
        return bool(places and used) and not any(_overlap(one, other) for one in places for other in used)

    _some_evaluation(card, lack, good, "datasets")


def _place(uri: str) -> str:
    """One spelling of the same place: S3 has one scheme, and a prefix may end in a slash or not."""
    return re.sub(r"^s3[an]?://", "s3://", uri.strip(), flags=re.IGNORECASE).rstrip("/") + "/"


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _bias_groups(card: _Card) -> None:
    if "protected_attributes" not in card.parameters:
        card.needs_attributes = True
        return
    attributes = card.parameters["protected_attributes"]
    groups = card.present("/card/bias_groups", "no metric group holds bias metrics") if attributes else None
    if groups is None:
        return
    bare = [name for name in attributes if not any(_is_about(group, name) for group in _members(groups))]
    if bare:
        card.lack(
            f"no metric group holds bias metrics for {', '.join(f'`{name}`' for name in bare)}", "/card/bias_groups"
        )


def _is_about(group: str, attribute: str) -> bool:
    """Whether a group is named after the attribute: `... and facet sex=1` by the SDK, else in a word of its own."""
    if " and facet " in group:
        return f" and facet {attribute}=" in group
    return re.search(rf"(?<![\w-]){re.escape(attribute)}(?![\w-])", group, re.IGNORECASE) is not None


def _explained(card: _Card) -> None:
    lack = "no metric group holds attributions of the features"
    groups = card.present("/card/explainability_groups", lack)
    if groups is not None and not _members(groups):
        card.lack(lack, "/card/explainability_groups")


def _approved(card: _Card) -> None:
    status = card.present("/card/status", "the card has no status")
    if status is not None and status.value != "Approved":
        card.lack("the card is not Approved", "/card/status")


_CHECKS: dict[str, Callable[[_Card], None]] = {
    "training_origin": _training_origin,
    "evaluation_with_metric_and_dataset": _evaluated,
    "bias_group_for_each_protected_attribute": _bias_groups,
    "explainability_group": _explained,
    "disjoint_evaluation_data": _disjoint,
    "status_approved": _approved,
}
"""Entry of the profile -> what notes whether the card fulfils it."""

"""The description of one package, and the text of its card, which may be read only with the right to decrypt it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect import card
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.cell import Cell
from modelwarden.collect.text import whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

STANDALONE: Final = "model_card_name"
"""Key of CustomerMetadataProperties under which a package names its standalone card."""
_METADATA: Final = {"IncludedData": "MetadataOnly"}


class CardText(Struct, frozen=True):
    """A card that exists."""

    origin: card.Origin
    status: str
    """Empty where the answer has none."""
    text: str
    """Of its content; only what MetadataOnly leaves in where the rest was not read."""
    source: Source
    unread: Unknown | None = None
    """Why the content was not read."""

    def facts(self) -> dict[str, Fact]:
        """Facts below `/card`."""
        if self.unread is None:
            return card.parse_card(self.text, self.origin, self.status, self.source)
        facts = card.metadata_only(_object(self.text) or {}, self.status, self.source, self.unread)
        return facts | {"/card/origin": Present(self.origin, self.source)}


class Description(Struct, frozen=True):
    """What DescribeModelPackage answered."""

    data: Mapping[str, Any]
    source: Source
    denied: Failure | None = None
    """Why the card's content is not in it although it was asked for."""

    def embedded(self) -> CardText | Unknown | None:
        """The card in it; unknown where nobody could read whether there is one, None where there is none."""
        given = self.data.get("ModelCard") or {}
        text, status = str(given.get("ModelCardContent") or ""), whole(given.get("ModelCardStatus") or "")
        unread = self.denied.unknown() if self.denied else None
        if unread is not None and not given:
            return unread
        if unread is None and given and dig(self.data, "SecurityConfig", "KmsKeyId"):
            unread = withheld(text, self.source)
        if unread is None and not text:
            return None
        return CardText("package", status, text, self.source, unread)


def dig(data: Any, *path: str) -> Any:
    """The value below a path of keys; None where a step is missing or no object."""
    for name in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


def describe(cell: Cell, *, with_card: bool) -> Description | Failure:
    """The description of the cell's package; not shared, since it may change between two questions."""
    given = {"ModelPackageName": cell.arn.text}
    answer, denied = _described(cell.call_anew, "DescribeModelPackage", given, with_card)
    if isinstance(answer, Failure):
        return answer
    if str(answer.data["ModelPackageArn"]).casefold() != cell.arn.text.casefold():
        return Failure("malformed", "malformed", "the description of another package", answer.source)
    return Description(answer.data, answer.source, denied)


def trained_by(described: Description, found: CardText | Fact) -> tuple[list[str], Unknown | None]:
    """ARNs of the training jobs that the package or its card names, and why they may not be all."""
    named = [dig(described.data, "MetadataProperties", "GeneratedBy")]
    unread = found.unread if isinstance(found, CardText) else found
    gap = None
    if isinstance(unread, Unknown):
        gap = Unknown(unread.reason, unread.source, "the card may name a training job")
    elif isinstance(found, CardText):
        content = _object(found.text)
        named.append(dig(content, "training_details", "training_job_details", "training_arn"))
        if content is None:
            gap = Unknown("malformed", found.source, "the card may name a training job")
    return list(dict.fromkeys(one for one in named if isinstance(one, str) and ":training-job/" in one)), gap


def _described(
    call: Any, operation: str, given: Mapping[str, str], everything: bool
) -> tuple[Answer | Failure, Failure | None]:
    """The answer with the card's content where that is wanted and allowed, and why it was not allowed.

    AllData needs kms:Decrypt on the card's key, and that key in working order; MetadataOnly does not, and leaves out
    what the card says.
    """
    answer = call("sagemaker", operation, **given, **({} if everything else _METADATA))
    if everything and isinstance(answer, Failure) and answer.state in ("denied", "malformed"):
        again = call("sagemaker", operation, **given, **_METADATA)
        if isinstance(again, Answer):
            return again, answer
    return answer, None


def withheld(text: str, source: Source) -> Unknown | None:
    """Whether a card under a customer's key came back without its content although everything was asked for.

    A card that holds nothing but a rating looks the same, and is not believed either.
    """
    content = _object(text) or {}
    uses = content.get("intended_uses")
    only_rating = content.keys() == {"intended_uses"} and isinstance(uses, dict) and uses.keys() == {"risk_rating"}
    if text and not only_rating:
        return None
    why = "the card's content was not returned, as happens without kms:Decrypt on its key"
    return Unknown("not returned", source, why)


def standalone(cell: Cell, described: Description) -> CardText | Fact:
    """The card that the package's own metadata names, for a package without one in it.

    Absent where it names none, unknown where nobody could read whether there is one.
    """
    name = dig(described.data, "CustomerMetadataProperties", STANDALONE)
    if not isinstance(name, str) or not name:
        return Absent(described.source)
    arn = cell.arn
    place = f"arn:{arn.partition}:sagemaker:{arn.region}:{arn.account}:model-card/{name}"
    given = {"ModelCardName": name if cell.owned else place}
    answer, denied = _described(cell.call, "DescribeModelCard", given, everything=True)
    if isinstance(answer, Failure):
        return answer.fact()
    text, status = str(answer.data.get("Content") or ""), whole(answer.data.get("ModelCardStatus") or "")
    unread = denied.unknown() if denied else None
    if unread is None and dig(answer.data, "SecurityConfig", "KmsKeyId"):
        unread = withheld(text, answer.source)
    if unread is None and not text:
        return Absent(answer.source)
    return CardText("standalone", status, text, answer.source, unread)


def _object(text: str) -> Mapping[str, Any] | None:
    """A card's text as an object, just as the facts of the card are read; None where it is none."""
    try:
        return card.decode(text)
    except ValueError:
        return None

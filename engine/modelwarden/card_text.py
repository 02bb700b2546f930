"""Texts of a model card: how much of one a reader sees, whether it says anything, and whether it only repeats another.

A path is where a text stands in the card (`/intended_uses/purpose_of_model`); keys of the card are escaped as in RFC 6901.
Works for any script: letters are counted, not bytes, and nothing is assumed of words or blanks.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, Literal

from modelwarden.facts import unescape

NAMES: Final = (
    "/model_overview/model_creator",
    "/model_overview/model_owner",
    "/business_details/line_of_business",
)
"""Names of persons, teams and lines of business: short, and the same one may stand in two places."""
_PROSE: Final = re.compile(
    r"/model_overview/model_description"
    r"|/intended_uses/(purpose_of_model|intended_uses|factors_affecting_model_efficiency|explanations_for_risk_rating)"
    r"|/business_details/business_(problem|stakeholders)"
    r"|/training_details/(training_observations|objective_function/notes)"
    r"|/evaluation_details/\d+/evaluation_observation"
    r"|/additional_information/(ethical_considerations|caveats_and_recommendations)"
)
_DATA: Final = re.compile(
    r"/intended_uses/risk_rating|/evaluation_details/\d+/name|/model_package_details/.*"
    r"|/training_details/objective_function/(?!notes$).*"
    r"|/training_details/training_job_details/(user_provided_)?(hyper_parameters/.*|training_metrics/\d+/name)",
    re.DOTALL,
)
"""Enumerations, hyper-parameters, names of metrics: `None`, `test` and `Unknown` mean something there."""
_ENTRY: Final = re.compile(r"/additional_information/custom_details/.*|/evaluation_details/\d+/metadata/.*", re.DOTALL)
"""Values of the customer's own keys."""
_ANSWERS: Final = frozenset(
    {"-", "--", "blank", "empty", "n.a", "n/a", "na", "nil", "no", "none", "not applicable", "not available", "null"}
    | {"pending", "sample", "test", "undefined", "unknown", "unspecified", "yes"}
)
"""What is no placeholder as the value of a key, such as `contains_personal_data`."""
_SAMPLES: Final = frozenset(
    {"098e63b7bd90", "15fc4445e05c", "41cda2a79270", "4b9db51485f4", "55337d396dd7", "741b323c3907", "77bbf10d4c47"}
    | {"7e0b9a4c9c5b", "b7ef1d4e53b8", "bfdab96c7d65", "d13388fd4b19", "d7d4cabd2147", "ff5fe865a97d"}
)
"""Hashes of the sentences that stand in AWS's sample notebook for model cards, as `_hash` makes them."""
_PATHS: Final = 4_096
"""That are remembered: most cards have the same ones, and keys of the customer's own are without end."""
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Of the categories of letters and symbols, and yet without ink."""


_INVISIBLE_ASCII: Final = dict.fromkeys((*range(33), 127))
_AROUND_ASCII: Final = "".join(one for one in map(chr, range(128)) if not one.isalnum())
"""Most texts are ASCII, where the slow way through the character database says the same."""


def path_of(pointer: str) -> str:
    """The path in the card that a fact of a text is about."""
    if pointer.startswith("/card/text/"):
        return "/" + unescape(pointer.removeprefix("/card/text/"))
    return pointer.removeprefix("/card/content")


@lru_cache(maxsize=_PATHS)
def is_prose(path: str) -> bool:
    """Whether a field of the card schema is there for sentences."""
    return _PROSE.fullmatch(path) is not None


def visible_characters(text: str) -> int:
    """Letters, digits, punctuation and symbols; neither blanks nor what only shapes or hides its neighbours.

    A letter counts once, however it is composed: the two normal forms of a text have the same number.
    """
    if text.isascii():
        return len(text.translate(_INVISIBLE_ASCII))
    composed = unicodedata.normalize("NFC", text)
    return sum(unicodedata.category(one)[0] in "LNPS" and one not in _BLANK_LETTERS for one in composed)


def is_placeholder(path: str, text: str, stop_list: tuple[str, ...]) -> bool:
    """Whether a text stands where words are due and says nothing: on the stop list, of AWS's sample card, or no word.

    Enumerations and names of data are never one; the value of a customer's own key may be an answer such as `no`.
    """
    kind = _kind(path)
    if kind == "data":
        return False
    said = same(text)
    listed = said in _stopped(stop_list) or _hash(said) in _SAMPLES
    if kind == "entry":
        return not visible_characters(text) or (listed and said not in _ANSWERS)
    return listed or not any(unicodedata.category(one)[0] in "LN" and one not in _BLANK_LETTERS for one in said)


@lru_cache(maxsize=_PATHS)
def _kind(path: str) -> Literal["data", "entry", "words"]:
    return "data" if _DATA.fullmatch(path) else "entry" if _ENTRY.fullmatch(path) else "words"


def repetitions(texts: Mapping[str, str]) -> dict[str, str]:
    """Path -> another path that holds the same text, among prose and names; two names may be the same."""
    first: dict[str, list[str]] = {}
    for path, text in texts.items():
        if is_prose(path) or path in NAMES:
            first.setdefault(same(text), []).append(path)
    groups = [paths for paths in first.values() if len(paths) > 1 and any(map(is_prose, paths))]
    return {path: next(one for one in paths if one != path) for paths in groups for path in paths}


def same(text: str) -> str:
    """Two texts are the same if this is: without case, width, hidden characters, and what stands around the words."""
    if text.isascii():
        words = " ".join(text.lower().split())
        return words.strip(_AROUND_ASCII) or words
    shown = "".join(one for one in text if unicodedata.category(one) != "Cf")
    # Folding takes compositions apart: only a second normalisation gives one spelling.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())
    words = " ".join(folded.split())
    start, end = 0, len(words)
    while start < end and not _is_word(words[start]):
        start += 1
    while end > start and not _is_word(words[end - 1]):
        end -= 1
    return words[start:end] or words


def _is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


@cache
def _stopped(stop_list: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(same, stop_list))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]

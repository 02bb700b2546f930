"""Texts of model cards: laws over any text, in any script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.card_text import is_placeholder, path_of, repetitions, same, visible_characters
from modelwarden.facts import escape

PURPOSE = "/intended_uses/purpose_of_model"
STOP_LIST = ("todo", "...")
texts = st.text(max_size=40)


@given(texts)
def test_how_a_letter_is_composed_does_not_matter(text: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert visible_characters(text) == visible_characters(composed) == visible_characters(decomposed)
    assert same(text) == same(composed) == same(decomposed)


@given(texts, st.sampled_from([" ", "\u200b", "\t", "\u3000", "\ufeff", "\n\n", "\u00ad"]))
def test_what_nobody_sees_adds_nothing(text: str, hidden: str) -> None:
    assert visible_characters(hidden + text + hidden) == visible_characters(text)
    assert same(hidden + text + hidden) == same(text)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_ascii_takes_a_short_cut_to_the_same_place(text: str) -> None:
    """A hidden character beyond ASCII sends the same text the long way round."""
    assert same(text) == same(text + "\u200b")
    assert visible_characters(text) == visible_characters(text + "\u200b")


@given(texts)
def test_a_text_is_the_same_as_itself_in_another_coat(text: str) -> None:
    assert same(same(text)) == same(text)
    assert is_placeholder(PURPOSE, f" ({text})! ", (text,))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_a_pointer_gives_the_path_back(keys: list[str]) -> None:
    path = "".join("/" + escape(key) for key in keys)
    assert path_of("/card/text/" + escape(path[1:])) == path
    assert path_of("/card/content" + path) == path


@given(texts)
def test_enumerations_and_hyper_parameters_are_no_placeholders(text: str) -> None:
    for path in (
        "/intended_uses/risk_rating",
        "/training_details/training_job_details/hyper_parameters/0/value",
        "/training_details/objective_function/function/facet",
        "/evaluation_details/0/name",
    ):
        assert not is_placeholder(path, text, STOP_LIST)


@pytest.mark.parametrize(
    "text",
    ["", " ", "...", "\u2014 \uff01", "👍", "\u3164", "ToDo", "“todo”", "\uff54\uff4f\uff44\uff4f", "to\u00addo"],
)
def test_placeholders(text: str) -> None:
    assert is_placeholder(PURPOSE, text, STOP_LIST)


@pytest.mark.parametrize("text", ["7", "가", "क", "ع", "todo list", "C++"])
def test_words_of_any_script_say_something(text: str) -> None:
    assert not is_placeholder(PURPOSE, text, STOP_LIST)


@given(
    st.dictionaries(st.sampled_from([PURPOSE, "/intended_uses/intended_uses", "/model_overview/model_owner"]), texts)
)
def test_repetitions_go_both_ways_and_names_alone_are_none(found: dict[str, str]) -> None:
    repeated = repetitions(found)
    for path, other in repeated.items():
        assert path != other
        assert same(found[path]) == same(found[other])
        assert other in repeated
    names = {"/model_overview/model_owner": "Ada", "/model_overview/model_creator": "Ada"}
    assert repetitions(names) == {}
    assert repetitions({**names, PURPOSE: "ada"}).keys() == {*names, PURPOSE}

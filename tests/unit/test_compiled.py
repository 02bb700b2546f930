"""The table of what ships, compiled: it says what Cedar and TOML say, and of nothing else."""

from __future__ import annotations

import json

import pytest

from modelwarden import builtin, cedar, compiled, toml
from modelwarden.bundle_file import builtin_files
from modelwarden.statement import statements

FILES = {file.path: file.text for file in builtin_files()}
POLICIES = [(path, one) for path, text in FILES.items() if path.endswith(".cedar") for one in statements(text)]
TABLE = json.loads(builtin.read("", compiled.NAME))


def test_the_table_holds_what_ships_and_nothing_that_no_longer_does() -> None:
    assert compiled.table(FILES) == TABLE
    assert len(TABLE) == len(POLICIES) + 1


@pytest.mark.parametrize(("path", "statement"), POLICIES, ids=[path for path, _ in POLICIES])
def test_a_compiled_policy_is_what_cedar_makes_of_its_text(path: str, statement: object) -> None:
    text = statement.text  # type: ignore[attr-defined]
    assert compiled.parse_policy(text) == cedar.parse(text)


def test_a_text_that_differs_by_one_character_is_parsed() -> None:
    """Whoever edits a policy that ships is judged by what stands there, with the table left as it was."""
    _, statement = POLICIES[0]
    changed = statement.text.replace("forbid", "permit", 1)
    assert compiled.parse_policy(changed) == cedar.parse(changed)
    assert compiled.parse_policy(changed)[0]["effect"] == "permit"
    with pytest.raises(cedar.CedarError):
        compiled.parse_policy(statement.text + "}")


def test_the_parameters_that_ship_are_what_their_toml_says() -> None:
    text = FILES["policies/parameters.toml"]
    assert compiled.parse_toml(text, "x") == toml.plain(toml.parse(text, "x"))
    assert compiled.parse_toml("[a]\nb = 1\n", "x") == {"a": {"b": 1}}
    with pytest.raises(toml.SettingsError):
        compiled.parse_toml(text + "[", "x")

"""Text from outside does nothing in any format: whatever a name, a value or a title holds."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from xml.etree import ElementTree as ET

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelwarden.render import FORMATS, render
from modelwarden.render.json import document, dump
from modelwarden.render.markdown import cell, inline
from modelwarden.render.text import LOG_COMMAND, printable
from tests.render import runs
from tests.render.conftest import Judge
from tests.render.test_meaning import commands

ATTACKS = [
    "\x1b[2J\x1b]0;owned\x07",
    "abc\u202edcba\u2066\u200b\u2028\u2029\x85\x7f",
    "]]><script>alert(1)</script><!--",
    "a | b || \\| \\\\| c",
    "`code` ``` ```` ~~~\n```\n# heading",
    "::error::x\n::add-mask::secret\r\n::stop-commands::now",
    "x ##[add-mask]secret ###[error]y ##vso[task.setvariable variable=a]b ##teamcity[message text='x']",
    "%0A::error::x%0D%25",
    "@octocat #1 GH-1 owner/repo#2 www.evil.com http://evil.com mailto:a@evil.com",
    "[click](http://evil.com) ![img](http://evil.com/x.png) <http://evil.com> [a][b]\n[b]: http://evil.com",
    "*bold* _it_ ~~gone~~ - [x] done &lt; &#64; \\@octocat :smile: $x^2$",
    "</details></code></pre><img src=x onerror=alert(1)> &amp;",
    "{0} {{1}} }{ [text](1)",
    "\ufffe\uffff\ue000\U000e0041\U0001f600\ufe0f",
    " leading and trailing ",
    "`",
    "\\",
    "",
    "a" * 5_000,
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.lists(
    st.sampled_from([*ATTACKS[:-1], "`", "|", "\\", "\n", "<", "@a", "::", "##[", "]", "(", " "]), max_size=5
).map("".join)


def with_attacks(test: Any) -> Any:
    for attack in ATTACKS:
        test = example(attack)(test)
    return settings(max_examples=60, deadline=None)(given(texts)(test))


def active(text: str) -> set[str]:
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}


@with_attacks
def test_nothing_invisible_and_no_command_of_a_build_log_in_any_format(text: str) -> None:
    run = runs.hostile(text)
    for format_ in FORMATS:
        written = render(run, format_)
        assert active(written) == set(), format_
        assert not LOG_COMMAND.search(written), format_
        if format_ != "github":
            assert commands(written) == [], format_


@with_attacks
def test_github_gets_the_commands_that_it_would_get_anyway(text: str) -> None:
    names = [name for name, _ in commands(render(runs.hostile(text), "github"))]
    assert set(names) <= {"error", "warning", "notice"}
    assert len(names) == len(commands(render(runs.hostile("x"), "github")))


def skeleton(text: str) -> list[str]:
    """The tags that GitHub's own parser makes of a document, code apart."""
    html = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    return re.findall(r"<[^>]*>", re.sub(r"</?code>", "", re.sub(r"(?s)<code>.*?</code>", "", html)))


def outside_of_code(text: str) -> str:
    html = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    return re.sub(r"(?s)<code>.*?</code>", "", html)


@with_attacks
def test_markdown_has_the_same_structure_whatever_it_quotes(text: str) -> None:
    written = render(runs.hostile(text), "markdown")
    if len(text) < 1_000:
        assert skeleton(written) == skeleton(render(runs.hostile("x"), "markdown"))
    rest = outside_of_code(written)
    assert not re.search(r"[@`]|https?:|www\.|<a\b|<img|<script|#\d", rest)


@pytest.mark.parametrize("wrap", [inline, cell])
@given(texts)
@settings(max_examples=200, deadline=None)
def test_a_quoted_text_reads_as_it_was(wrap: Any, text: str) -> None:
    """What a reader sees is `printable(text)`, but for a backslash before a bar in a table."""
    table = wrap is cell
    source = f"| a |\n|---|\n| x {wrap(text)} |\n" if table else f"x {wrap(text)}\n"
    html = cmarkgfm.github_flavored_markdown_to_html(source, options=Options.CMARK_OPT_UNSAFE)
    shown = re.search(r"<td>(.*)</td>" if table else r"<p>(.*)</p>", html)
    assert shown
    plain = ET.fromstring(f"<p>{shown[1]}</p>")
    wanted = printable(text)
    if table:
        wanted = re.sub(r"\\(?=\|)", r"\\u{5c}", wanted)
    assert "".join(plain.itertext())[2:].strip() == wanted.strip()


@with_attacks
def test_xml_is_well_formed_and_fits_its_schema(junit_judge: Judge, text: str) -> None:
    written = render(runs.hostile(text), "junit")
    assert len(ET.fromstring(written).findall(".//testcase")) == len(runs.FINDINGS)
    assert junit_judge(written) == []


@with_attacks
def test_sarif_fits_its_schema_and_no_message_has_a_placeholder_or_a_link(sarif_judge: Judge, text: str) -> None:
    written = render(runs.hostile(text), "sarif")
    assert sarif_judge(written) == []
    for result in json.loads(written)["runs"][0]["results"]:
        message = result["message"]["text"]
        assert not re.search(r"(?<!\{)(?:\{\{)*\{(?!\{)", message)
        assert not re.search(r"(?<!\\)\]\(", message)


@with_attacks
def test_gitlab_gets_a_list_of_issues(text: str) -> None:
    found = json.loads(render(runs.hostile(text), "gitlab"))
    assert len(found) == len(runs.FINDINGS)
    assert {issue["severity"] for issue in found} <= {"info", "minor", "major", "critical", "blocker"}
    assert all(len(issue["description"]) <= 1_000 for issue in found)


@with_attacks
def test_json_keeps_every_value_as_it_was(json_judge: Judge, text: str) -> None:
    run = runs.hostile(text)
    written = render(run, "json")
    assert json_judge(written) == []
    assert json.loads(written) == json.loads(json.dumps(document(run)))


@given(
    st.recursive(
        st.none() | texts | st.integers(-(2**53), 2**53), lambda some: st.lists(some) | st.dictionaries(texts, some)
    )
)
@settings(max_examples=100, deadline=None)
def test_dump_is_json_of_the_same_document(value: Any) -> None:
    assert json.loads(dump(value)) == value


@given(texts)
def test_printable_is_its_own_law(text: str) -> None:
    assert active(printable(text)) == set()
    assert "\n" not in printable(text)
    assert printable(printable(text)) == printable(text)

"""Where the statements of a Cedar file stand, since neither Cedar's tree nor its errors know a line."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct, field

_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|@\w+|\b(?:forbid|permit|when|unless)\b|[{}();]', re.DOTALL)


class Statement(Struct):
    """One policy as it was written, up to its semicolon."""

    text: str = ""
    line: int = 1
    """Of its first token."""
    lines: dict[str, int] = field(default_factory=dict)
    """`forbid`, `permit`, `when`, `unless` and each `@annotation` -> line of the first one."""
    clauses: dict[str, str] = field(default_factory=dict)
    """`when` and `unless` -> what the first one holds, on one line and without comments."""

    def line_of(self, place: str) -> int:
        """Of a keyword or annotation; of the effect where it has none."""
        return self.lines.get(place) or self.lines.get("forbid") or self.lines.get("permit") or self.line


def statements(text: str) -> list[Statement]:
    """The statements of a file, in order; what follows the last semicolon is one too, unless it is empty."""
    found: list[Statement] = []
    start, tokens = 0, list[re.Match[str]]()
    for token in _TOKEN.finditer(text):
        tokens.append(token)
        if token[0] == ";":
            found.append(_statement(text, start, token.end(), tokens))
            start, tokens = token.end(), []
    rest = _without_comments(text[start:])
    return [*found, _statement(text, start, len(text), tokens)] if rest.strip() else found


def _statement(text: str, start: int, end: int, tokens: list[re.Match[str]]) -> Statement:
    statement = Statement(text[start:end])
    depth, clause, opened, first = 0, "", 0, True
    for token in tokens:
        word = token[0]
        if word.startswith("//"):
            continue
        line = text.count("\n", 0, token.start()) + 1
        if first:
            statement.line, first = line, False
        if word in "({":
            if depth == 0:
                opened = token.end()
            depth += 1
        elif word in ")}":
            depth -= 1
            if depth == 0 and clause and word == "}":
                statement.clauses.setdefault(clause, _one_line(text[opened : token.start()]))
                clause = ""
        elif depth == 0 and word[0] not in '";':
            statement.lines.setdefault(word, line)
            clause = word if word in ("when", "unless") else ""
    return statement


def _one_line(text: str) -> str:
    return " ".join(_without_comments(text).split())


def _without_comments(text: str) -> str:
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda found: found[1] or "", text, flags=re.DOTALL)

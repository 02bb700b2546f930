"""The pages of a pack, for people: one HTML file without script and network, and the same as Markdown. Everything is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modelwarden.render.html import fill
from modelwarden.render.markdown import cell, inline
from modelwarden.render.text import printable

View = Mapping[str, Any]
"""A `story.Story` as JSON holds it."""


def html(view: View) -> str:
    return fill("pack.html.j2", **_printable(view))


def markdown(view: View) -> str:
    return "\n".join(_lines(view)) + "\n"


def _printable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _printable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value


def _lines(view: View) -> Iterator[str]:
    yield f"# {view['title']}\n"
    yield f"By {inline(view['basis'])}. Made from recorded runs, without judging again.\n"
    if not view["complete"]:
        yield "**NOT COMPLETE: something that was expected was not read. It is listed below.**\n"
    yield from _list("What this pack attests", view["attests"])
    yield from _list("What it cannot attest", view["cannot"])
    yield from _list("How far the runs looked", view["population"])
    yield from _table(view["holes"], "##")
    yield from _redactions(view)
    for package in view["packages"]:
        yield f"## {inline(package['name'])}\n"
        yield from (f"- {inline(line)}" for line in (package["package"], *package["verdicts"], *package["notes"]))
        yield f"- records: {inline(package['folder'])}\n"
        for chapter in package["chapters"]:
            yield from _chapter(chapter)
        yield from _table(package["obligations"], "###")


def _list(title: str, lines: list[str]) -> Iterator[str]:
    yield f"## {title}\n"
    yield from (f"- {inline(line)}" for line in lines)
    yield ""


def _redactions(view: View) -> Iterator[str]:
    if view["redactions"]:
        yield "## What was redacted\n"
        yield "| pattern | facts | places in raw responses |\n|---|---|---|"
        yield from (f"| {cell(one['pattern'])} | {one['facts']} | {one['raw']} |" for one in view["redactions"])
        yield ""


def _chapter(chapter: View) -> Iterator[str]:
    yield f"### {inline(chapter['ref'])}: {inline(chapter['title'])} ({chapter['cover']})\n"
    if chapter["about"]:
        yield f"{inline(chapter['about'])}\n"
    yield f"Not here: {inline(chapter['missing'])}.\n"
    if chapter["read"]:
        yield f"Facts: {chapter['read']}.\n"
    for table in chapter["tables"]:
        yield from _table(table, "####")


def _table(table: View, level: str) -> Iterator[str]:
    if not table["rows"] and not table["note"]:
        return
    yield f"{level} {inline(table['title'])}\n"
    if table["rows"]:
        yield f"| {' | '.join(table['head'])} |\n|{'---|' * len(table['head'])}"
        yield from (f"| {' | '.join(cell(text) if text else '' for text in row)} |" for row in table["rows"])
        yield ""
    if table["note"]:
        yield f"{inline(table['note'])}\n"

"""The files beside a page that cannot hold every package: one or more for each account, in a folder of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from modelwarden.audit.page.contents import WORDS
from modelwarden.audit.page.packages import Shown, accounts, of_account
from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.errors import UserError
from modelwarden.render.html import parts
from modelwarden.whole_file import whole

PACKAGES: Final = 2_000
"""Of one file."""
_HEAD: Final = 1_000
"""Bytes of a file in which its mark is looked for."""
_OURS: Final = re.compile(r"\d{12}(-\d+)?\.html")


class DrillError(UserError):
    """Files that cannot be written."""

    help = "choose a folder that exists and is writable"


class Drill(Struct, frozen=True):
    """What was written."""

    folder: str
    """Its name; it lies beside the page."""
    files: Mapping[str, str]
    """Account -> address of its first file, as the page links it."""
    written: int


def beside(page: Path) -> Path:
    """`report.html-packages` for `report.html`: no other page has the same."""
    return page.with_name(f"{page.name}-packages")


def drill(source: Source, report: Report, page: Path) -> Drill:
    """Write the files of every account that has a package to list. Older ones of this page are replaced or removed.

    INVARIANT: nothing is replaced or removed that does not carry the mark of the page, and nothing through a link.

    Raises:
        DrillError: the disk refuses, or something else lies there.
        TablesError: a table cannot be read.
    """
    folder, mark = beside(page), _mark(page)
    written: set[str] = set()
    files = {}
    try:
        if folder.is_symlink():
            raise DrillError(f"{folder}: is a link, and nothing is written through it")
        folder.mkdir(exist_ok=True)
        for account, count in accounts(source):
            names = _names(account, count)
            for name in names:
                _check_ours(folder / name, mark)
            _write(source, report, page, account, names)
            written.update(names)
            files[account] = f"{quote(folder.name)}/{names[0]}"
        for old in folder.iterdir():
            if _OURS.fullmatch(old.name) and old.name not in written and _carries(old, mark):
                old.unlink()
    except OSError as error:
        raise DrillError(f"{folder}: cannot be written: {error.strerror}") from error
    return Drill(folder.name, files, len(written))


def _mark(page: Path) -> bytes:
    """What every file of a page has in its second line."""
    return f"<!-- modelwarden: packages of {quote(page.name)} -->".encode()


def _carries(file: Path, mark: bytes) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        return mark in opened.read(_HEAD).splitlines()


def _check_ours(file: Path, mark: bytes) -> None:
    """Raises DrillError where something else has the name."""
    if (file.is_symlink() or file.exists()) and not _carries(file, mark):
        raise DrillError(f"{file}: is there, and is no file of this page", "move it, or name the page otherwise")


def _names(account: str, count: int) -> list[str]:
    """At least one; the first carries no number."""
    return [f"{account}{f'-{number + 1}' if number else ''}.html" for number in range(-(-count // PACKAGES))]


def _write(source: Source, report: Report, page: Path, account: str, names: list[str]) -> None:
    packages = of_account(source, account)
    for number, name in enumerate(names):
        values: dict[str, Any] = {
            "report": report,
            "of_page": quote(page.name),
            "title": f"{report.title}: account {account}",
            "tab": f"{account} · {report.title}",
            "words": WORDS,
            "number": number + 1,
            "of": len(names),
            "back": f"../{quote(page.name)}#packages",
            "others": [(f"part {at + 1}", other) for at, other in enumerate(names) if other != name],
        }
        _file(beside(page) / name, values, islice(packages, PACKAGES))


def _file(path: Path, values: Mapping[str, Any], packages: islice[Shown]) -> None:
    with whole(path) as out:
        out.writelines(part.encode() for part in parts("drill.html.j2", script="page.js", packages=packages, **values))

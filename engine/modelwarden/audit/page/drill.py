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
    """`report-packages` for `report.html`."""
    return page.with_name(f"{page.name.removesuffix('.html')}-packages")


def drill(source: Source, report: Report, page: Path) -> Drill:
    """Write the files of every account that has a package to list. Older ones of ours are replaced or removed.

    Raises:
        DrillError: the disk refuses.
        TablesError: a table cannot be read.
    """
    folder = beside(page)
    written: set[str] = set()
    files = {}
    try:
        folder.mkdir(exist_ok=True)
        for account, count in accounts(source):
            names = _names(account, count)
            _write(source, report, page, account, names)
            written.update(names)
            files[account] = f"{quote(folder.name)}/{names[0]}"
        for old in folder.iterdir():
            if _OURS.fullmatch(old.name) and old.name not in written:
                old.unlink()
    except OSError as error:
        raise DrillError(f"{folder}: cannot be written: {error.strerror}") from error
    return Drill(folder.name, files, len(written))


def _names(account: str, count: int) -> list[str]:
    """At least one; the first carries no number."""
    return [f"{account}{f'-{number + 1}' if number else ''}.html" for number in range(-(-count // PACKAGES))]


def _write(source: Source, report: Report, page: Path, account: str, names: list[str]) -> None:
    packages = of_account(source, account)
    for number, name in enumerate(names):
        values: dict[str, Any] = {
            "report": report,
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

"""Two nights, published: the record, and questions to what was published of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from modelwarden.analytics.publish import publish
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record
from modelwarden.store import place

from .scans import LENDING, RECORDS, Ask, asking, judged, scan


class Nights(NamedTuple):
    earlier: Folder
    later: Folder
    place: Path
    ask: Ask


def before() -> dict[str, list[Record]]:
    """The night before: of one package the verdict was another one, and one was not there."""
    loans = [judged(LENDING, "loan/2", "BIAS-01"), *RECORDS[LENDING][2:]]
    return RECORDS | {LENDING: loans}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    where = folder / "published"
    where.mkdir()
    earlier, later = scan(folder, 1, records=before()), scan(folder)
    for one in (earlier, later):
        publish(one, place.Folder(where))
    return Nights(earlier, later, where, asking(where))

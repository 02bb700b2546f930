"""What an import took over, and what it could not. Schema: reports/schemas/import.schema.json."""

from __future__ import annotations

from collections import Counter
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from modelwarden.guidance.endpoints import Endpoint
from modelwarden.guidance.value import Loss
from modelwarden.render.json import dump
from modelwarden.render.text import printable
from modelwarden.store.state import Hearsay

IMPORT: Final = "modelwarden.import/1"


class Imported(Struct, frozen=True):
    """One import; its members are those of the document."""

    run: str
    """Empty for a dry run."""
    table: str
    endpoint_tables: tuple[str, ...]
    rows: int
    """Of all tables."""
    new: int
    """Packages of which the store learnt anything."""
    packages: tuple[Hearsay, ...]
    endpoints: tuple[Endpoint, ...]
    left_out: tuple[Loss, ...]
    not_kept: tuple[Loss, ...]


def document(imported: Imported) -> str:
    """Every row and column by name."""
    return dump({"schema": IMPORT, **asdict(imported)})


def text(imported: Imported) -> str:
    """Rows that were left out one by one; columns that were not kept once for each reason, with a count."""
    lines = [f"{', '.join([imported.table, *imported.endpoint_tables])}: {_many(imported.rows, 'row')}"]
    lines += [f"  left out  {loss.row or 'a row without a key'}: {loss.why}" for loss in imported.left_out]
    counts = Counter((loss.column, loss.why) for loss in imported.not_kept)
    lines += [
        f"  not kept  {column}: {why}, in {_many(count, 'row')}" for (column, why), count in sorted(counts.items())
    ]
    if imported.endpoints:
        lines.append(
            f"  not kept  {_many(len(imported.endpoints), 'endpoint')}: the store knows packages (--format json)"
        )
    known = len(imported.packages) - imported.new
    would = f"{_many(len(imported.packages), 'package')} would be imported"
    done = f"{_many(imported.new, 'package')} imported, {known} known before" if imported.run else would
    left_out = _many(len(imported.left_out), "row")
    lines.append(f"{done}; {left_out} left out; history is partial, and nothing was judged")
    return "\n".join(map(printable, lines)) + "\n"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

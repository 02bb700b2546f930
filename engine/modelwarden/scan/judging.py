"""Judging: what was collected of a cell becomes tables and a tally. It asks nobody, so that it can run anywhere and again."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from modelwarden import gate
from modelwarden.errors import UserError
from modelwarden.evidence import digest
from modelwarden.gate import Observed, Question
from modelwarden.scan.record import Record, ScanError
from modelwarden.scan.station import Station
from modelwarden.scan.tally import Tally, line_of
from modelwarden.tables import TablesWriter


def judge_cell(station: Station, account: str, region: str) -> Tally:
    """Judge the packages of a cell one by one, unless that was done.

    Raises:
        ScanError: the cell was not collected to its end, a file was changed, or the disk refuses.
    """
    folder, end = station.folder, station.folder.end(account, region)
    if end is None:
        raise ScanError(f"{folder.path}: {account}/{region} was not collected to its end")
    done = folder.tally(account, region)
    if done is not None and done.collected == end.sha256:
        return done
    lines: list[Any] = []
    with folder.judging(end) as (place, tally), TablesWriter(place, station.controls) as tables:
        for record in folder.collected(account, region):
            judged = _judged(station, record, tally)
            tally.add(judged)
            lines.append(line_of(judged))
            tables.add(judged)
        tally.digest = digest(lines)
    return tally


def _judged(station: Station, record: Record, tally: Tally) -> Record:
    """A package that is to be judged, judged; a defect of ours in it costs the others nothing, and is exit code 4."""
    if record.evidence is None or record.stage is None or record.moment is None:
        return record
    question = Question(
        record.package, record.stage, record.moment, as_of=station.as_of if station.as_of_asserted else None
    )
    try:
        observed = Observed(record.evidence, station.reference(record.reference), None)
        decision = gate.decision_on(station.house, question, observed, now=station.as_of)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        why = f"internal error: {type(error).__name__}: {error}"
        tally.broken.append(why)
        return structs.replace(record, role="unmapped", why=why)
    return structs.replace(record, decision=decision)

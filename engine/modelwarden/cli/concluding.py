"""What becomes of a gate's run once it was judged."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.attest.entering import word_of
from modelwarden.cli.ending import orderly
from modelwarden.cli.entering import deliver, spooled
from modelwarden.cli.output import format_files, write_text
from modelwarden.cli.signing import Desk, attested, sealed
from modelwarden.errors import UserError
from modelwarden.gate import House
from modelwarden.render import FORMATS, render
from modelwarden.run import RUNS, Run, encoded, write


def conclude(run: Run, house: House, desk: Desk, log: str | None, options: dict[str, Any]) -> None:
    """Record a run, say what it says, sign it, log it, and enforce it where that was asked for.

    Raises:
        UserError: one of these could not be done; what could is done all the same.
    """
    with orderly():
        _conclude(run, house, desk, log, options)


def _conclude(run: Run, house: House, desk: Desk, log: str | None, options: dict[str, Any]) -> None:
    runs = house.settings.runs or RUNS
    data = encoded(run)
    seal = sealed(desk, run, data)
    # Spooled before it is recorded: there is no moment at which a decision is there and will not come to the log.
    spool = spooled(word_of(run, data, seal.attestation), log, runs, desk.signer) if log else None
    kept, unsigned = False, None
    try:
        path = write(run, runs, data)
        try:
            kept = _tell(run, house, path, options)
        finally:
            # What was decided is signed and logged, also where nobody was there to be told.
            try:
                attested(desk, seal, path)
            except UserError as error:
                unsigned = error
    finally:
        if spool and log:
            deliver(spool, run.id, log, desk.signer, lambda: gating.collector_of(house).aws)
    # What could not be signed is not approved; it may be rejected all the same.
    if options["enforce"] and not (unsigned and run.decision.verdict in ("allow", "flag")):
        _enforce(house, run, kept)
    if unsigned:
        raise unsigned


def _tell(run: Run, house: House, path: Path, options: dict[str, Any]) -> bool:
    """Whether the run counts for later decisions, where it should. The answer first: what cannot be written must not hide it."""
    click.echo(render(run, options["format_"], color=_color()), nl=False)
    for format_, file in format_files(options["outputs"], FORMATS):
        write_text(file, render(run, format_))
    print(f"run {run.id} recorded in {path}", file=sys.stderr)
    return _keep(house, run)


def _color() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _keep(house: House, run: Run) -> bool:
    """False where it should be kept and could not be: the decision stands, and its run lies in the folder of runs."""
    try:
        where = gating.keep(house, run)
    except UserError as error:
        print(f"warning: the run counts for no later decision: {error}\n  help: {error.help}", file=sys.stderr)
        return False
    if where is not None:
        print(f"run {run.id} kept in {where}", file=sys.stderr)
    return True


def _enforce(house: House, run: Run, kept: bool) -> None:
    """What could not be written is exit 2 whatever was decided: by then the decision is printed and recorded."""
    from modelwarden.enforce import enforce

    print(enforce(house, run, kept=kept), file=sys.stderr)

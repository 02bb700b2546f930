"""What a scan tells while it runs: counted right, one line each, safe whatever names hold, and over when it ends."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from modelwarden.cli.display import Display
from modelwarden.cli.progress import Lines, Tally, Teller
from modelwarden.render.log import Event, json_line, text_line
from modelwarden.scan.events import Nobody, Watcher
from modelwarden.scan.record import CellEnd
from modelwarden.snapshot import LedgerRow

NOW = "2026-11-20T06:00:00Z"
ONE, TWO = "111122223333", "444455556666"
HOSTILE = '"}\n{"event":"finished"}\r\x1b[2J\x7f\u202e\u2028\ud800##[error]' + "x" * 1000
DENIED = LedgerRow(ONE, "eu-west-1", "kms:DescribeKey", "denied", 3, 0.1, "AccessDenied: no")
READ = LedgerRow(ONE, "eu-west-1", "sagemaker:ListModelPackages", "read", 2, 0.1)
MANIFEST: dict[str, Any] = {
    "coverage": {"expected": 2, "read": 1},
    "complete": False,
    "verdicts": {"block": 1},
}


def end(account: str = ONE, records: int = 4, unread: str = "", *rows: LedgerRow) -> CellEnd:
    return CellEnd(account, "eu-west-1", records, unread, rows, "sha256:0", "0")


def lines(format_: str, tell: Callable[[Teller], None], **how: Any) -> list[str]:
    out = io.StringIO()
    with Teller(Lines(out, format_, lambda: NOW), **how) as teller:  # type: ignore[arg-type]
        tell(teller)
    return out.getvalue().splitlines()


def everything(watcher: Watcher) -> None:
    watcher.begun(3, 1)
    watcher.listed(ONE, "eu-west-1", 4)
    watcher.read(ONE, "eu-west-1")
    watcher.ended(end(ONE, 4, "", READ, DENIED))
    watcher.judged(ONE, "eu-west-1", 4, {"block": 1, "allow": 3})
    watcher.ended(end(TWO, 0, "sts:AssumeRole: AccessDenied", DENIED))
    watcher.finished(MANIFEST)


def test_people_read_one_line_for_each_cell() -> None:
    assert lines("text", everything) == [
        "2/3  111122223333/eu-west-1  4 packages, 1 APIs failed",
        "3/3  444455556666/eu-west-1  NOT READ: sts:AssumeRole: AccessDenied",
    ]


def test_a_machine_reads_every_event_as_a_line_of_json() -> None:
    found = [json.loads(line) for line in lines("json", everything, clock=lambda: 7.0)]
    assert [(one["event"], one["level"]) for one in found] == [
        ("begun", "info"),
        ("listed", "info"),
        ("cell", "warning"),
        ("judged", "info"),
        ("cell", "warning"),
        ("finished", "warning"),
    ]
    assert {one["time"] for one in found} == {NOW}
    assert found[2] == {
        "time": NOW,
        "level": "warning",
        "event": "cell",
        "account": ONE,
        "region": "eu-west-1",
        "done": 2,
        "cells": 3,
        "packages": 4,
        "calls": 5,
        "failed": [{"api": "kms:DescribeKey", "state": "denied", "error": "AccessDenied: no"}],
    }
    assert found[3]["verdicts"] == {"block": 1, "allow": 3}
    assert found[4]["unread"] == "sts:AssumeRole: AccessDenied"
    assert (found[5]["read"], found[5]["complete"], found[5]["seconds"]) == (1, False, 0.0)


def test_a_name_from_outside_makes_no_second_line_and_moves_no_terminal() -> None:
    def tell(teller: Teller) -> None:
        teller.begun(1, 0)
        teller.ended(end(ONE, 0, HOSTILE))

    (line,) = lines("text", tell)
    assert line.isprintable()
    assert len(line) == 400
    begun, cell = lines("json", tell)
    assert json.loads(begun)["event"] == "begun"
    assert cell.isascii()
    assert cell.isprintable()
    assert json.loads(cell)["unread"] == HOSTILE


def test_no_field_replaces_a_member_of_ours() -> None:
    written = json_line(Event("cell", account=ONE, fields={"event": "finished", "account": TWO, "cells": 1}), NOW)
    assert json.loads(written) == {"time": NOW, "level": "info", "event": "cell", "account": ONE, "cells": 1}
    assert text_line(Event("cell", "a\nb")) == "a\\u{a}b"


def test_the_default_of_whoever_does_not_watch_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    everything(Nobody())
    assert capsys.readouterr() == ("", "")


class Seen:
    """A sink that keeps the counts."""

    def __init__(self) -> None:
        self.tallies: list[str] = []
        self.events: list[Event] = []
        self.closed = 0

    def begun(self, tally: Tally) -> None:
        self.moved(tally)

    def moved(self, tally: Tally) -> None:
        self.tallies.append(tally.words())

    def say(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1


def test_a_package_counts_once_whether_it_is_told_alone_or_with_its_cell() -> None:
    seen = Seen()
    with Teller(seen) as teller:
        everything(teller)
    assert seen.tallies == [
        "1/3 cells  0 packages",
        "1/3 cells  0/4 packages",
        "1/3 cells  1/4 packages",
        "2/3 cells  4 packages  1 APIs failed",
        "2/3 cells  4 packages  1 blocked  1 APIs failed",
        "3/3 cells  4 packages  1 blocked  1 not read  1 APIs failed",
    ]
    assert seen.closed >= 1


def test_many_threads_lose_no_count() -> None:
    seen = Seen()
    with Teller(seen) as teller:
        teller.begun(8, 0)

        def work(number: int) -> None:
            for _ in range(200):
                teller.read(f"{number:012}", "eu-west-1")
            teller.ended(end(f"{number:012}", 200))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen.tallies[-1] == "8/8 cells  1600 packages"


def test_whoever_reads_lines_hears_that_a_silent_scan_goes_on_and_at_most_once_in_a_while() -> None:
    out = io.StringIO()
    with Teller(Lines(out, "text", lambda: NOW), quiet=0.2) as teller:
        teller.begun(5, 0)
        time.sleep(0.7)
    said = out.getvalue().splitlines()
    assert 1 <= len(said) <= 3
    assert all(re.fullmatch(r"still going after [01] s: 0/5 cells  0 packages", line) for line in said)
    time.sleep(0.3)
    assert out.getvalue().splitlines() == said, "nothing is told once it is over"


def test_a_line_for_a_cell_stands_for_the_one_that_says_it_goes_on() -> None:
    def tell(teller: Teller) -> None:
        teller.begun(9, 0)
        for number in range(8):
            time.sleep(0.1)
            teller.ended(end(f"{number:012}", 0))

    assert not [line for line in lines("text", tell, quiet=0.5) if "still going" in line]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def test_a_terminal_shows_counts_and_is_left_as_it_was(terminal: Terminal) -> None:
    with Teller(Display(terminal)) as teller:
        everything(teller)
    drawn = terminal.getvalue()
    assert "3/3 cells  4 packages  1 blocked  1 not read  1 APIs failed" in drawn
    assert " left" in drawn
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l"), "the cursor is there again"
    assert "NOT READ" not in drawn


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_ends_it_leaves_the_terminal_as_it_was(terminal: Terminal, error: type[BaseException]) -> None:
    def tell() -> None:
        with Teller(Display(terminal)) as teller:
            teller.begun(3, 0)
            raise error

    with pytest.raises(error):
        tell()
    drawn = terminal.getvalue()
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    time.sleep(0.3)
    assert terminal.getvalue() == drawn, "nothing is drawn once it is over"


def test_whoever_stops_it_sees_lines_from_then_on(terminal: Terminal) -> None:
    """The signal after the first ends the process without a chance to give the cursor back."""
    with Teller(Display(terminal)) as teller:
        teller.begun(3, 0)
        teller.stopping()
        drawn = terminal.getvalue()
        assert drawn.endswith("stopping: packages that are being read come to their end\n")
        assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
        teller.ended(end(ONE, 0, "stopped"))
        assert terminal.getvalue().endswith("1/3  111122223333/eu-west-1  NOT READ: stopped\n")


def test_the_rate_and_the_time_left_come_from_what_this_process_did(terminal: Terminal) -> None:
    """Cells that an earlier process read took no time of this one."""
    from modelwarden.cli import display

    task = type("Task", (), {})()
    task.fields, task.elapsed, task.total, task.completed = {"fresh": 2, "packages": 50}, 10.0, 100, 92
    assert display._Left().render(task).plain == "0:00:40 left"
    assert display._Rate().render(task).plain == "5.0/s"
    task.fields = {"fresh": 0, "packages": 0}
    assert (display._Left().render(task).plain, display._Rate().render(task).plain) == ("? left", "-/s")

"""The progress of a scan on a terminal, drawn by rich, which the extra `[scan]` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from modelwarden.render.log import Event, text_line

if TYPE_CHECKING:
    from modelwarden.cli.progress import Tally


class Display:
    """One live line: cells, packages, rate, what failed, time left. What is told in `going` and `cell` it shows itself."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._progress = Progress(
            SpinnerColumn("line"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
            _Rate(),
            TimeElapsedColumn(),
            _Left(),
            console=Console(file=out),
            transient=True,
            # stdout is the result's alone, and whoever writes to stderr writes through `say`.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", start=False)
        self._live = False

    def begun(self, tally: Tally) -> None:
        self._progress.reset(self._task, total=tally.cells, start=True)
        self.moved(tally)
        self._progress.start()
        self._live = True

    def moved(self, tally: Tally) -> None:
        self._progress.update(
            self._task,
            completed=tally.done,
            description=tally.words(),
            packages=tally.packages,
            fresh=tally.done - tally.already,
        )

    def say(self, event: Event) -> None:
        if not self._live and event.text:
            self._out.write(text_line(event) + "\n")
            self._out.flush()

    def close(self) -> None:
        if self._live:
            self._live = False
            self._progress.stop()


class _Rate(ProgressColumn):
    """Packages in a second, over the whole of this process."""

    def render(self, task: Task) -> Text:
        packages, elapsed = task.fields.get("packages", 0), task.elapsed or 0.0
        return Text(f"{packages / elapsed:.1f}/s" if packages and elapsed > 1 else "-/s")


class _Left(ProgressColumn):
    """Time left, as long as the cells take what they took so far; nobody knows before one has ended."""

    def render(self, task: Task) -> Text:
        fresh, elapsed = task.fields.get("fresh", 0), task.elapsed or 0.0
        if not fresh or task.total is None:
            return Text("? left")
        seconds = round(elapsed / fresh * (task.total - task.completed))
        hours, minutes = seconds // 3600, seconds // 60 % 60
        return Text(f"{hours}:{minutes:02}:{seconds % 60:02} left")

"""The command line: parse, call, map to an exit code.

Exit codes, the same for every command and format: 0 may be promoted, 1 blocked, 2 a mistake that the user can mend,
3 undecided, 4 a defect of ours.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from typing import Final

import click

from modelwarden import __version__
from modelwarden.cli.ending import TERMINATED
from modelwarden.errors import UserError

OK, BLOCKED, USAGE, UNDECIDED, INTERNAL = range(5)

_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "gate": ("gate:gate", "Decide whether a model package may be promoted."),
    "scan": ("scan:scan", "Judge every model package of the organization."),
    "runs": ("runs:runs", "List the scans, newest first."),
    "history": ("history:history", "Show what became of one model package, scan by scan."),
    "import-guidance": ("import_guidance:import_guidance", "Take over what AWS's governance guidance recorded."),
    "compare": ("compare:compare", "Show what changed from one scan to another, and why."),
    "explain": ("explain:explain", "Show why a control says what it says, fact by fact."),
    "evidence": ("evidence:evidence", "Read one model package and print what was found."),
    "controls": ("controls:controls", "List the controls, or show one."),
    "lint": ("lint:lint", "Check policies and rules for mistakes that would open the gate."),
    "test": ("test:test", "Run the cases of the controls."),
    "config": ("config:config", "Show the settings in force, and which layer said so."),
    "init": ("init:init", "Propose settings from what is found in an account."),
    "doctor": ("doctor:doctor", "Check identity and read permissions."),
    "baseline": ("baseline:baseline", "Propose waivers for the failures of a run."),
    "replay": ("replay:replay", "Judge recorded evidence again, and compare."),
    "forecast": ("forecast:forecast", "List what turns worse by nothing but time."),
    "waiver": ("waiver:waiver", "Ask for, approve, renew, revoke and list waivers."),
    "report": ("report:report", "Write one page over recorded runs."),
    "publish": ("publish:publish", "Put what a scan found where Athena and dashboards read it."),
    "verify": ("verify:verify", "Check an attestation, a log, a pack or a recorded run, offline."),
    "key": ("key:key", "Make the keys that sign decisions."),
    "evidence-pack": ("evidence_pack:evidence_pack", "Build an archive of evidence for an auditor."),
    "pipeline-steps": ("pipeline_steps:pipeline_steps", "Print the gate as steps of a SageMaker pipeline."),
    "api": ("api:api", "Serve the API on this machine."),
    "sandbox": ("sandbox:sandbox_group", "Run a simulated AWS organization on loopback."),
}
"""Name -> (module:object below modelwarden.cli, short help). Commands are imported when they run, so start-up stays light."""


class _Lazy(click.Group):
    """A group whose help needs none of the commands' imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"modelwarden.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="modelwarden")
def main() -> None:
    """Decide whether a SageMaker model package may be promoted, and prove why.

    Exit codes: 0 may be promoted, 1 blocked, 2 usage or settings, 3 undecided, 4 internal error.
    """


def entry() -> None:
    """The console script: every way out of the program passes here and has a code of the table."""
    # Started with a closed descriptor (`>&-`): what would have been said is dropped, and the exit code stands.
    gc.set_threshold(100_000)  # most commands end before there is any garbage worth looking for
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    code = run(sys.argv[1:])
    gc.freeze()  # nor does the interpreter look for any on its way out, which would take longer than judging
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; nothing is raised and no traceback is printed."""
    try:
        for argument in arguments:
            _check_text(argument)
        code = main.main(args=arguments, prog_name="modelwarden", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK  # click hands `context.exit(code)` back as a value
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except UserError as error:
        return _say(str(error), error.help, error.exit_code)
    except click.Abort:
        return _say("interrupted", "", 130)
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "modelwarden"
        return _say(_lower(error.format_message()), f"`{command} --help` shows the usage", USAGE)
    except SystemExit as stop:  # click turns a closed pipe into one
        return _say("terminated", "", TERMINATED) if stop.code == TERMINATED else _unwritten("it was closed")
    except BrokenPipeError:
        return _unwritten("it was closed")
    except OSError as error:
        # Every file that is opened names itself in its error; what has no name is the output.
        return _unwritten(error.strerror or "") if error.filename is None else _defect(error)
    except Exception as error:  # noqa: BLE001 - the outermost frame: a defect is told in one line and is exit 4
        return _defect(error)


def _check_text(argument: str) -> None:
    """Raises UserError for bytes that no document could hold later, neither as a path nor as a name."""
    from modelwarden.toml import encodable

    if not argument.isascii() and not encodable(argument):
        raise UserError(f"`{argument}` is not UTF-8", "correct the name, or the encoding of the terminal")


def _unwritten(why: str) -> int:
    """The interpreter would try to write the rest once more when it ends, and end with a code of its own."""
    with contextlib.suppress(ValueError):  # of a stream that was closed or is none of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _say(f"the output could not be written: {why}", "write it to a file with `-o FORMAT=FILE`", INTERNAL)


def _say(message: str, help_: str, code: int) -> int:
    from modelwarden.render.text import printable  # only needed where something went wrong

    print(f"error: {printable(' '.join(message.split()).rstrip('.'))}", file=sys.stderr)
    if help_:
        print(f"  help: {printable(help_)}", file=sys.stderr)
    return code


def _defect(error: BaseException) -> int:
    """The traceback goes to a file, since it helps us and nobody else."""
    import tempfile
    import traceback

    help_ = "please report this"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="modelwarden-", suffix=".txt", delete=False) as file:
            traceback.print_exception(error, file=file)
        help_ = f"please report this with {file.name}"
    except OSError:
        pass
    return _say(f"internal error: {type(error).__name__}: {error}", help_, INTERNAL)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

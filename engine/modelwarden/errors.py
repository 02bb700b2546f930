"""What a user can mend: one line that says what is wrong, and the next step."""

from __future__ import annotations


class UserError(Exception):
    """Printed as `error: MESSAGE` and `  help: HELP`. The message names the file and is one line.

    INVARIANT: it comes back from another process as it was raised there, so a subclass keeps the arguments of this one.
    """

    help: str = ""
    exit_code: int = 2
    """4 where nothing is wrong with what the user asked, and it could not be done all the same."""

    def __init__(self, message: str, help: str | None = None) -> None:  # noqa: A002 - printed under this word
        super().__init__(message)
        if help is not None:
            self.help = help

"""What a user can mend: one line that says what is wrong, and the next step."""

from __future__ import annotations


class UserError(Exception):
    """Printed as `error: MESSAGE` and `  help: HELP`, exit code 2. The message names the file and is one line."""

    help: str = ""

    def __init__(self, message: str, help: str | None = None) -> None:  # noqa: A002 - printed under this word
        super().__init__(message)
        if help is not None:
            self.help = help

"""Acts: who asked for a waiver, who approved it and who took it back, and when. `modelwarden waiver` writes them.

A name in a file proves nobody: what proves an approval is the review of the organization layer that holds the file. An
act says besides how its name came about, so that reviewers see which one was merely typed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from modelwarden import toml
from modelwarden.period import start_of, utc
from modelwarden.toml import SettingsError, Table, quoted

Proof = Literal["caller", "asserted"]
"""How the name came about: told by sts:GetCallerIdentity, or typed. A signature over the waiver is to be another one."""

APPROVALS: Final = 2
"""Of a waiver that was requested, and of break-glass: different persons, neither the owner nor whoever asked."""
LIFE: Final = ("requested", "approval", "revoked")
"""The tables of a waiver that hold acts."""
LONGEST_TEXT: Final = 1_000
_HELP: Final = "`modelwarden waiver` writes it"
_HIDDEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Unicode says to show as nothing (Default_Ignorable_Code_Point) beside the category Cf."""


class Act(Struct, frozen=True):
    """One person did one thing."""

    by: str
    """The person."""
    at: datetime
    proof: Proof
    principal: str | None = None
    """ARN that the credentials proved; None where the name was asserted."""
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a waiver's file holds it."""
        told = {"by": self.by, "at": self.at.isoformat().replace("+00:00", "Z"), "proof": self.proof}
        more = {"principal": self.principal, "reason": self.reason}
        return told | {name: value for name, value in more.items() if value is not None}

    def __str__(self) -> str:
        """`jane at 2026-11-28T22:10:00Z`; says so where the name was only asserted."""
        asserted = " (asserted)" if self.proof == "asserted" else ""
        return f"{self.by}{asserted} at {utc(self.at)}"


class Life(Struct, frozen=True):
    """The acts on one waiver."""

    requested: Act | None = None
    approvals: tuple[Act, ...] = ()
    """In the order of time."""
    revoked: Act | None = None

    @property
    def granted(self) -> datetime | None:
        """When the last approval that it needs was given; None before."""
        return self.approvals[APPROVALS - 1].at if len(self.approvals) >= APPROVALS else None


def person(name: str) -> str:
    """What two spellings of one person share: without case, width, hidden characters, and however much space.

    Law: `person(person(name)) == person(name)`. Letters of two alphabets that look alike stay apart.
    """
    shown = _HIDDEN.sub("", "".join(one for one in name if unicodedata.category(one) != "Cf"))
    # Folding takes compositions apart: only a second normalisation gives one spelling.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())
    words = " ".join(folded.split())
    return words if words == name else person(words)


def parse_life(raw: Table, where: str) -> Life:
    """The acts in the table of a waiver.

    Raises:
        SettingsError: a field is missing, unknown or mistyped, somebody approved twice or what he had asked for, or
            acts stand in a waiver that nobody requested.
    """
    revoked = _act(raw["revoked"], f"{where}: `revoked`", reason=True) if "revoked" in raw else None
    if "requested" not in raw:
        if "approval" in raw:
            raise SettingsError(f"{where}: `approval` without `requested`", f"name them as `approver`; {_HELP}")
        return Life(revoked=revoked)
    for name in ("approver", "granted"):
        if name in raw:
            raise SettingsError(f"{where}: `{name}` beside `requested`", "`modelwarden waiver approve` says it")
    requested = _act(raw["requested"], f"{where}: `requested`")
    _check_texts(raw, where)
    entries = toml.tables(raw.get("approval", []), f"{where}: approval")
    approvals = [_act(entry, f"{where}: approval {number}") for number, entry in enumerate(entries, 1)]
    seen: set[str] = set()
    for act in approvals:
        if person(act.by) == person(requested.by):
            raise SettingsError(
                f"{where}: {quoted(act.by)} approved what they asked for", "let somebody else approve it"
            )
        if person(act.by) in seen:
            raise SettingsError(f"{where}: {quoted(act.by)} approved it twice", "let two different persons approve it")
        if act.at < requested.at:
            raise SettingsError(f"{where}: {quoted(act.by)} approved it before it was asked for", _HELP)
        seen.add(person(act.by))
    return Life(requested, tuple(sorted(approvals, key=lambda act: act.at)), revoked)


def check_text(text: str, where: str) -> None:
    """Raises SettingsError for what a reader of the file would not see, and for more than anybody reads."""
    if not text.isprintable():
        raise SettingsError(
            f"{where}: {quoted(text)} holds a character that nobody sees", "write plain text on one line"
        )
    if len(text) > LONGEST_TEXT:
        raise SettingsError(f"{where}: longer than {LONGEST_TEXT} characters", "say the rest in the ticket")


def check_person(name: str, where: str) -> None:
    """Raises SettingsError for what is no name that a reader of the file would see whole."""
    check_text(name, where)
    if not person(name):
        raise SettingsError(f"{where}: {quoted(name)} names nobody", "write a name that everybody can read")


def _check_texts(raw: Table, where: str) -> None:
    for name, value in raw.items():
        if isinstance(value, str):
            check_text(value, f"{where}: `{name}`")


def _act(entry: Any, where: str, *, reason: bool = False) -> Act:
    known = ("by", "at", "proof", "principal", *(("reason",) if reason else ()))
    raw = toml.table(entry, where, known)
    for name in ("by", "at", "proof", *(("reason",) if reason else ())):
        if name not in raw:
            raise SettingsError(f"{where}: `{name}` is missing", _HELP)
    _check_texts(raw, where)
    proof: Proof = toml.one_of(raw["proof"], get_args(Proof), f"{where}: `proof`", "proof")  # type: ignore[assignment]
    if ("principal" in raw) != (proof == "caller"):
        raise SettingsError(f"{where}: `principal` belongs to proof `caller` and to no other", _HELP)
    by = toml.text(raw["by"], f"{where}: `by`")
    check_person(by, f"{where}: `by`")
    return Act(
        by=by,
        at=start_of(raw["at"], f"{where}: `at`"),
        proof=proof,
        principal=toml.text(raw["principal"], f"{where}: `principal`") if "principal" in raw else None,
        reason=toml.text(raw["reason"], f"{where}: `reason`") if reason else None,
    )

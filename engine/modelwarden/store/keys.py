"""Keys by which a question that is sent twice is judged once, whoever of many instances meets it.

Below `idempotency/<name>/`, each written once and never changed:
- `<number>-claim.json`: for which body somebody works on it, until when at most, and the id that the run will have;
- `<number>-free.json`: that claim came to nothing, and the next may follow;
- `settled.json`: the run that is the answer from now on.
A claim whose work was cut off ends by itself; a run that it left behind is its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from modelwarden.evidence import Unknown
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.period import utc
from modelwarden.store.place import AlreadyThere, Place
from modelwarden.typed import decoder

T = TypeVar("T", "Claim", "Settled")

_ATTEMPTS: Final = 5
_SETTLED: Final = "settled.json"


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """Who works on a key."""

    body: str
    """Digest of what is asked."""
    run: str
    until: str
    number: int = 1


class Settled(Struct, frozen=True, forbid_unknown_fields=True):
    """What a key was answered with."""

    body: str
    run: str


class InUse(Struct, frozen=True):
    """Somebody else works on the key."""

    seconds: int
    """After which to ask again at the latest."""


class Unreadable(Exception):
    """Nobody can tell what became of a key."""


_CLAIM: Final = decoder(Claim)
_ANSWER: Final = decoder(Settled)


class Keys(Struct, frozen=True):
    """The keys of one place; `recorded` tells whether there is a run of an id."""

    place: Place
    recorded: Callable[[str], bool]

    def claim(
        self, name: str, body: str, run: str, now: str, seconds: int
    ) -> Claim | Settled | InUse | Literal["other body"]:
        """Take a key for the run of that id, unless it was answered, or somebody works on it.

        `seconds`: after which whoever takes it is certain to have ended, one way or the other.

        Raises:
            Unreadable: what stands there cannot be read.
            NotKept: it could not be written.
        """
        for _ in range(_ATTEMPTS):
            last, freed, settled = self._held(name)
            if settled is not None:
                return settled if settled.body == body else "other body"
            done = last is not None and self.recorded(last.run)
            if last is not None and (done or not freed):
                if last.body != body:
                    return "other body"
                if done:
                    return self.settle(name, last)
                left = int((_time(last.until) - _time(now)).total_seconds())
                if left > 0:
                    return InUse(left)
            until = utc(_time(now) + timedelta(seconds=seconds))
            mine = Claim(body, run, until, last.number + 1 if last else 1)
            if self._write(f"{_number(mine)}-claim.json", name, mine):
                return mine
        raise Unreadable(f"the key {name} changed hands {_ATTEMPTS} times")

    def settle(self, name: str, claim: Claim) -> Settled:
        """Make the run of a claim the answer; what another one settled before stays.

        Raises:
            Unreadable, NotKept: as above.
        """
        mine = Settled(claim.body, claim.run)
        if self._write(_SETTLED, name, mine):
            return mine
        settled = self._held(name)[2]
        if settled is None:
            raise Unreadable(f"the answer of the key {name} is not listed")
        return settled

    def free(self, name: str, claim: Claim) -> None:
        """Give a key back: nothing was decided.

        Raises:
            NotKept: it could not be written; the claim then ends by itself.
        """
        self.place.write(f"idempotency/{name}/{_number(claim)}-free.json", b"{}")

    def _held(self, name: str) -> tuple[Claim | None, bool, Settled | None]:
        """The newest claim, whether it was freed, and the answer."""
        names = self.place.names(f"idempotency/{name}")
        if isinstance(names, Unknown):
            raise Unreadable(f"{names.reason}: {names.detail}")
        if any(one.endswith(f"/{_SETTLED}") for one in names):
            return None, False, self._read(f"idempotency/{name}/{_SETTLED}", _ANSWER)
        claims = [one for one in names if one.endswith("-claim.json")]
        if not claims:
            return None, False, None
        return (
            self._read(claims[-1], _CLAIM),
            claims[-1].replace("-claim.json", "-free.json") in names,
            None,
        )

    def _read(self, name: str, decoder: msgspec.json.Decoder[T]) -> T:
        data = self.place.read(name)
        if isinstance(data, Unknown):
            raise Unreadable(f"{name}: {data.reason}: {data.detail}")
        try:
            found: T = decoded(data, decoder)
        except NotJson as error:
            raise Unreadable(f"{name}: {error}") from error
        return found

    def _write(self, file: str, name: str, value: Claim | Settled) -> bool:
        """False where another one was first."""
        path = f"idempotency/{name}/{file}"
        try:
            self.place.write(path, msgspec.json.encode(value))
        except AlreadyThere:
            return False
        return True


def _number(claim: Claim) -> str:
    return f"{claim.number:06}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""Once: a question that is sent again under its key is answered as before, and not judged again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from modelwarden.api.message import Call
from modelwarden.api.refusal import Refusal, Unavailable
from modelwarden.api.service import Service
from modelwarden.evidence import Unknown, digest
from modelwarden.run import Run

if TYPE_CHECKING:
    from modelwarden.store.keys import Claim, Keys

KEY: Final = "idempotency-key"


def once(service: Service, call: Call, body: str, decide: Callable[[str], Run]) -> Run:
    """The run that the key of a call was answered with, else what `decide` makes of an id of a run.

    `body` is the digest of what is asked.

    Raises:
        Refusal: the key belongs to another question, or a call with it is at work.
        Unavailable: nobody can tell what became of the key.
    """
    from modelwarden.store.keys import Claim, InUse, Keys, Settled, Unreadable

    keys = Keys(service.decisions.place, lambda id_: _found(service, id_) is not None)
    name = _name(call)
    try:
        match keys.claim(name, body, service.new_id(), service.now(), call.seconds):
            case Settled(run=id_):
                return _run(service, id_)
            case Claim() as claim:
                return _run_of(service, keys, name, claim, decide)
            case InUse(seconds):
                why = "the answer to the call that is at work is that of this one, too"
                raise Refusal("in-use", why, "send the same again later", retry_after=str(seconds))
            case "other body":
                raise Refusal("key-reused", f"`{KEY}`: this key was sent with another body", "send a new key")
    except Unreadable as error:
        raise Unavailable(f"{KEY}: {error}") from error


def _run_of(service: Service, keys: Keys, name: str, claim: Claim, decide: Callable[[str], Run]) -> Run:
    from modelwarden.store import NotKept

    try:
        run = decide(claim.run)
    except BaseException:
        # Nothing was decided, so that the same may be tried at once; else the claim ends by itself.
        with suppress(NotKept):
            keys.free(name, claim)
        raise
    settled = keys.settle(name, claim)
    return run if settled.run == run.id else _run(service, settled.run)


def _name(call: Call) -> str:
    """A key is its caller's own: nobody is told what another one asked."""
    who = [call.caller.principal, call.caller.identity] if call.caller else []
    return digest([*who, call.headers[KEY]]).removeprefix("sha256:")


def _run(service: Service, id_: str) -> Run:
    run = _found(service, id_)
    if run is None:
        raise Unavailable(f"{KEY}: decision {id_}, the answer, is not there any more")
    return run


def _found(service: Service, id_: str) -> Run | None:
    run = service.decisions.get(id_)
    if isinstance(run, Unknown):
        raise Unavailable(f"decision {id_}: {run.reason}: {run.detail}")
    return run

"""Calls to AWS: one wrapper that classifies every error, checks every answer and writes the coverage ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import Session, get_session
from msgspec import Struct

from modelwarden.collect.answer import Answer, Failure, MalformedBody, NoCredentials, ask, state_of
from modelwarden.collect.blob import fetch
from modelwarden.collect.operations import NEEDED
from modelwarden.collect.record import Tape, of_tape
from modelwarden.collect.session import ATTEMPTS, CALLER, OWN, Access, Sessions
from modelwarden.collect.shape import misfit
from modelwarden.snapshot import LedgerRow, RowState

__all__ = ["ATTEMPTS", "OWN", "Access", "Answer", "Aws", "Failure", "NoCredentials", "Tape"]

GLOBAL: Final = "global"
"""In the ledger, the region of a call that has none."""
_IDENTITY: Final = "sts:GetCallerIdentity"

PAUSES_SECONDS: Final = (2.0, 4.0, 8.0)
"""Before a call that was throttled, however often botocore repeated it, is made again."""


class _Row(Struct):
    state: RowState = "read"
    calls: int = 0
    seconds: float = 0.0
    error: str = ""
    request_id: str = ""
    covered_by: str = ""


class Aws:
    """Calls with the credentials of accounts, recorded or replayed, and the ledger of them."""

    def __init__(self, access: Access, tape: Tape, session: Session | None = None, *, above: Aws | None = None) -> None:
        """`session`: of the caller; collectors that share one share what it has loaded of the services' models, too.

        `above` is the same caller for all accounts; see `member`.
        """
        self.access = access
        self.tape = tape
        self._sessions: Sessions = above._sessions.sibling() if above else Sessions(access, session or get_session())
        self._shapes: Shapes = above._shapes if above else Shapes(self._sessions.own)
        self._identity: Answer | None = above._identity if above else None
        self._rows: dict[tuple[str, str, str], _Row] = {}
        self._lock = threading.Lock()
        self._entering = threading.RLock()
        self._entered: set[str] = set()

    def member(self, account: str) -> Aws:
        """The same caller with clients, rates and a ledger of its own: for one account, and dropped with it."""
        found = Aws(self.access, self.tape, above=self)
        if found._sessions.inherit(self._sessions, account):
            found._entered.add(account)
        return found

    def adopt(self, member: Aws, account: str) -> None:
        """Keep what a member assumed in its account for the next one; clients and ledger are the member's alone."""
        self._sessions.inherit(member._sessions, account)

    @property
    def replaying(self) -> bool:
        """Whether the answers come from a recording, which proves nothing about today or about the caller."""
        return self.tape.replay is not None

    def own_account(self, region: str) -> str | Failure:
        """The account of the credentials that read what is no account's; `region` is asked where the caller has none.

        Raises:
            NoCredentials: there are none.
        """
        answer = self.identity(region)
        return answer if isinstance(answer, Failure) else str(self._own)

    def identity(self, region: str) -> Answer | Failure:
        """sts:GetCallerIdentity of the caller; asked again only where it failed."""
        with self._entering:
            if self._identity is not None:
                return self._identity
            home = self.home(region)
            send = partial(self._send, CALLER, home, "sts", "GetCallerIdentity", {})
            answer = self._record(_IDENTITY, OWN, GLOBAL, {}, send)
            self._identity = answer if isinstance(answer, Answer) else None
        return answer

    def home(self, region: str) -> str:
        """The caller's own region; `region` where none is configured."""
        return self._sessions.home(region)

    def enter(self, account: str, region: str) -> Failure | None:
        """Make sure that calls to the account can be made; the AssumeRole error is told here and not by the first call."""
        with self._entering:
            own = self.own_account(region)
            if isinstance(own, Failure):
                return own
            if account in self._entered:
                return None
            assume = partial(self._sessions.assume, account, region)
            if self.access.role is None or account == own:
                if not self.access.via:
                    return None
                assume = partial(self._sessions.go_the_way, region)
            answer = self._record("sts:AssumeRole", account, region, {"account": account}, assume)
            if isinstance(answer, Failure):
                return answer
            if self.access.role is not None:
                self._entered.add(account)
        return None

    def acts_as(self, account: str) -> bool:
        """Whether calls for the account are made with credentials of that account."""
        return account in self._entered or account == self._own

    def call(self, account: str, region: str, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        """One operation with the credentials of an account; `MaxBytes` limits a body, which is read to its end.

        Raises:
            KeyError: the operation is not among those that clients are made with.
        """
        _ = NEEDED[f"{service}:{operation}"]
        send = partial(self._send, self._holder(account), region, service, operation, parameters)
        return self._record(f"{service}:{operation}", account, region, parameters, send)

    def _holder(self, account: str) -> str:
        """Whose credentials call for an account."""
        return OWN if self.access.role is None or account in (OWN, self._own) else account

    def ledger(self) -> tuple[LedgerRow, ...]:
        """The rows so far, sorted."""
        with self._lock:
            rows = sorted(self._rows.items())
        return tuple(
            LedgerRow(
                self._who(api) or account if account == OWN else account,
                region,
                api,
                row.state,
                row.calls,
                round(row.seconds, 3),
                row.error,
                row.request_id,
                row.covered_by,
                round(self._sessions.rates.slowest(self._holder(account), region, api), 2),
            )
            for (account, region, api), row in rows
        )

    def take_ledger(self) -> tuple[LedgerRow, ...]:
        """The rows since it was taken last; what follows is counted anew."""
        rows = self.ledger()
        with self._lock:
            self._rows.clear()
        self._sessions.rates.forget()
        return rows

    def cover(self, account: str, region: str, api: str, by: str) -> None:
        """Note in a row that another API gave the same facts."""
        with self._lock:
            self._rows[account, region, api].covered_by = by

    @property
    def _own(self) -> str | None:
        """Account of the credentials that read what is no account's; None where nobody knows."""
        return self.access.via[-1].split(":")[4] if self.access.via else self._who(_IDENTITY)

    def _who(self, api: str) -> str | None:
        """Account of what is called with no account's credentials: only the caller itself is asked who it is."""
        if api != _IDENTITY:
            return self._own
        return None if self._identity is None else str(self._identity.data["Account"])

    def _record(
        self, api: str, account: str, region: str, parameters: Mapping[str, Any], send: Callable[[], Mapping[str, Any]]
    ) -> Answer | Failure:
        """Send (or replay), keep, and count."""
        started = time.monotonic()
        kept = self.tape.find(account, region, api, parameters, partial(self._wrong, api))
        if kept is None:
            answer = self._ask((account, region, api), send)
            self.tape.keep(account, region, api, parameters, answer)
        else:
            answer = of_tape(kept)
        with self._lock:
            row = self._rows.setdefault((account, region, api), _Row())
            row.calls += 1
            row.seconds += time.monotonic() - started
            if isinstance(answer, Failure) and answer.state != "read" and row.state == "read":
                row.state, row.error = answer.state, f"{answer.code}: {answer.message}"[:300]
                row.request_id = answer.source.request_id or ""
        return answer

    def _ask(self, place: tuple[str, str, str], send: Callable[[], Mapping[str, Any]]) -> Answer | Failure:
        """Ask, and again a while later what AWS throttled, since a client that was throttled often soon repeats nothing.

        Other packages go on meanwhile. Once a call was given up, those after it get no more rounds: time is bounded.
        """
        answer = ask(place[2], send)
        for pause in PAUSES_SECONDS if self.access.attempts > 1 else ():
            if isinstance(answer, Answer) or answer.state != "throttled" or self._given_up(place):
                break
            time.sleep(pause)
            answer = ask(place[2], send)
        return answer

    def _given_up(self, place: tuple[str, str, str]) -> bool:
        with self._lock:
            row = self._rows.get(place)
            return row is not None and row.state == "throttled"

    def _send(
        self, holder: str, region: str, service: str, operation: str, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        client = self._sessions.client(holder, region, service)
        self._sessions.rates.wait(holder, region, f"{service}:{operation}")
        given = {name: value for name, value in parameters.items() if name != "MaxBytes"}
        try:
            answer = _invoke(client, operation, given)
        except ClientError as error:
            if holder == CALLER or (holder == OWN and not self.access.via) or state_of(error) != "expired":
                raise
            self._sessions.renew(holder, region, client)
            client = self._sessions.client(holder, region, service)
            answer = _invoke(client, operation, given)
        if "MaxBytes" in parameters:
            self._read_body(client, answer, parameters["MaxBytes"])
        wrong = self._wrong(f"{service}:{operation}", answer)
        if wrong:
            raise MalformedBody(what=wrong)
        return answer

    def _read_body(self, client: Any, answer: dict[str, Any], limit: int) -> None:
        """Read what the answer streams or points to, up to one byte more than the limit."""
        url = answer.pop("downloadUrl", None)
        if url is not None:
            answer["Body"] = fetch(url, self._sessions.route(client), limit)
            return
        stream = answer["Body"]
        try:
            answer["Body"] = stream.read(limit + 1)
        finally:
            stream.close()
        if len(answer["Body"]) < min(limit, int(answer.get("ContentLength", 0))):
            raise MalformedBody(what="shorter than announced")

    def _wrong(self, api: str, data: Mapping[str, Any]) -> str:
        """What keeps a success from being an answer of the API; empty where nothing does."""
        if api == "sts:AssumeRole":
            return ""
        missing = [name for name in NEEDED[api] if data.get(name) is None]
        if missing:
            return f"no {missing[0]}"
        return misfit(self._shapes.output(*api.split(":")), data)


def _invoke(client: Any, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The call itself. The checksum of an object takes the right to decrypt it, all else of its HEAD does not.

    Without that right S3 refuses the whole call; then the rest is asked for, and `ChecksumUnread` says why.
    """
    method = getattr(client, xform_name(operation))
    try:
        answer: dict[str, Any] = method(**given)
    except ClientError as error:
        if "ChecksumMode" not in given or state_of(error) != "denied":
            raise
        answer = method(**{name: value for name, value in given.items() if name != "ChecksumMode"})
        answer["ChecksumUnread"] = str(error.response["Error"]["Code"])
    return answer


class Shapes:
    """Shapes of answers, from one session's models: they are the same for every account, and large."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def output(self, service: str, operation: str) -> Any:
        """The shape of an operation's answer."""
        with self._lock:
            if (service, operation) not in self._known:
                model = self._session.get_service_model(service)
                self._known[service, operation] = model.operation_model(operation).output_shape
            return self._known[service, operation]

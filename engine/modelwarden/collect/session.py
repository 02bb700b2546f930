"""Who calls AWS: the caller, the roles that it assumes on the way, and the one in each account; clients of all of them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

import botocore
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.session import Session
from botocore.useragent import sanitize_user_agent_string_component
from msgspec import Struct

from modelwarden import __version__
from modelwarden.collect.answer import state_of
from modelwarden.collect.blob import Route
from modelwarden.collect.client import Clients
from modelwarden.collect.pools import THREADS
from modelwarden.collect.rates import Pace, Rates

ATTEMPTS: Final = 8
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
SESSION_SECONDS: Final = 3600
"""The longest that AWS grants to a role that was assumed by another one. Refreshed from 15 minutes before its end on."""
CALLER: Final = "caller"
"""Holder of the caller's own credentials, which prove who it is."""
OWN: Final = "own"
"""Holder of the credentials that read what is no account's: at the end of the way, the caller's own where there is none.
Every other holder is an account, or a role on the way."""


class Access(Struct, frozen=True):
    """How to get at accounts."""

    role: str | None = None
    """Name of the role to assume; `{account}` stands for the account id. None: own credentials everywhere."""
    external_id: str | None = None
    """For that role."""
    via: tuple[str, ...] = ()
    """ARNs of the roles to assume before, one from the other."""
    attempts: int = ATTEMPTS
    timeout_seconds: int | None = None
    pace: Pace = Pace()


class _Link(Struct, frozen=True):
    """One role to assume."""

    before: str
    """Whose credentials assume it."""
    arn: str
    number: int
    """On the way, from 1."""
    external_id: str | None = None


def _agent(own: Session) -> str:
    """By which CloudTrail tells our calls from others. botocore would put its own together anew for each call."""
    parts = [f"modelwarden/{__version__}", f"Botocore/{botocore.__version__}"]
    app = own.get_config_variable("user_agent_appid")
    if app:
        parts.append(f"app/{sanitize_user_agent_string_component(app, allow_hash=False)}")
    return " ".join(parts)


class _Refused(ClientError):  # type: ignore[misc] # botocore has no types
    """What AWS said to a role on the way, with its place. Whoever assumes the next one from it passes it on as it is."""

    def __init__(self, error: ClientError, place: str) -> None:
        told = dict(error.response.get("Error", {}))
        told["Message"] = f"{place}: {told.get('Message', '')}"
        super().__init__({**error.response, "Error": told}, error.operation_name)


class Sessions:
    """Clients and credentials of one collector; clients are shared among its threads."""

    def __init__(self, access: Access, own: Session, above: Sessions | None = None) -> None:
        """`above` lives longer: it makes the clients, and assumes roles, so that credentials outlive a sibling."""
        self._access = access
        self._above = above or self
        self.own = own
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": access.attempts},
            max_pool_connections=THREADS,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=access.timeout_seconds or READ_SECONDS,
            user_agent=_agent(own),
        )
        self._lock = threading.RLock()
        self._makes: Clients = above._makes if above else Clients(own)
        self._credentials: dict[str, Any] = {}
        """Holder -> what was assumed; it refreshes itself."""
        self._clients: dict[tuple[str, str, str], Any] = {}
        self.rates = Rates(access.pace)

    def home(self, region: str) -> str:
        """The caller's own region, in which its credentials hold for certain; `region` where none is configured."""
        configured: str | None = self.own.get_config_variable("region")
        return configured or region

    def sibling(self) -> Sessions:
        """Those of the same caller, with clients and assumed credentials of their own."""
        return Sessions(self._access, self.own, self._above)

    def inherit(self, other: Sessions, account: str) -> bool:
        """Take over what another one assumed in an account, so that nobody asks twice; whether there was anything."""
        credentials = other._credentials.get(account)
        if credentials is not None:
            self._credentials[account] = credentials
        return credentials is not None

    def client(self, holder: str, region: str, service: str) -> Any:
        """The client of a service, made once."""
        with self._lock:
            key = (holder, region, service)
            if key not in self._clients:
                credentials = self._credentials_of(holder, region)
                self._clients[key] = client = self._makes.make(credentials, service, region, self._config)
                client.meta.events.register("needs-retry", partial(_hear, self.rates, holder, region, service))
            return self._clients[key]

    def assume(self, account: str, region: str) -> Mapping[str, Any]:
        """Assume the role in an account, so that clients can be made for it; the credentials refresh themselves.

        Raises:
            whatever sts:AssumeRole does, here and not in the first call of another service.
        """
        if self._above._own_credentials() is None:
            raise NoCredentialsError
        role = str(self._access.role).replace("{account}", account)
        arn = f"arn:{self.own.get_partition_for_region(region)}:iam::{account}:role/{role}"
        link = _Link(OWN, arn, len(self._access.via) + 1, self._access.external_id)
        credentials = self._above._assumed(link, region)
        credentials.get_frozen_credentials()
        with self._lock:
            self._credentials[account] = credentials
            self._drop({account})
        return {"Account": account}

    def go_the_way(self, region: str) -> Mapping[str, Any]:
        """Assume the roles on the way to the accounts, if there are any and they are not assumed.

        Raises:
            whatever sts:AssumeRole does; the message names the role that refused.
        """
        self._above._credentials_of(OWN, region).get_frozen_credentials()
        return {}

    def _credentials_of(self, holder: str, region: str) -> Any:
        if holder == CALLER or (holder == OWN and not self._access.via):
            return self._above._own_credentials()
        if holder == OWN or holder in self._access.via:
            return self._above._on_the_way(self._access.via[-1] if holder == OWN else holder, region)
        return self._credentials[holder]

    def _on_the_way(self, arn: str, region: str) -> Any:
        """The credentials of a role on the way; nothing is asked before they are needed."""
        with self._lock:
            if arn not in self._credentials:
                number = self._access.via.index(arn) + 1
                before = CALLER if number == 1 else self._access.via[number - 2]
                self._credentials[arn] = self._assumed(_Link(before, arn, number), region)
            return self._credentials[arn]

    def _assumed(self, link: _Link, region: str) -> Any:
        refresh = partial(self._assume, link, self.home(region))
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=refresh)

    def _assume(self, link: _Link, home: str) -> dict[str, Any]:
        """Credentials as botocore refreshes them.

        Raises:
            ClientError: refused; where there is a way, the message says by which role of it.
        """
        given = {"RoleArn": link.arn, "RoleSessionName": "modelwarden", "DurationSeconds": SESSION_SECONDS}
        given |= {"ExternalId": link.external_id} if link.external_id else {}
        client = self.client(link.before, home, "sts")
        try:
            try:
                answer = client.assume_role(**given)
            except ClientError as error:
                if link.before == CALLER or not self._access.via or state_of(error) != "expired":
                    raise
                self.renew(OWN, home, client)
                answer = self.client(link.before, home, "sts").assume_role(**given)
        except ClientError as error:
            if not self._access.via or isinstance(error, _Refused):
                raise
            length = len(self._access.via) + (self._access.role is not None)
            raise _Refused(error, f"role {link.number} of {length} on the way, {link.arn}") from error
        told = answer["Credentials"]
        return {
            "access_key": told["AccessKeyId"],
            "secret_key": told["SecretAccessKey"],
            "token": told["SessionToken"],
            "expiry_time": told["Expiration"].isoformat(),
        }

    def _own_credentials(self) -> Any:
        """Of the caller; None where there are none. A session is not thread-safe."""
        with self._lock:
            return self.own.get_credentials()

    def renew(self, holder: str, region: str, used: Any) -> None:
        """Assume the role again because a client's session expired before its time; once for all threads that meet it."""
        with self._lock:
            if used not in self._clients.values():
                return
            if holder == OWN:
                self._above._leave_the_way()
                self._drop({OWN, *self._access.via})
            else:
                self.assume(holder, region)

    def _leave_the_way(self) -> None:
        """The roles on the way are assumed anew by whoever needs them next."""
        with self._lock:
            for arn in self._access.via:
                self._credentials.pop(arn, None)
            self._drop({OWN, *self._access.via})

    def _drop(self, holders: Collection[str]) -> None:
        """Clients are made for credentials, and go with them."""
        self._clients = {key: client for key, client in self._clients.items() if key[0] not in holders}

    def route(self, client: Any) -> Route:
        """How to get at an address that a client was told."""
        return Route(
            endpoint=client.meta.endpoint_url,
            suffix=self._suffix(client.meta.partition),
            verify=self.own.get_config_variable("ca_bundle") or True,
            timeout=(CONNECT_SECONDS, self._access.timeout_seconds or READ_SECONDS),
        )

    def _suffix(self, partition: str) -> str:
        known = self.own.get_data("endpoints")["partitions"]
        return next((str(one["dnsSuffix"]) for one in known if one["partition"] == partition), "amazonaws.com")


def _hear(rates: Rates, holder: str, region: str, service: str, response: Any, operation: Any, **_: Any) -> None:
    """Told of every attempt, and not of calls alone: botocore repeats what was throttled."""
    rates.heard(holder, region, service, response, operation)

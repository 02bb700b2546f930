"""Calls to AWS: one wrapper that classifies every error and writes the coverage ledger.

botocore turns a cut body, an empty body or an HTML page with status 200 into an empty success; the body guard makes each
of them an error. Whatever goes wrong becomes a `Failure`: a value, never a default and never an exception.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PaginationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from msgspec import Struct, field

from modelwarden.collect.record import Tape
from modelwarden.errors import UserError
from modelwarden.evidence import Absent, Fact, Source, Unknown
from modelwarden.snapshot import LedgerRow, RowState

ATTEMPTS: Final = 8
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
THREADS: Final = 16

_GUARDED: Final = ("sagemaker", "ecr", "kms", "organizations", "cloudtrail")
"""Services with JSON protocols; s3 is XML and sts is the query protocol."""

_STATES: Final[dict[RowState, tuple[str, ...]]] = {
    "denied": (
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "Forbidden",
        "403",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "AuthFailure",
        "SignatureDoesNotMatch",
    ),
    "expired": ("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
    "throttled": (
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "TransactionInProgressException",
    ),
    "disabled": ("OptInRequired", "RegionDisabledException"),
}
_ABSENT: Final = (
    "404",
    "NoSuchKey",
    "NoSuchBucket",
    "NotFound",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ImageNotFoundException",
    "RepositoryNotFoundException",
    "NotFoundException",
)


_NOT_THERE: Final = re.compile(r"does not exist|not found|cannot find", re.IGNORECASE)
"""SageMaker answers a missing package, card or group policy with a ValidationException; only its words tell."""


_CERTAIN: Final = {
    "s3:HeadObject": "ETag",
    "s3:GetObject": "ETag",
    "s3:ListObjectsV2": "KeyCount",
    "sts:GetCallerIdentity": "Arn",
    "sagemaker:DescribeModelPackage": "ModelPackageArn",
    "sagemaker:DescribeModelCard": "Content",
    "sagemaker:DescribeTrainingJob": "TrainingJobArn",
    "sagemaker:ListTags": "Tags",
    "sagemaker:GetModelPackageGroupPolicy": "ResourcePolicy",
    "ecr:DescribeRepositories": "repositories",
    "ecr:DescribeImages": "imageDetails",
    "ecr:GetDownloadUrlForLayer": "downloadUrl",
    "kms:DescribeKey": "KeyMetadata",
    "kms:GetKeyRotationStatus": "KeyRotationEnabled",
    "cloudtrail:LookupEvents": "Events",
}
"""What every true answer has. A HEAD has no body that could be guarded: without it a stray answer says "no encryption"."""


class NoCredentials(UserError):
    """Nobody to call AWS as."""

    help = "configure credentials as for the AWS command line, or gate an evidence file"


class MalformedBody(BotoCoreError):  # type: ignore[misc] # botocore has no types
    """A success that is not what the API answers."""

    fmt = "a success that is not what the API answers"


class Answer(Struct, frozen=True):
    """What AWS said."""

    data: Mapping[str, Any]
    source: Source


class Failure(Struct, frozen=True):
    """Why nothing was read; `state` is `read` where AWS answered that it is not there."""

    state: RowState
    code: str
    message: str
    source: Source

    def fact(self) -> Fact:
        """What every fact of the call becomes: absent only on AWS's word."""
        return Absent(self.source) if self.state == "read" else Unknown(self.code, self.source, self.message)


class _Row(Struct):
    state: RowState = "read"
    calls: int = 0
    seconds: float = 0.0
    error: str = ""
    request_id: str = ""


class Access(Struct, frozen=True):
    """How to get at accounts."""

    role: str | None = None
    """Name of the role to assume; `{account}` stands for the account id. None: own credentials everywhere."""
    external_id: str | None = None
    attempts: int = ATTEMPTS
    timeout_seconds: int | None = None


class Aws(Struct, dict=True):
    """Sessions per account, clients per account, region and service, and the ledger."""

    access: Access
    tape: Tape
    session: botocore.session.Session = field(default_factory=botocore.session.get_session)
    """Of the caller; collectors that share one share what it has loaded of the services' models, too."""
    rows: dict[tuple[str, str, str], _Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": self.access.attempts},
            max_pool_connections=THREADS,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=self.access.timeout_seconds or READ_SECONDS,
        )
        self._lock = threading.Lock()
        self._sessions: dict[str, botocore.session.Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._own: str | None = None
        self._identity: Answer | Failure | None = None
        self._asking = threading.Lock()

    def own_account(self, region: str) -> str | Failure:
        """The account of the caller's credentials.

        Raises:
            NoCredentials: there are none.
        """
        if self._own is None:
            answer = self.identity(region)
            if isinstance(answer, Failure):
                return answer
            self._own = str(answer.data["Account"])
        return self._own

    def identity(self, region: str) -> Answer | Failure:
        """sts:GetCallerIdentity of the caller, once."""
        with self._asking:
            if self._identity is None:
                self._identity = self._ask("own", region, "sts", "GetCallerIdentity", {})
        return self._identity

    def enter(self, account: str, region: str) -> Failure | None:
        """Make sure that calls to the account can be made; the AssumeRole error is told here and not by the first call."""
        own = self.own_account(region)
        if isinstance(own, Failure):
            return own
        if self.access.role is None or account == own:
            return None
        answer = self._record(
            "sts:AssumeRole", account, region, {"account": account}, partial(self._assume, account, region)
        )
        return answer if isinstance(answer, Failure) else None

    def call(self, account: str, region: str, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        """One operation with the credentials of an account."""
        holder = "own" if self.access.role is None or account in ("own", self._own) else account
        return self._ask(holder, region, service, operation, parameters, account)

    def ledger(self) -> tuple[LedgerRow, ...]:
        """The rows so far, sorted."""
        return tuple(
            LedgerRow(
                self._own or account if account == "own" else account,
                region,
                api,
                row.state,
                row.calls,
                round(row.seconds, 3),
                row.error,
                row.request_id,
            )
            for (account, region, api), row in sorted(self.rows.items())
        )

    def _ask(
        self, holder: str, region: str, service: str, operation: str, parameters: dict[str, Any], account: str = ""
    ) -> Answer | Failure:
        api = f"{service}:{operation}"
        return self._record(
            api,
            account or self._own or holder,
            region,
            parameters,
            partial(self._send, holder, region, service, operation, parameters),
        )

    def _record(
        self, api: str, account: str, region: str, parameters: Mapping[str, Any], send: Callable[[], Mapping[str, Any]]
    ) -> Answer | Failure:
        """Send (or replay), classify, keep, and count."""
        started = time.monotonic()
        kept = self.tape.find(account, region, api, parameters)
        if kept is not None:
            answer = _of_tape(kept, api)
        else:
            answer = _guarded(send, api)
            if isinstance(answer, Failure) and answer.state == "malformed":
                answer = _guarded(send, api)
            self.tape.keep(account, region, api, parameters, _to_tape(answer))
        with self._lock:
            row = self.rows.setdefault((account, region, api), _Row())
            row.calls += 1
            row.seconds += time.monotonic() - started
            if isinstance(answer, Failure) and answer.state != "read" and row.state == "read":
                row.state, row.error = answer.state, f"{answer.code}: {answer.message}"[:300]
                row.request_id = answer.source.request_id or ""
        return answer

    def _send(
        self, holder: str, region: str, service: str, operation: str, parameters: dict[str, Any]
    ) -> Mapping[str, Any]:
        client = self._client(holder, region, service)
        method = getattr(client, _snake(operation))
        limit = parameters.get("MaxBytes")
        answer: dict[str, Any] = method(**{name: value for name, value in parameters.items() if name != "MaxBytes"})
        if answer.get(_CERTAIN.get(f"{service}:{operation}", "ResponseMetadata")) is None:
            raise MalformedBody
        if limit is not None:
            answer["Body"] = answer["Body"].read(limit + 1)
            if len(answer["Body"]) < min(limit, int(answer.get("ContentLength", 0))):
                raise MalformedBody
        return answer

    def _client(self, holder: str, region: str, service: str) -> Any:
        with self._lock:
            key = (holder, region, service)
            if key not in self._clients:
                session = self.session if holder == "own" else self._sessions[holder]
                self._clients[key] = client = session.create_client(service, region_name=region, config=self._config)
                if service in _GUARDED:
                    client.meta.events.register(f"before-parse.{service}", _guard)
            return self._clients[key]

    def _assume(self, account: str, region: str) -> Mapping[str, Any]:
        assert self.access.role is not None
        name = self.access.role.replace("{account}", account)
        own = self.session.get_credentials()
        if own is None:
            raise NoCredentialsError
        partition = self.session.get_partition_for_region(region)
        extra = {"RoleSessionName": "modelwarden", "DurationSeconds": 3600}
        fetcher = AssumeRoleCredentialFetcher(
            partial(self.session.create_client, region_name=region, config=self._config),
            own,
            f"arn:{partition}:iam::{account}:role/{name}",
            extra_args=extra | ({"ExternalId": self.access.external_id} if self.access.external_id else {}),
        )
        credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
        credentials.get_frozen_credentials()
        session = botocore.session.Session()
        session.register_component("data_loader", self.session.get_component("data_loader"))
        session.register_component("credential_provider", _Held(credentials))
        with self._lock:
            self._sessions[account] = session
        return {"Account": account}


class _Held:
    """A credential provider with one set of credentials, which refresh themselves."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        return self._credentials


def _guard(response_dict: dict[str, Any], **_: Any) -> None:
    """A success must carry a JSON object: a cut body, an empty one or a page of HTML is none."""
    if response_dict["status_code"] >= 300:
        return
    body = response_dict["body"]
    try:
        whole = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        whole = False
    if (not whole and body.strip() not in (b"",)) or (not whole and not body.strip()):
        raise MalformedBody


def _guarded(send: Callable[[], Mapping[str, Any]], api: str) -> Answer | Failure:
    """INVARIANT: nothing that a service or the network does raises past this point, but for missing credentials."""
    try:
        data = dict(send())
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise NoCredentials("no AWS credentials were found") from error
    except ClientError as error:
        return _of_error(error, api)
    except (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError, SSLError) as error:
        return _failure("unreachable", type(error).__name__, error, api)
    except (MalformedBody, PaginationError, ResponseParserError) as error:
        return _failure("malformed", type(error).__name__, error, api)
    except CredentialRetrievalError as error:
        return _failure("denied", type(error).__name__, error, api)
    except HTTPClientError as error:
        return _failure("unreachable", type(error).__name__, error, api)
    except BotoCoreError as error:
        return _failure("malformed", type(error).__name__, error, api)
    except (ValueError, AttributeError, KeyError, TypeError, OverflowError) as error:
        # A bad timestamp, a list where an object belongs: botocore's parsers raise these bare.
        return _failure("malformed", type(error).__name__, error, api)
    meta = data.pop("ResponseMetadata", {})
    return Answer(data, Source(api, _now(), meta.get("RequestId")))


def _of_error(error: ClientError, api: str) -> Failure:
    told = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code, message = str(told.get("Code", "Unknown")), str(told.get("Message", ""))
    where = error.operation_name if error.operation_name == "AssumeRole" else ""
    source = Source("sts:AssumeRole" if where else api, _now(), meta.get("RequestId"))
    return Failure(
        _state(code, message, int(meta.get("HTTPStatusCode", 0))), code, " ".join(message.split())[:200], source
    )


def _state(code: str, message: str, status: int) -> RowState:
    for state, codes in _STATES.items():
        if code in codes:
            return state
    if code in _ABSENT or (code == "ValidationException" and _NOT_THERE.search(message)):
        return "read"
    return "unreachable" if status >= 500 else "malformed"


def _failure(state: RowState, code: str, error: BaseException, api: str) -> Failure:
    return Failure(state, code, " ".join(str(error).split())[:200], Source(api, _now()))


def _to_tape(answer: Answer | Failure) -> dict[str, Any]:
    source = {"api": answer.source.api, "at": answer.source.at, "request_id": answer.source.request_id}
    if isinstance(answer, Answer):
        return {"data": dict(answer.data), "source": source}
    return {"failure": {"state": answer.state, "code": answer.code, "message": answer.message}, "source": source}


def _of_tape(kept: dict[str, Any], api: str) -> Answer | Failure:
    source = Source(**kept.get("source", {"api": api}))
    if "data" in kept:
        return Answer(kept["data"], source)
    return Failure(**kept["failure"], source=source)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _snake(operation: str) -> str:
    """`DescribeKey` -> `describe_key`, `ListObjectsV2` -> `list_objects_v2`."""
    if operation == "ListObjectsV2":
        return "list_objects_v2"
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")

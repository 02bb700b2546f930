"""What became of one call: an answer, or why there is none. Whatever goes wrong is classified here, in one place.

A `Failure` is a value, never a default and never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from msgspec import Struct

from modelwarden.collect.text import whole
from modelwarden.errors import UserError
from modelwarden.evidence import Absent, Fact, Source, Unknown
from modelwarden.period import utc
from modelwarden.snapshot import RowState

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
_NOT_THERE: Final = re.compile(r"does not exist|not found|cannot find|could not find", re.IGNORECASE)
"""SageMaker answers a missing package, job, card or group policy with a ValidationException; only its words tell."""


class NoCredentials(UserError):
    """Nobody to call AWS as."""

    help = "configure credentials as for the AWS command line, or gate an evidence file"


class MalformedBody(BotoCoreError):  # type: ignore[misc] # botocore has no types
    """A success that is not what the API answers."""

    fmt = "a success that is not what the API answers: {what}"


class Answer(Struct, frozen=True):
    """What AWS said; every member has the type of the service model."""

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
        return Absent(self.source) if self.state == "read" else self.unknown()

    def unknown(self) -> Unknown:
        """The same where even AWS's word that it is not there leaves the question open."""
        return Unknown("NotFound" if self.state == "read" else self.code, self.source, self.message)


def ask(api: str, send: Callable[[], Mapping[str, Any]]) -> Answer | Failure:
    """Send, and send again what came back spoilt: botocore repeats errors, but not a success that is none.

    Raises:
        NoCredentials: there is nobody to call as. Nothing else that a service or the network does is raised.
    """
    answer, certain = _ask(api, send)
    return answer if certain else _ask(api, send)[0]


def _ask(api: str, send: Callable[[], Mapping[str, Any]]) -> tuple[Answer | Failure, bool]:
    """(what came of it, whether that can be taken as it is)."""
    try:
        data = dict(send())
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise NoCredentials("no AWS credentials were found") from error
    except ClientError as error:
        return _of_error(error, api), True
    except (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError, SSLError) as error:
        return _failure("unreachable", error, api), True
    except CredentialRetrievalError as error:
        return _failure("denied", error, api), True
    except (HTTPClientError, OSError) as error:
        return _failure("unreachable", error, api), True
    except (BotoCoreError, ResponseParserError) as error:
        return _failure("malformed", error, api), False
    except (ValueError, AttributeError, KeyError, TypeError, OverflowError, RecursionError) as error:
        # A bad timestamp, a list where an object belongs: botocore's parsers raise these bare.
        return _failure("malformed", error, api), False
    meta = data.pop("ResponseMetadata", {})
    # An answer that is cut within its headers says that an object is not encrypted. Since 2023 S3 encrypts every new
    # one, so that this is rare, and believed only when it is said twice.
    certain = api != "s3:HeadObject" or "ServerSideEncryption" in data
    return Answer(data, Source(api, now(), meta.get("RequestId"))), certain


def _of_error(error: ClientError, api: str) -> Failure:
    told = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code, message = whole(str(told.get("Code", "Unknown"))), str(told.get("Message", ""))
    source = Source("sts:AssumeRole" if error.operation_name == "AssumeRole" else api, now(), meta.get("RequestId"))
    return Failure(_state(api, code, message, int(meta.get("HTTPStatusCode", 0))), code, _line(message), source)


def state_of(error: ClientError) -> RowState:
    """The state that an error of AWS stands for."""
    return _of_error(error, "").state


def is_throttle(code: str) -> bool:
    """Whether an error's code says that too much was asked."""
    return code in _STATES["throttled"]


def _state(api: str, code: str, message: str, status: int) -> RowState:
    for state, codes in _STATES.items():
        if code in codes:
            return state
    missing = api.startswith("sagemaker:") and code == "ValidationException" and _NOT_THERE.search(message)
    if code in _ABSENT or missing:
        return "read"
    return "unreachable" if status >= 500 else "malformed"


def _failure(state: RowState, error: BaseException, api: str) -> Failure:
    return Failure(state, type(error).__name__, _line(str(error)), Source(api, now()))


def _line(text: str) -> str:
    return whole(" ".join(text.split())[:200])


def now() -> str:
    """UTC, to the second."""
    return utc(datetime.now(UTC))

"""Image configurations: the blob behind an address that ECR hands out, with limits on where it lies and how large it is.

The address carries a signature and is good for whoever holds it: it is used at once, and neither shown nor kept.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from msgspec import Struct

from modelwarden.collect.answer import MalformedBody

_PORTS: Final = {"https": 443, "http": 80}


class Route(Struct, frozen=True):
    """Which addresses are followed, and how."""

    endpoint: str
    """Of the service that hands out addresses."""
    suffix: str
    """Of AWS's own names in the region's partition: `amazonaws.com`."""
    verify: Any
    """A bundle of certificates, or True for the usual ones."""
    timeout: tuple[int, int]
    """Seconds to connect, and to wait for bytes."""


def fetch(url: str, route: Route, limit: int) -> bytes:
    """The bytes behind an address, at most one more than the limit; redirects are not followed.

    Raises:
        MalformedBody: the address leads elsewhere, or to more than `limit` bytes.
        ClientError: an error instead of the blob.
    """
    if not is_trusted(url, route):
        raise MalformedBody(what="a download address outside of AWS")
    session = URLLib3Session(verify=route.verify, proxies=get_environ_proxies(url), timeout=route.timeout)
    response = session.send(AWSRequest("GET", url, stream_output=True).prepare())
    try:
        if response.status_code != 200:
            told = {"Code": str(response.status_code), "Message": "the download address answered with an error"}
            status = {"HTTPStatusCode": response.status_code}
            raise ClientError({"Error": told, "ResponseMetadata": status}, "GetDownloadUrlForLayer")
        body: bytes = response.raw.read(limit + 1, decode_content=False)
    finally:
        response.raw.close()
        session.close()
    if len(body) > limit:
        raise MalformedBody(what=f"more than {limit} bytes")
    return body


def is_trusted(url: str, route: Route) -> bool:
    """Whether an address lies below AWS's own names, or at the very endpoint that handed it out (a simulator's)."""
    try:
        there = urlsplit(url)
        scheme, host, port = _origin(there)
        named = there.username is not None or not host
        aws = (scheme, port) == ("https", 443) and host.endswith(f".{route.suffix}")
        return not named and (aws or (scheme, host, port) == _origin(urlsplit(route.endpoint)))
    except ValueError:
        return False


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    return url.scheme, url.hostname or "", url.port or _PORTS.get(url.scheme)

"""Fetch a policy pack from S3."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from modelwarden.toml import SettingsError, printable

MAX_PACK = 64_000_000
"""Bytes of the object."""


def fetch_pack(uri: str) -> bytes:
    """The object of `s3://bucket/key`, with the caller's own credentials.

    Raises:
        SettingsError: it is no such URI, cannot be read or is too large.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    shown = printable(uri)
    if not bucket or not key:
        raise SettingsError(f"{shown}: names no object", "write it as s3://bucket/key")
    try:
        body = get_session().create_client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        data: bytes = body.read(MAX_PACK + 1)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        raise SettingsError(
            f"{shown}: cannot be read: s3:GetObject answered {code}", "grant s3:GetObject on it"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"{shown}: cannot be read: {printable(error)}", "check credentials and region") from error
    if len(data) > MAX_PACK:
        raise SettingsError(f"{shown}: larger than {MAX_PACK} bytes", "split the pack")
    return data

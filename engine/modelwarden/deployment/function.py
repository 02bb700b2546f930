"""The function that answers events: whether it runs, by which pack, and what feeds it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from modelwarden import gate
from modelwarden.checkup import CANNOT_TELL, OK, WRONG, Part
from modelwarden.collect.aws import Answer, Failure
from modelwarden.collect.pack import MAX_PACK
from modelwarden.deployment.hub import Hub, is_key, judge
from modelwarden.errors import UserError
from modelwarden.gate import House
from modelwarden.settings.log import KMS, LockedBucket, log_of
from modelwarden.settings.pack import digest_pack, read_pack, unpack
from modelwarden.settings.store import Table, store_of

_HANDLER: Final = "modelwarden.aws.events.handler"
_DEPLOY: Final = "deploy the stack again with deploy/hub.yaml"
_PACK: Final = (
    "deploy the hub with PolicyPackDigest as `modelwarden config digest PACK` prints it, or put back the pack"
)


def function(hub: Hub, made: Answer | Failure, queue: Answer | Failure) -> Iterator[Part]:
    """How it stands, and what feeds it; `made` is what Lambda says of the function, `queue` what SQS says of the queue."""
    yield judge("function", _DEPLOY, _runs, made)
    reserved = hub.of("Events", "lambda", "GetFunctionConcurrency", "FunctionName")
    yield judge("reserved concurrency", "set Concurrency of the stack", _reserved, reserved)
    mappings = hub.of("Events", "lambda", "ListEventSourceMappings", "FunctionName")
    yield judge("event source", _DEPLOY, _fed, mappings, queue)


def configuration(hub: Hub) -> Answer | Failure:
    """What Lambda says of the function."""
    return hub.of("Events", "lambda", "GetFunctionConfiguration", "FunctionName")


def _runs(made: Mapping[str, Any]) -> Iterator[str]:
    # A function that nobody called for weeks is Inactive until somebody does.
    if made.get("State") not in ("Active", "Inactive"):
        yield f"its state is {made.get('State')}: {made.get('StateReason')}"
    if made.get("LastUpdateStatus") != "Successful":
        yield f"its last update is {made.get('LastUpdateStatus')}: {made.get('LastUpdateStatusReason')}"
    if made["Handler"] != _HANDLER:
        yield f"its handler is {made['Handler']}"


def _reserved(told: Mapping[str, Any]) -> Iterator[str]:
    if "ReservedConcurrentExecutions" not in told:
        yield "none is reserved: others can use up the account's"
    elif told["ReservedConcurrentExecutions"] == 0:
        yield "it is 0: the function is not let run"


def _fed(told: Mapping[str, Any], queue: Mapping[str, Any]) -> Iterator[str]:
    arn = queue["Attributes"]["QueueArn"]
    found = [one for one in told["EventSourceMappings"] if one.get("EventSourceArn") == arn]
    if not found:
        yield f"nothing hands the function what lies in {arn}"
    for one in found:
        if one.get("State") != "Enabled":
            yield f"it is {one.get('State')}"
        if "ReportBatchItemFailures" not in (one.get("FunctionResponseTypes") or ()):
            yield "one failure repeats a whole batch: ReportBatchItemFailures is missing"


def pack(hub: Hub, made: Answer | Failure) -> tuple[Part, House | None]:
    """Whether the pack in S3 is the one that the function is pinned to, and the house that it makes."""
    if isinstance(made, Failure):
        return judge("policy pack", _DEPLOY, lambda _: (), made), None
    said = made.data.get("Environment", {})
    if "Error" in said:
        # Lambda shows a function without its variables to whoever may not use the key that they lie under.
        why = f"the function's environment: {said['Error'].get('ErrorCode')}: {said['Error'].get('Message')}"
        return Part("policy pack", CANNOT_TELL, why, "grant kms:Decrypt on the key of the function's variables"), None
    variables = said.get("Variables", {})
    location, digest = (variables.get(f"MODELWARDEN_ORGANIZATION{end}", "") for end in ("", "_DIGEST"))
    if not location.startswith("s3://") or not digest:
        return Part("policy pack", WRONG, "the function's environment pins no pack in S3", _DEPLOY), None
    bucket, _, key = location.removeprefix("s3://").partition("/")
    answer = hub.ask("s3", "GetObject", Bucket=bucket, Key=key, MaxBytes=MAX_PACK)
    if isinstance(answer, Failure):
        return judge("policy pack", _PACK, lambda _: (), answer), None
    return _house(location, digest, bytes(answer.data["Body"]))


def _house(location: str, digest: str, data: bytes) -> tuple[Part, House | None]:
    try:
        files = read_pack(location, lambda _: data)
        if digest_pack(files) != digest:
            said = f"{location} is {digest_pack(files)}, and the function is pinned to {digest}: it answers nothing"
            return Part("policy pack", WRONG, said, _PACK), None
        with tempfile.TemporaryDirectory() as name:
            unpack(files, Path(name))
            house = gate.load_house(gate.Sources(organization=name, organization_digest=digest), {})
    except UserError as error:
        return Part("policy pack", WRONG, f"{location}: {error}", error.help), None
    return Part("policy pack", OK), house


def places(hub: Hub, house: House | None) -> Part:
    """Whether the pack names what the stack made."""
    if house is None:
        return Part("settings", CANNOT_TELL, "the policy pack could not be used", "see above")
    ids = [hub.id(one) for one in ("Table", "Records", "SigningKey")]
    help_ = "write the outputs of the stack into the pack (docs/deployment.md), and deploy with its digest"
    return judge("settings", help_, lambda table, bucket, key: _agree(hub, house, table, bucket, key), *ids)


def _agree(hub: Hub, house: House, table: str, bucket: str, key: str) -> Iterator[str]:
    settings = house.settings
    store = store_of(settings.store) if settings.store else None
    if not isinstance(store, Table) or (store.name, store.region) != (table, hub.region):
        yield f"`store` is {settings.store or 'not set'}, and the table {table}"
    if not (settings.records or "").startswith(f"s3://{bucket}/"):
        yield f"`records` is {settings.records or 'not set'}, and the bucket {bucket}"
    log = log_of(settings.log) if settings.log else None
    if settings.log and not (isinstance(log, LockedBucket) and log.bucket == bucket):
        yield f"`log` is {settings.log}, and the bucket {bucket}"
    if settings.sign and not (settings.sign.startswith(KMS) and is_key(settings.sign, key)):
        yield f"`sign` is {settings.sign}, and the signing key {key}"

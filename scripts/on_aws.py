#!/usr/bin/env python3
"""Shows on an account what a simulation cannot: `.venv/bin/python scripts/on_aws.py --stack modelwarden --group GROUP [--only NAME]`.

Run it in the hub's account and region, after docs/deployment.md, with credentials of somebody who administers it. Each check
says `shown`, `NOT SHOWN` with the reason, or `left out` with what it lacks; exit code 1 where something was not shown.
Checks marked with * change something: they register a version in a model package group that you name for trials, and remove
it again, put an object that stays as long as the bucket locks it, or start a scan.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

try:
    import boto3
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError, ClientError
    from msgspec import Struct

    from modelwarden.arn import parse_arn
except ModuleNotFoundError as error:
    sys.exit(
        f"error: this Python has no {error.name}\nhelp: use one that has modelwarden: .venv/bin/python {sys.argv[0]}"
    )

_PAUSE_SECONDS: Final = 2.0


class NotShown(Exception):
    """What was seen instead."""


class LeftOut(Exception):
    """What the check lacks."""


class Hub(Struct, frozen=True):
    """What was deployed, by the outputs of its stacks."""

    session: boto3.Session
    stack: str
    group: str
    """A model package group for trials; empty: none."""
    wait_seconds: float
    endpoint: str | None = None
    """Of a simulator."""

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)

    def output(self, name: str, beside: str = "") -> str:
        """Raises LeftOut where the stack, or its output, is not there."""
        stack = f"{self.stack}{beside}"
        try:
            (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            raise LeftOut(f"no stack `{stack}`: {error.response['Error']['Message']}") from error
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
        if name not in outputs:
            raise LeftOut(f"stack `{stack}` has no output {name}")
        return str(outputs[name])

    def until(self, what: str, seen: Callable[[], Any]) -> tuple[Any, float]:
        """(what was seen at last, after how many seconds). Raises NotShown where it is not."""
        began = time.monotonic()
        while True:
            found = seen()
            if found:
                return found, time.monotonic() - began
            if time.monotonic() - began > self.wait_seconds:
                raise NotShown(f"{what}: not within {self.wait_seconds:.0f} seconds")
            time.sleep(min(_PAUSE_SECONDS, self.wait_seconds / 10))


def approval(hub: Hub) -> str:
    """* An approval that nobody should give is answered: an event comes, is judged, recorded and, in mode enforce, taken back."""
    if not hub.group:
        raise LeftOut("name a group for trials by --group")
    registry, s3 = hub.client("sagemaker"), hub.client("s3")
    bucket = hub.output("Records").removeprefix("s3://").partition("/")[0]
    there = registry.list_model_packages(ModelPackageGroupName=hub.group, MaxResults=1)["ModelPackageSummaryList"]
    if not there:
        raise LeftOut(f"group `{hub.group}` has no version whose inference specification a trial could have")
    like = registry.describe_model_package(ModelPackageName=there[0]["ModelPackageArn"])
    made: str = registry.create_model_package(
        ModelPackageGroupName=hub.group,
        ModelPackageDescription="modelwarden: a trial",
        InferenceSpecification=like["InferenceSpecification"],
        ModelApprovalStatus="PendingManualApproval",
    )["ModelPackageArn"]
    try:
        registry.update_model_package(ModelPackageArn=made, ModelApprovalStatus="Approved")

        def recorded() -> list[str]:
            # Records lie by package, and this one is new.
            told = s3.list_objects_v2(Bucket=bucket, Prefix=f"archive/{parse_arn(made).short}/")
            return [one["Key"] for one in told.get("Contents", [])]

        found, seconds = hub.until("a run of the function in the archive", recorded)
        status = registry.describe_model_package(ModelPackageName=made)["ModelApprovalStatus"]
    finally:
        registry.delete_model_package(ModelPackageName=made)
    return f"recorded after {seconds:.0f} s as {found[0]}; its status is now {status}"


def scan(hub: Hub) -> str:
    """* The state machine comes to its end within Lambda's limits, and read what it expected."""
    machines, arn = hub.client("stepfunctions"), hub.output("MachineArn", "-scan")
    run = machines.start_execution(stateMachineArn=arn, input="{}")["executionArn"]

    def ended() -> Any:
        told = machines.describe_execution(executionArn=run)
        return told if told["status"] != "RUNNING" else None

    told, seconds = hub.until("the end of the machine", ended)
    if told["status"] != "SUCCEEDED":
        raise NotShown(f"{told['status']}: {told.get('error')}: {str(told.get('cause'))[:300]}")
    found = json.loads(told["output"])
    return (
        f"{found['read']} of {found['expected']} account-regions read in {seconds:.0f} s, verdicts {found['verdicts']}"
    )


def lock(hub: Hub) -> str:
    """* What was recorded cannot be deleted: S3 refuses to delete the version of an object under Object Lock."""
    s3 = hub.client("s3")
    bucket = hub.output("Records").removeprefix("s3://").partition("/")[0]
    put = s3.put_object(Bucket=bucket, Key="archive/trial", Body=b"a trial of the lock\n", ChecksumAlgorithm="SHA256")
    if "VersionId" not in put:
        raise NotShown("the bucket keeps no versions")
    told = s3.head_object(Bucket=bucket, Key="archive/trial", VersionId=put["VersionId"])
    if "ObjectLockMode" not in told:
        raise NotShown("the object has no retention")
    try:
        s3.delete_object(Bucket=bucket, Key="archive/trial", VersionId=put["VersionId"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return f"{told['ObjectLockMode']} until {told['ObjectLockRetainUntilDate']:%Y-%m-%d}; deleting it was refused"
    raise NotShown("the version was deleted")


def signature(hub: Hub) -> str:
    """The signing key signs what modelwarden signs, so that it verifies outside of AWS."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    kms, key = hub.client("kms"), hub.output("SigningKeyArn")
    message = b"modelwarden: a trial"
    made = kms.sign(KeyId=key, Message=message, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise NotShown("the key is no elliptic curve")
    try:
        public.verify(made, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise NotShown("the signature does not verify") from error
    return f"verified with the public key of {public.curve.name}"


def api(hub: Hub) -> str:
    """The API answers a signed call, and refuses one that nobody signed."""
    url = f"{hub.output('Address', '-api').rstrip('/')}/controls"
    credentials = hub.session.get_credentials()
    if credentials is None:
        raise LeftOut("there are no credentials")
    request = AWSRequest("GET", url)
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", hub.session.region_name).add_auth(request)
    signed, unsigned = _status(url, dict(request.headers)), _status(url, {})
    if (signed, unsigned) != (200, 403):
        raise NotShown(f"a signed call is answered {signed}, and one that nobody signed {unsigned}")
    return "200 for a signed call, 403 for another"


def _status(url: str, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=35) as answer:  # noqa: S310 - https
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def athena(hub: Hub) -> str:
    """A named query answers over what was published."""
    queries = hub.client("athena")
    group, database = hub.output("WorkGroupName", "-analytics"), hub.output("DatabaseName", "-analytics")
    run = queries.start_query_execution(
        QueryString="SELECT count(*) FROM runs",
        WorkGroup=group,
        QueryExecutionContext={"Database": database},
        ClientRequestToken=hashlib.sha256(str(time.time_ns()).encode()).hexdigest(),
    )["QueryExecutionId"]

    def ended() -> Any:
        told = queries.get_query_execution(QueryExecutionId=run)["QueryExecution"]["Status"]
        return told if told["State"] not in ("QUEUED", "RUNNING") else None

    told, seconds = hub.until("the answer of Athena", ended)
    if told["State"] != "SUCCEEDED":
        raise NotShown(f"{told['State']}: {told.get('StateChangeReason')}")
    rows = queries.get_query_results(QueryExecutionId=run)["ResultSet"]["Rows"]
    count = rows[1]["Data"][0]["VarCharValue"]
    if count == "0":
        raise NotShown("no scan is published")
    return f"{count} scans are published; answered in {seconds:.0f} s"


def starts(hub: Hub) -> str:
    """How long the functions take to start and to answer, which no simulation tells."""
    logs, told = hub.client("logs"), []
    for name in ("events", "api", "scan-plan", "scan-work", "scan-reduce"):
        group = f"/aws/lambda/{hub.stack}-{name}"
        try:
            found = logs.filter_log_events(logGroupName=group, filterPattern="REPORT", limit=200)["events"]
        except ClientError:
            continue
        values = [dict(part.split(": ", 1) for part in one["message"].split("\t") if ": " in part) for one in found]
        most = {
            what: max((float(one[what].split()[0]) for one in values if what in one), default=None)
            for what in ("Init Duration", "Duration", "Max Memory Used")
        }
        told += [f"{name}: " + ", ".join(f"{what} {value:.0f}" for what, value in most.items() if value is not None)]
    if not told:
        raise LeftOut("no function wrote a line; start one first")
    return "; ".join(told) + " (ms, MB, the largest of 200)"


CHECKS: Final = {one.__name__: one for one in (approval, scan, lock, signature, api, athena, starts)}


def run(hub: Hub, names: list[str]) -> int:
    """Print how each check ended; the exit code."""
    failed = 0
    for name in names:
        try:
            said = f"shown      {CHECKS[name](hub)}"
        except LeftOut as error:
            said = f"left out   {error}"
        except (NotShown, ClientError, BotoCoreError, OSError) as error:
            failed, said = 1, f"NOT SHOWN  {error}"
        print(f"{name:10} {said}", flush=True)
    return failed


def main(arguments: list[str]) -> int:
    about = "\n".join(f"  {name:10} {str(check.__doc__).splitlines()[0]}" for name, check in CHECKS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"checks:\n{about}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", default="modelwarden", help="name of the hub's stack (default: %(default)s)")
    parser.add_argument("--group", default="", help="a model package group of this account, for trials")
    parser.add_argument("--only", action="append", choices=CHECKS, help="a check; may be repeated (default: all)")
    parser.add_argument(
        "--wait", type=float, default=900, help="seconds to wait for what takes time (default: %(default)s)"
    )
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    asked: Any = parser.parse_args(arguments)
    hub = Hub(boto3.Session(), asked.stack, asked.group, asked.wait, asked.endpoint)
    return run(hub, asked.only or list(CHECKS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A hub and a spoke, deployed to the simulated organization, as tests find them."""

from __future__ import annotations

import io
import json
import os
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.aws import events
from modelwarden.aws.desk import desk_of
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from tests.aws.conftest import HOME, HUB, REGION, SPOKE, Hub
from tests.demo.registry import restored

from .templates import Template, load, reduced, translated

STACK = "modelwarden"
BUCKET = f"{STACK}-{HUB}-{REGION}"
PACK = "s3://policies/pack.tar.gz"
TOP = f'store = "dynamodb://{STACK}-state?region={REGION}"\nrecords = "s3://{BUCKET}/records"\n'
PLACE = f"arn:aws:sagemaker:{REGION}:{SPOKE}:x"


class Deployed(Hub):
    """A hub and a spoke that CloudFormation made."""

    outputs: dict[str, str]
    api: dict[str, str]
    """Outputs, too."""
    digest: str
    """Of the policy pack."""
    pack: bytes
    """Its archive."""
    function: dict[str, Any]
    rows: dict[str, list[dict[str, Any]]]

    def deploy(self, name: str, template: Template, place: str, **parameters: str) -> dict[str, str]:
        """Outputs of a stack."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # so that a type of which nothing is made is no success
            stacks = self.registry.client(place, "cloudformation")
            given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
            stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
            (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        self.rows[name] = stacks.describe_stack_resources(StackName=name)["StackResources"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def publish_pack(self) -> str:
        """The organization's policy pack as an object, as the function fetches it; its digest."""
        folder = Path(self.registry.pack('[respond]\nmode = "enforce"\n', top=TOP)[1])
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            archive.add(folder / "modelwarden.toml", "modelwarden.toml")
        s3 = self.client("s3")
        s3.create_bucket(Bucket="policies", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.pack = data.getvalue()
        s3.put_object(Bucket="policies", Key="pack.tar.gz", Body=self.pack)
        return digest_pack(read_pack(str(folder), None))

    def beside(self, name: str, template: str) -> dict[str, str]:
        """Outputs of a stack beside the hub."""
        own = ("DataKeyArn", "SigningKeyArn", "AlarmTopicArn")
        return self.deploy(
            name,
            reduced(translated(load(template))),
            HOME,
            HubStack=STACK,
            OrganizationId="o-sandbox0000",
            PolicyPack=PACK,
            PolicyPackDigest=self.digest,
            **{one: self.outputs[one] for one in own},
        )

    def put(self, kind: str, source: str = "aws.sagemaker", **detail: Any) -> None:
        """An event on the default bus of the spoke; moto lets anybody put one of AWS."""
        entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}
        self.registry.client(PLACE, "events").put_events(Entries=[entry])


@contextmanager
def deployed(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Both stacks, and the environment of the function."""
    with Sandbox("demo") as sandbox, restored(sandbox, folder) as registry:
        found = Deployed(registry, patch)
        found.rows = {}
        s3 = found.client("s3")
        s3.create_bucket(Bucket="deployment", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="deployment", Key="lambda.zip", Body=b"PK\x05\x06" + bytes(18))
        found.digest = found.publish_pack()
        found.outputs = found.deploy(
            STACK,
            reduced(translated(load("hub.yaml"))),
            HOME,
            OrganizationId="o-sandbox0000",
            PolicyPack=PACK,
            PolicyPackDigest=found.digest,
        )
        found.deploy("spoke", load("spoke.yaml"), PLACE, HubBusArn=found.outputs["IntakeArn"])
        found.function = found.client("lambda").get_function_configuration(FunctionName=f"{STACK}-events")
        variables = found.function["Environment"]["Variables"]
        found.queue, found.dead = variables["QUEUE_URL"], found.outputs["DeadLettersUrl"]
        found.made = {"queue": f"arn:aws:sqs:{REGION}:{HUB}:{STACK}-events"}
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_"))]:
            patch.delenv(name)
        environment = {**registry.environment, **variables, "AWS_REGION": REGION}
        for name, value in environment.items():
            patch.setenv(name, value)
        found.desk = replace(desk_of(environment), now=found.now)
        patch.setattr(events, "desk", lambda: found.desk)
        yield found

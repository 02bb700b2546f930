"""The API over the demo organization: on loopback, and as the function behind API Gateway, with records that both share."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from cfnlint.decode.cfn_yaml import loads
from msgspec.structs import replace

from modelwarden import gate
from modelwarden.api.answer import answer
from modelwarden.api.service import Service, service_of
from modelwarden.aws import api as function
from modelwarden.cli.serving import Server
from modelwarden.collect import Collector
from modelwarden.render.log import Event
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.store.location import state_at
from tests.organization import DEMO, PACKAGES, arn_of
from tests.store.conftest import TEMPLATE, row, run_id, seen

REGION, BUCKET, TABLE = "eu-west-1", "api-records", "api-state"
BAD = next(arn_of(one) for one in PACKAGES if arn_of(one).endswith("credit-default/4"))
"""Blocked at Production."""
GOOD = next(arn_of(one) for one in PACKAGES if arn_of(one).endswith("credit-default/1"))
UNREADABLE = BAD.replace(":444455556666:", ":999999999999:")
"""In an account that nobody may read: undecided after a call or two, for tests that are not about the verdict."""
RUNS = 7
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Told:
    """What a call was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str, str]:
        """Status, kind and detail; that it is a problem and says its own status is asserted."""
        told = self.json
        assert self.headers["content-type"] == "application/problem+json"
        assert told["status"] == self.status
        return self.status, told["type"].removeprefix("urn:modelwarden:problem:"), told["detail"]


@dataclass
class Api:
    """One house, its service, a server of it, and what was logged."""

    service: Service
    server: Server
    log: list[Event] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Told:
        """One call; a body is sent as JSON. `_` in the name of a header stands for `-`."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, path, data, (JSON if body is not None else {}) | sent)

    def send(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Told:
        connection = http.client.HTTPConnection(self.server.address.removeprefix("http://"), timeout=60)
        try:
            connection.request(method, path, data, dict(headers))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Told(response.status, told, response.read())
        finally:
            connection.close()

    def judged(self) -> list[str]:
        """Runs that were decided since somebody asked last."""
        found = [str(event.fields["run"]) for event in self.log if event.name == "decision"]
        self.log.clear()
        return found


def client(service: str) -> Any:
    """Of botocore itself: boto3 keeps the credentials of whichever test asked first."""
    return get_session().create_client(service, region_name=REGION)


@pytest.fixture(scope="session")
def pack(demo_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> gate.Sources:
    """The organization's pinned pack, whose records lie in a bucket and whose store is a table with some runs."""
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    given = json.loads(json.dumps(loads(TEMPLATE.read_text())))["Resources"]["Table"]["Properties"]
    created = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client("dynamodb").create_table(TableName=TABLE, **{name: given[name] for name in created})
    folder = tmp_path_factory.mktemp("pack")
    demo = (DEMO / "modelwarden.toml").read_text(encoding="utf-8")
    places = f'records = "s3://{BUCKET}/org"\nstore = "dynamodb://{TABLE}?region={REGION}"\n'
    (folder / "modelwarden.toml").write_text(places + demo)
    fill(gate.collector_of(load(sources_of(folder))))
    return sources_of(folder)


def sources_of(folder: Path) -> gate.Sources:
    digest = digest_pack(read_pack(str(folder), None))
    return gate.Sources(organization=str(folder), organization_digest=digest, flags={"retries": 0})


def load(sources: gate.Sources) -> gate.House:
    return gate.load_house(sources, {})


def fill(collector: Collector) -> None:
    """Runs 1 to `RUNS`; the blocked package changes in the second."""
    state = state_at(f"dynamodb://{TABLE}?region={REGION}", lambda: collector.aws)
    for number in range(1, RUNS + 1):
        state.begin(row(number))
        verdict = "allow" if number == 1 else "block"
        own = {"package": BAD, "account": BAD.split(":")[4]}
        state.put(run_id(number), [seen("credit-default", number, verdict, **own)])
        state.finish(row(number, finished_at=row(number).started_at, complete=True, verdicts={verdict: 1}))
    state.close()


@pytest.fixture(scope="session")
def made(pack: gate.Sources) -> Iterator[Api]:
    """The server. Calls follow one another, so that collectors may share a session."""
    log: list[Event] = []
    house = load(pack)
    collector = partial(gate.collector_of, house, session=get_session())
    service = service_of(house, collector, log.append)
    with Server(partial(answer, service)) as server:
        yield Api(service, server, log)


@pytest.fixture
def api(made: Api, demo_sandbox: Sandbox) -> Iterator[Api]:
    made.log.clear()
    yield made
    demo_sandbox.gateway.faults.clear()


@pytest.fixture(scope="module")
def lambda_(made: Api, pack: gate.Sources) -> Iterator[Callable[[Mapping[str, Any]], Told]]:
    """Calls the function as API Gateway does: an event in, which is JSON, and an answer out, which is, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELWARDEN_ORGANIZATION", str(pack.organization))
        patch.setenv("MODELWARDEN_ORGANIZATION_DIGEST", str(pack.organization_digest))
        patch.setattr(function, "log_line", made.log.append)
        function._service.cache_clear()

        def call(event: Mapping[str, Any]) -> Told:
            answered = json.loads(json.dumps(function.handler(json.loads(json.dumps(event)), None)))
            assert set(answered) == {"statusCode", "headers", "body", "isBase64Encoded"}
            assert answered["isBase64Encoded"] is False
            return Told(answered["statusCode"], answered["headers"], answered["body"].encode())

        yield call
    function._service.cache_clear()


def question(package: str = BAD, stage: str = "Production", moment: str = "approve", **more: Any) -> dict[str, Any]:
    return {"package": package, "stage": stage, "moment": moment, **more}


def other(service: Service, **changes: Any) -> Service:
    """Another instance of the same API."""
    return replace(service, **changes)

"""Both stores behind one fixture, the table as the template describes it; and sightings to put."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from cfnlint.decode.cfn_yaml import loads

from modelwarden.collect.aws import Access, Aws, Tape
from modelwarden.sandbox.server import Sandbox
from modelwarden.store.location import state_at
from modelwarden.store.state import RunRow, Seen, State

TEMPLATE = Path(__file__).parents[2] / "deploy/store-table.yaml"
REGION = "eu-west-1"
ACCOUNT = "111122223333"
TABLE = "modelwarden-state"
CREATED = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
"""Properties of the template that CreateTable takes as they are."""


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """An organization whose management account has the table, in the environment of this process."""
    with Sandbox("empty") as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        create_table(TABLE)
        yield sandbox


def create_table(name: str) -> None:
    properties = json.loads(json.dumps(loads(TEMPLATE.read_text())))["Resources"]["Table"]["Properties"]
    client().create_table(TableName=name, **{key: properties[key] for key in CREATED})


def client() -> Any:
    """Of botocore itself."""
    return get_session().create_client("dynamodb", region_name=REGION)


def aws(attempts: int = 8) -> Aws:
    return Aws(Access(attempts=attempts), Tape())


def table(name: str = TABLE, attempts: int = 8, more: str = "") -> State:
    """The state in a table."""
    return state_at(f"dynamodb://{name}?region={REGION}{more}", lambda: aws(attempts))


def nobody() -> Aws:
    raise AssertionError("a file asks nothing of AWS")


@pytest.fixture(params=["sqlite", "dynamodb"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], State]:
    """Opens the same empty store, each time anew."""
    if request.param == "sqlite":
        return lambda: state_at(str(tmp_path / "runs/state.sqlite"), nobody)
    request.getfixturevalue("server")
    name = f"t-{abs(hash(request.node.nodeid))}"
    create_table(name)
    return lambda: table(name)


@pytest.fixture
def state(opened: Callable[[], State]) -> Iterator[State]:
    found = opened()
    yield found
    found.close()


def run_id(number: int, day: int = 20) -> str:
    """Ids of the same day sort by number."""
    return f"202611{day:02}T0600{number:08}Z-1f0c9a2e"


def at(number: int, day: int = 20) -> str:
    return f"2026-11-{day:02}T06:00:{number // 10:02}.{number % 10}00000Z"


def arn(name: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:sagemaker:{region}:{account}:model-package/{name}/1"


def row(number: int, **changes: Any) -> RunRow:
    return RunRow(
        **{
            "id": run_id(number),
            "started_at": at(number),
            "as_of": "2026-11-20T06:00:00Z",
            "location": f"/runs/{number}",
            **changes,
        }
    )


def seen(name: str, number: int, verdict: str = "allow", **changes: Any) -> Seen:
    """A package as run `number` saw it."""
    account, region = changes.get("account", ACCOUNT), changes.get("region", REGION)
    values = {
        "package": arn(name, account, region),
        "account": account,
        "region": region,
        "role": "judged",
        "run": run_id(number),
        "at": at(number),
        "stage": "Production",
        "moment": "serve",
        "verdict": verdict,
        "controls": ("ENC-02",) if verdict == "block" else (),
        "evidence": "sha256:e1",
        "material": "sha256:m1",
        "bundle": "sha256:b1",
        "settings": "sha256:s1",
        "waivers": "sha256:w1",
    }
    return Seen(**{**values, **changes})

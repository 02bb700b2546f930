"""The table on a bad day: throttled, cut off, answered in part, missing. Nothing is lost, and nothing unread is absent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwarden.collect.aws import Answer, Failure
from modelwarden.evidence import Source
from modelwarden.sandbox.server import Sandbox
from modelwarden.store import items
from modelwarden.store import table as calls
from modelwarden.store.dynamodb import DynamodbState
from modelwarden.store.state import State, StateError
from modelwarden.store.table import Calls
from tests.organization import ask

from .conftest import ACCOUNT, REGION, TEMPLATE, client, create_table, loads, row, run_id, seen, table
from .test_state import CHURN, scanned

NAMES = [f"model-{number:02}" for number in range(30)]


@pytest.fixture
def name(server: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """A table of this test."""
    found = f"t-{abs(hash(request.node.nodeid))}"
    create_table(found)
    yield found
    ask(server, "DELETE", "faults")


def verdicts(state: State) -> dict[str, str]:
    return {one.seen.package.split("/")[1]: one.seen.verdict for one in state.standings(ACCOUNT, REGION)}


@pytest.mark.parametrize("kind", ["throttle", "500", "drop", "cut", "empty", "html"])
def test_calls_that_fail_now_and_then_are_repeated(server: Sandbox, name: str, kind: str) -> None:
    state = table(name)
    scanned(state, 1, *(seen(one, 1) for one in NAMES))
    ask(server, "POST", "faults", [{"kind": kind, "op": "dynamodb:*", "rate": 0.15}])
    state.begin(row(2))
    put_until_it_is_kept(state, 2, "block")
    ask(server, "DELETE", "faults")
    assert verdicts(state) == dict.fromkeys(NAMES, "block")
    for one in NAMES:
        assert [line.event for line in state.history(seen(one, 1).package)] == ["first", "changed"]
    state.close()


def put_until_it_is_kept(state: State, number: int, verdict: str) -> None:
    """As a scan does that is told that a put failed."""
    for _ in range(12):
        try:
            state.put(run_id(number), [seen(one, number, verdict) for one in NAMES])
        except StateError:
            continue
        return
    raise AssertionError("never kept")


def test_a_service_that_stays_throttled_is_an_error_that_loses_nothing(server: Sandbox, name: str) -> None:
    state = table(name, attempts=2)
    scanned(state, 1, *(seen(one, 1) for one in NAMES))
    state.begin(row(2))
    found = [seen(one, 2, "block") for one in NAMES]
    ask(server, "POST", "faults", [{"kind": "throttle", "op": "dynamodb:TransactWriteItems", "after": 10}])
    with pytest.raises(StateError) as caught:
        state.put(run_id(2), found)
    message = f"dynamodb://{name}?region={REGION}: dynamodb:TransactWriteItems: ThrottlingException: "
    assert str(caught.value).startswith(message)
    assert caught.value.help == "nothing that was written is lost: try again"
    ask(server, "DELETE", "faults")
    assert sorted(verdicts(state).values()) == ["allow"] * 20 + ["block"] * 10
    state.put(run_id(2), found)
    assert verdicts(state) == dict.fromkeys(NAMES, "block")
    assert all(len(list(state.history(one.package))) == 2 for one in found)
    state.close()


def test_an_answer_that_is_lost_on_its_way_back_writes_nothing_twice(server: Sandbox, name: str) -> None:
    state = table(name)
    state.begin(row(1))
    ask(server, "POST", "faults", [{"kind": "cut", "op": "dynamodb:TransactWriteItems", "times": 1}])
    state.put(run_id(1), [seen("churn", 1, "block")])
    held = client().get_item(TableName=name, Key=items.package_key(CHURN))["Item"]
    assert held["version"] == {"N": "1"}
    assert [line.event for line in state.history(CHURN)] == ["first"]
    state.close()


def test_a_table_that_is_not_there_says_how_to_make_it(server: Sandbox) -> None:
    state = table("nowhere")
    with pytest.raises(StateError) as caught:
        state.begin(row(1))
    message = f"dynamodb://nowhere?region={REGION}: dynamodb:GetItem: ResourceNotFoundException: "
    assert str(caught.value).startswith(message)
    assert caught.value.help == "create it with deploy/store-table.yaml, or correct `store` in the organization layer"


def test_whoever_may_not_read_is_told_what_would_help(server: Sandbox, name: str) -> None:
    state = table(name)
    ask(server, "POST", "faults", [{"kind": "deny", "op": "dynamodb:GetItem"}])
    with pytest.raises(StateError, match="dynamodb:GetItem: AccessDeniedException") as caught:
        state.standing(CHURN)
    assert caught.value.help == "deploy/store-table.yaml has a policy with the permissions that are needed"


def test_a_package_and_its_history_agree_when_another_writer_is_first(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one writes between the look and the write, each time but the last."""
    state, other = table(name), table(name)
    for number in (1, 2, 3):
        state.begin(row(number))
    state.put(run_id(1), [seen("churn", 1)])
    writes = DynamodbState._write
    ahead = iter([2])

    def second(self: DynamodbState, *given: Any) -> None:
        if self is state and next(ahead, None):
            other.put(run_id(2), [seen("churn", 2, "block")])
        writes(self, *given)

    monkeypatch.setattr(DynamodbState, "_write", second)
    state.put(run_id(3), [seen("churn", 3, "flag")])
    assert [(one.run, one.previous, one.verdict) for one in state.history(CHURN)] == [
        (run_id(1), "", "allow"),
        (run_id(2), "allow", "block"),
        (run_id(3), "block", "flag"),
    ]


def test_who_is_never_first_gives_up_and_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwarden.store.dynamodb.pause", lambda attempt: None)
    state = table(name)
    state.begin(row(1))

    def lost(self: DynamodbState, *given: Any) -> None:
        raise calls.NotWritten("the conditional request failed")

    monkeypatch.setattr(DynamodbState, "_write", lost)
    with pytest.raises(StateError, match="not written in 12 attempts: the conditional request failed"):
        state.put(run_id(1), [seen("churn", 1)])


class Scripted:
    """Answers of the service, in order."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), []

    def call(self, account: str, region: str, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        self.asked.append((operation, parameters))
        return Answer(self.answers.pop(0), Source(f"{service}:{operation}"))


def keys(*names: str) -> list[items.Item]:
    return [items.package_key(name) for name in names]


def answered(found: list[items.Item], left: list[items.Item]) -> dict[str, Any]:
    return {"Responses": {"t": found}, "UnprocessedKeys": {"t": {"Keys": left}} if left else {}}


def test_keys_that_are_handed_back_are_asked_again() -> None:
    a, b, c = keys("a", "b", "c")
    script = Scripted(answered([a], [b, c]), answered([], [b, c]), answered([b], [c]), answered([], []))
    assert Calls(script, "t", REGION).get_all([a, b, c]) == [a, b]  # type: ignore[arg-type]
    asked = [given["RequestItems"]["t"]["Keys"] for _, given in script.asked]
    assert asked == [[a, b, c], [b, c], [b, c], [c]]


def test_keys_that_stay_unanswered_are_no_packages_that_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "pause", lambda attempt: None)
    script = Scripted(*[answered([], keys("a"))] * calls.ATTEMPTS)
    with pytest.raises(StateError, match="throttled: 1 keys were not answered"):
        Calls(script, "t", REGION).get_all(keys("a"))  # type: ignore[arg-type]


def test_no_request_asks_for_more_than_the_service_takes() -> None:
    """The simulated service takes any number."""
    script = Scripted(*[answered([], [])] * 3)
    Calls(script, "t", REGION).get_all(keys(*map(str, range(201))))  # type: ignore[arg-type]
    assert [len(given["RequestItems"]["t"]["Keys"]) for _, given in script.asked] == [100, 100, 1]


def test_pages_are_read_to_their_end_and_a_circle_is_no_end() -> None:
    one, two = keys("a", "b")
    pages = [{"Items": [one], "LastEvaluatedKey": one}, {"Items": [], "LastEvaluatedKey": two}, {"Items": [two]}]
    assert list(Calls(Scripted(*pages), "t", REGION).query()) == [one, two]  # type: ignore[arg-type]
    circle = [{"Items": [one], "LastEvaluatedKey": one}] * 2
    with pytest.raises(StateError, match="incomplete: the pages do not end"):
        list(Calls(Scripted(*circle), "t", REGION).query())  # type: ignore[arg-type]


def test_history_and_runs_end_where_the_store_says_so_and_packages_never(name: str) -> None:
    state = table(name, more="&keep_days=400")
    scanned(state, 1, seen("churn", 1))
    found = client().scan(TableName=name)["Items"]
    ends = {item["sk"]["S"].split("#")[0]: item.get("expires_at") for item in found}
    assert ends == {"NOW": None, "CHANGE": {"N": "1829714400"}, run_id(1): {"N": "1829714400"}}


def test_an_item_is_never_larger_than_the_service_takes(name: str) -> None:
    state = table(name)
    state.begin(row(1))
    huge = seen("churn", 1, controls=tuple(f"ACME-{number:06}" for number in range(30_000)))
    with pytest.raises(StateError, match=r"churn/1: \d+ bytes are more than one item of DynamoDB holds"):
        state.put(run_id(1), [huge])
    assert state.standing(CHURN) is None


@pytest.mark.parametrize(
    "change", [{"body": {"M": {}}}, {"body": {"M": {"seen": {"S": "x"}}}}, {"version": {"S": "x"}}]
)
def test_an_item_that_somebody_else_wrote_is_an_error_and_no_default(name: str, change: dict[str, Any]) -> None:
    state = table(name)
    scanned(state, 1, seen("churn", 1))
    held = client().get_item(TableName=name, Key=items.package_key(CHURN))["Item"]
    client().put_item(TableName=name, Item={**held, **change})
    with pytest.raises(StateError, match=r"is not of this release|an item has no version"):
        state.standing(CHURN)


def test_the_policy_of_the_template_grants_what_is_called() -> None:
    """TransactWriteItems and conditions need the right to put, and no other."""
    resources = json.loads(json.dumps(loads(TEMPLATE.read_text())))["Resources"]
    (statement,) = resources["Writer"]["Properties"]["PolicyDocument"]["Statement"]
    code = Path(calls.__file__).read_text(encoding="utf-8")
    called = {one for one in operations() if f'"{one}"' in code}
    assert called == {"GetItem", "BatchGetItem", "Query", "PutItem", "TransactWriteItems"}
    assert set(statement["Action"]) == {f"dynamodb:{one}" for one in called - {"TransactWriteItems"}}
    table_ = resources["Table"]["Properties"]
    assert table_["TimeToLiveSpecification"]["AttributeName"] == "expires_at"
    assert [index["IndexName"] for index in table_["GlobalSecondaryIndexes"]] == [items.CELLS]


def operations() -> list[str]:
    return list(client().meta.service_model.operation_names)

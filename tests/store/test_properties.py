"""Any sequence of runs leaves both stores as a model of plain Python says: full, narrower, broken off, repeated, out of order."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwarden.sandbox.server import Sandbox
from modelwarden.store.sqlite import SqliteState
from modelwarden.store.state import Seen, State

from .conftest import arn, at, row, run_id, seen, table

REGIONS = ("eu-west-1", "us-east-1")
NAMES = ("a", "b", "c")
_accounts = itertools.count(1)

sightings = st.tuples(
    st.sampled_from(REGIONS), st.sampled_from(NAMES), st.sampled_from(["allow", "block", "gone"]), st.integers(0, 3)
)
acts = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 4), st.lists(sightings, max_size=5)),
    st.tuples(st.just("close"), st.integers(1, 4), st.sampled_from(REGIONS)),
    st.tuples(st.just("again"), st.just(0), st.just(None)),
)


class Model:
    """What was said about each package, in order of arrival, and what follows from the words that count."""

    def __init__(self) -> None:
        self.words: dict[str, list[tuple[str, str, str, Seen | None]]] = {}
        """Package -> (run, kind, time, sighting) of every word that counted; kind is seen, gone or missing."""

    def put(self, found: list[Seen]) -> None:
        for one in found:
            words = self.words.setdefault(one.package, [])
            if not words or self._outranks(words, one):
                words.append((one.run, "gone" if one.role == "gone" else "seen", one.at, one))

    @staticmethod
    def _outranks(words: list[tuple[str, str, str, Seen | None]], one: Seen) -> bool:
        run, kind, time, _ = words[-1]
        return one.run > run or (one.run == run and (kind == "missing" or one.at > time))

    def close(self, run: str, account: str, region: str, time: str) -> None:
        for package, words in self.words.items():
            if f":{region}:{account}:" in package and words[-1][1] == "seen" and words[-1][0] < run:
                words.append((run, "missing", time, None))

    def told(self) -> dict[str, dict[str, Any]]:
        return {package: self._told(words) for package, words in self.words.items()}

    @staticmethod
    def _told(words: list[tuple[str, str, str, Seen | None]]) -> dict[str, Any]:
        outcomes = [(one.verdict, one.controls) if kind == "seen" and one else None for _, kind, _, one in words]
        changes = [0] + [at_ for at_ in range(1, len(words)) if outcomes[at_] != outcomes[at_ - 1]]
        last = changes[-1]
        before = outcomes[last - 1] if last else None
        closings = [index for index in changes if outcomes[index] is None]
        return {
            "run": words[-1][0],
            "verdict": [one for *_, one in words if one][-1].verdict,
            "first_seen": words[0][2],
            "last_seen": [time for _, kind, time, _ in words if kind == "seen"][-1:] or [words[0][2]],
            "changed": (words[last][2], words[last][0]),
            "previous": before[0] if before else "",
            "closed_at": words[closings[-1]][2] if outcomes[-1] is None else "",
            "changes": [(words[index][0], words[index][2], (outcomes[index] or ("",))[0]) for index in changes],
        }


def told(state: State, account: str) -> dict[str, dict[str, Any]]:
    """The same of a store."""
    return {
        one.seen.package: {
            "run": one.run,
            "verdict": one.seen.verdict,
            "first_seen": one.first_seen,
            "last_seen": [one.last_seen],
            "changed": (one.changed_at, one.changed_by),
            "previous": one.previous_verdict,
            "closed_at": one.closed_at,
            "changes": sorted((line.run, line.at, line.verdict) for line in state.history(one.seen.package)),
        }
        for region in REGIONS
        for one in state.standings(account, region)
    }


def made(account: str, number: int, given: list[tuple[str, str, str, int]]) -> list[Seen]:
    return [
        seen(
            name,
            number,
            "" if verdict == "gone" else verdict,
            role="gone" if verdict == "gone" else "judged",
            account=account,
            region=region,
            at=at(number * 10 + later),
        )
        for region, name, verdict, later in given
    ]


def play(sequence: list[Any], account: str, targets: list[Any]) -> None:
    """The acts in order; `again` repeats the one before it."""
    before: Any = None
    for act in sequence:
        kind, number, what = act if act[0] != "again" else before or ("put", 1, [])
        before = (kind, number, what)
        for target in targets:
            model = isinstance(target, Model)
            if kind == "close":
                target.close(run_id(number), account, what, at(number * 10)) if model else target.close_missing(
                    run_id(number), account, what, at(number * 10)
                )
            elif model:
                target.put(made(account, number, what))
            else:
                target.put(run_id(number), made(account, number, what))


@pytest.fixture(scope="module")
def both(server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> list[State]:
    file: Path = tmp_path_factory.mktemp("state") / "state.sqlite"
    stores: list[State] = [SqliteState(file), table()]
    for store, number in itertools.product(stores, range(1, 5)):
        store.begin(row(number))
    return stores


def check(sequence: list[Any], stores: list[State]) -> None:
    account = f"{next(_accounts):012}"
    model = Model()
    play(sequence, account, [model, *stores])
    expected = {package: {**one, "changes": sorted(one["changes"])} for package, one in model.told().items()}
    for store in stores:
        assert told(store, account) == expected


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(acts, max_size=10))
def test_a_file_is_what_the_model_says(both: list[State], sequence: list[Any]) -> None:
    check(sequence, both[:1])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(acts, min_size=2, max_size=6))
def test_a_table_is_what_the_model_and_the_file_say(both: list[State], sequence: list[Any]) -> None:
    check(sequence, both)


def test_the_model_itself_knows_what_a_whole_list_means() -> None:
    model, account = Model(), "000000000000"
    play([("put", 1, [("eu-west-1", "a", "block", 0)]), ("close", 2, "eu-west-1")], account, [model])
    assert model.told()[arn("a", account)]["closed_at"] == at(20)

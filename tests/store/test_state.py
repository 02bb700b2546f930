"""What every store does, in a file and in a table alike."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.store.sqlite import SqliteState
from modelwarden.store.state import Change, Standing, State, StateError

from .conftest import ACCOUNT, REGION, arn, at, row, run_id, seen

CHURN = arn("churn")


def scanned(state: State, number: int, *found: Any, whole: bool = True) -> None:
    """One scan of the cell from its beginning to its end."""
    state.begin(row(number))
    state.put(run_id(number), found)
    if whole:
        state.close_missing(run_id(number), ACCOUNT, REGION, at(number))
    state.finish(row(number, finished_at=at(number), complete=whole))


def test_a_package_that_is_seen_first_has_no_past(state: State) -> None:
    first = seen("churn", 1, "block")
    scanned(state, 1, first)
    expected = Standing(first, run_id(1), at(1), at(1), at(1), run_id(1))
    assert state.standing(CHURN) == expected
    assert expected.newly_blocked_by(run_id(1))
    change = Change(CHURN, run_id(1), at(1), "first", "judged", "block", "", (), "sha256:b1")
    assert list(state.history(CHURN)) == [change]


def test_nobody_knows_a_package_that_no_run_saw(state: State) -> None:
    assert state.standing(CHURN) is None
    assert list(state.history(CHURN)) == []
    assert list(state.standings(ACCOUNT, REGION)) == []


def test_the_same_outcome_again_is_no_change_but_is_seen(state: State) -> None:
    scanned(state, 1, seen("churn", 1, "block"))
    again = seen("churn", 2, "block", evidence="sha256:e2")
    scanned(state, 2, again)
    found = state.standing(CHURN)
    assert found == Standing(again, run_id(2), at(1), at(2), at(1), run_id(1))
    assert not found.newly_blocked_by(run_id(2))
    assert [one.event for one in state.history(CHURN)] == ["first"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"evidence": "sha256:e2"}, ("evidence",)),
        ({"bundle": "sha256:b2", "settings": "sha256:s2"}, ("bundle", "settings")),
        ({"waivers": "sha256:w2"}, ("waivers",)),
        ({}, ("clock",)),
        ({"evidence": ""}, ("unknown",)),
        ({"stage": "Staging"}, ("stage",)),
        ({"role": "unmapped", "verdict": "", "evidence": ""}, ("role",)),
    ],
)
def test_a_change_says_why_as_far_as_the_digests_tell(state: State, changes: dict[str, Any], why: Any) -> None:
    scanned(state, 1, seen("churn", 1))
    now = replace(seen("churn", 2, "block"), **changes)
    scanned(state, 2, now)
    expected = Change(CHURN, run_id(2), at(2), "changed", now.role, now.verdict, "allow", why, now.bundle)
    assert list(state.history(CHURN))[1:] == [expected]
    assert state.standing(CHURN) == Standing(now, run_id(2), at(1), at(2), at(2), run_id(2), "allow")


def test_other_controls_are_a_change_under_the_same_verdict(state: State) -> None:
    scanned(state, 1, seen("churn", 1, "block"))
    scanned(state, 2, seen("churn", 2, "block", controls=("ENC-02", "IMG-01"), evidence="sha256:e2"))
    found = state.standing(CHURN)
    assert found is not None
    assert (found.changed_at, found.previous_verdict) == (at(2), "block")
    assert not found.newly_blocked_by(run_id(2))


def test_a_package_that_a_whole_list_does_not_hold_is_closed_and_opens_again(state: State) -> None:
    scanned(state, 1, seen("churn", 1, "block"), seen("fraud", 1))
    scanned(state, 2, seen("fraud", 2))
    closed = state.standing(CHURN)
    assert closed == Standing(
        seen("churn", 1, "block"), run_id(2), at(1), at(1), at(2), run_id(2), "block", at(2), "not listed"
    )
    assert [one.seen.package for one in state.standings(ACCOUNT, REGION)] == [CHURN, arn("fraud")]
    scanned(state, 3, seen("churn", 3, "block"), seen("fraud", 3))
    opened = state.standing(CHURN)
    assert opened == Standing(seen("churn", 3, "block"), run_id(3), at(1), at(3), at(3), run_id(3))
    assert opened.newly_blocked_by(run_id(3))
    assert [(one.event, one.verdict, one.previous, one.why) for one in state.history(CHURN)] == [
        ("first", "block", "", ()),
        ("closed", "", "block", ("not listed",)),
        ("reopened", "block", "", ("not listed",)),
    ]
    assert [one.event for one in state.history(arn("fraud"))] == ["first"]


def test_a_package_that_was_deleted_while_it_was_read_is_closed(state: State) -> None:
    scanned(state, 1, seen("churn", 1))
    gone = seen("churn", 2, "", role="gone")
    scanned(state, 2, gone)
    assert state.standing(CHURN) == Standing(gone, run_id(2), at(1), at(1), at(2), run_id(2), "allow", at(2), "deleted")
    scanned(state, 3)
    assert [(one.event, one.previous, one.why) for one in state.history(CHURN)] == [
        ("first", "", ()),
        ("closed", "allow", ("deleted",)),
    ]


def test_a_list_that_was_not_read_to_its_end_closes_nothing(state: State) -> None:
    scanned(state, 1, seen("churn", 1), seen("fraud", 1))
    scanned(state, 2, seen("fraud", 2), whole=False)
    found = state.standing(CHURN)
    assert found is not None
    assert (found.closed_at, found.run) == ("", run_id(1))


def test_a_narrower_scan_closes_nothing_outside_of_it(state: State) -> None:
    elsewhere = [seen("churn", 1, region="us-east-1"), seen("churn", 1, account="999900001111")]
    scanned(state, 1, seen("churn", 1), *elsewhere)
    scanned(state, 2)
    assert [one.closed_at for one in state.standings(ACCOUNT, REGION)] == [at(2)]
    assert [one.closed_at for one in state.standings(ACCOUNT, "us-east-1")] == [""]
    assert [one.closed_at for one in state.standings("999900001111", REGION)] == [""]


def test_an_older_run_never_overwrites_a_newer_one(state: State) -> None:
    state.begin(row(1))
    scanned(state, 2, seen("churn", 2, "block"), seen("fraud", 2))
    before = list(state.standings(ACCOUNT, REGION))
    state.put(run_id(1), [seen("churn", 1, "allow", at=at(9)), seen("fraud", 1, "block")])
    state.close_missing(run_id(1), ACCOUNT, REGION, at(9))
    assert list(state.standings(ACCOUNT, REGION)) == before
    assert len(list(state.history(CHURN))) == 1


def test_the_same_twice_changes_nothing(state: State) -> None:
    found = [seen("churn", 1, "block"), seen("fraud", 1)]
    scanned(state, 1, *found)
    scanned(state, 2, seen("fraud", 2, "block"))
    told = (list(state.standings(ACCOUNT, REGION)), list(state.history(CHURN)), list(state.history(arn("fraud"))))
    scanned(state, 2, seen("fraud", 2, "block"), seen("fraud", 2, "block"))
    again = (list(state.standings(ACCOUNT, REGION)), list(state.history(CHURN)), list(state.history(arn("fraud"))))
    assert again == told


def test_within_a_run_the_later_sighting_holds_and_outweighs_its_absence(state: State) -> None:
    scanned(state, 1, seen("churn", 1))
    scanned(state, 2)
    state.put(run_id(2), [seen("churn", 2, "flag", at=at(3)), seen("churn", 2, "block")])
    state.close_missing(run_id(2), ACCOUNT, REGION, at(5))
    found = state.standing(CHURN)
    assert found is not None
    assert (found.seen.verdict, found.closed_at) == ("flag", "")


def test_a_clock_that_is_behind_hides_no_sighting_from_its_own_run(state: State) -> None:
    scanned(state, 1, seen("churn", 1, at=at(8)))
    scanned(state, 2)
    state.put(run_id(2), [seen("churn", 2, "block", at=at(3))])
    found = state.standing(CHURN)
    assert found is not None
    assert (found.seen.verdict, found.closed_at) == ("block", "")


def test_more_packages_than_a_batch_holds(state: State) -> None:
    # A simulated transaction copies the whole table, so that a thousand of them would take minutes.
    count = 1203 if isinstance(state, SqliteState) else 30
    names = [f"model-{number:04}" for number in range(count)]
    state.begin(row(1))
    state.put(run_id(1), (seen(name, 1) for name in names))
    assert [one.seen.package for one in state.standings(ACCOUNT, REGION)] == [arn(name) for name in names]
    scanned(state, 2, seen(names[7], 2))
    still = [one.seen.package for one in state.standings(ACCOUNT, REGION) if not one.closed_at]
    assert still == [arn(names[7])]


def test_a_run_says_how_it_ended_and_goes_on_from_where_it_began(state: State) -> None:
    state.begin(row(1))
    assert state.run(run_id(1)) == row(1)
    ended = row(1, finished_at=at(5), complete=True, verdicts={"allow": 3, "block": 1}, expected_cells=2, read_cells=2)
    state.finish(ended)
    state.finish(ended)
    assert state.run(run_id(1)) == ended
    state.begin(row(1, started_at=at(7)))
    assert state.run(run_id(1)) == row(1)


def test_runs_come_newest_first(state: State) -> None:
    for number in (2, 1, 3):
        state.begin(row(number))
    state.finish(row(1, finished_at=at(4)))
    state.finish(row(2, finished_at=at(4)))
    assert [one.id for one in state.runs(2)] == [run_id(3), run_id(2)]
    assert [one.id for one in state.runs(100)] == [run_id(3), run_id(2), run_id(1)]
    assert [one.id for one in state.runs(1, run_id(3))] == [run_id(2)]
    assert [one.id for one in state.runs(100, run_id(3))] == [run_id(2), run_id(1)]
    assert state.runs(100, run_id(1)) == []
    assert state.run(run_id(9)) is None


@pytest.mark.parametrize(
    "act",
    [
        lambda state: state.put(run_id(1), [seen("churn", 1)]),
        lambda state: state.close_missing(run_id(1), ACCOUNT, REGION, at(1)),
        lambda state: state.finish(row(1)),
    ],
)
def test_a_run_that_never_began_says_nothing(state: State, act: Callable[[State], None]) -> None:
    with pytest.raises(StateError, match=f"^the store knows no run `{run_id(1)}`$"):
        act(state)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (seen("churn", 2), "was seen by"),
        (seen("churn", 1, at="2026-11-20T06:00:00Z"), "is no UTC time with microseconds"),
        (seen("churn", 1, at="2026-13-20T06:00:00.000000Z"), "is no UTC time with microseconds"),
    ],
)
def test_what_has_no_place_in_time_is_refused(state: State, given: Any, message: str) -> None:
    state.begin(row(1))
    with pytest.raises(ValueError, match=message):
        state.put(run_id(1), [given])
    assert state.standing(CHURN) is None


@pytest.mark.parametrize("id_", ["mine", "20261399T060000000000Z-1f0c9a2e", f"{run_id(1)}0"])
def test_a_run_whose_id_tells_no_time_would_outrank_every_later_one(state: State, id_: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'the run `{id_}` does not begin with a time')}$"):
        state.begin(row(1, id=id_))


def test_hostile_texts_come_back_as_they_were(state: State) -> None:
    odd = seen("churn", 1, stage="\u202e\x1b[31m'; DROP TABLE package; --", controls=("A\n", ""))
    scanned(state, 1, odd)
    found = state.standing(CHURN)
    assert found is not None
    assert found.seen == odd


def test_concurrent_writers_lose_nothing(opened: Callable[[], State]) -> None:
    """Six runs over the same packages, each with packages of its own, all at once."""
    state = opened()
    runs = range(1, 7)
    for number in runs:
        state.begin(row(number))
    errors: list[BaseException] = []

    def writes(number: int) -> None:
        own = opened()
        try:
            found = [seen(f"shared-{one}", number, "block" if number % 2 else "allow") for one in range(6)]
            own.put(run_id(number), [*found, *(seen(f"own-{number}-{one}", number) for one in range(6))])
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shall show it
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=writes, args=(number,)) for number in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = {one.seen.package: one for one in state.standings(ACCOUNT, REGION)}
    assert len(found) == 6 + 6 * 6
    assert {found[arn(f"shared-{one}")].seen.run for one in range(6)} == {run_id(6)}
    for name in (f"shared-{one}" for one in range(6)):
        lines = list(state.history(arn(name)))
        assert [one.event for one in lines] == ["first"] + ["changed"] * (len(lines) - 1)
        assert [one.previous for one in lines[1:]] == [one.verdict for one in lines[:-1]]
        assert [one.run for one in lines] == sorted(one.run for one in lines)
        assert (found[arn(name)].changed_by, found[arn(name)].seen.verdict) == (lines[-1].run, lines[-1].verdict)
    state.close()


def test_the_state_survives_the_process_that_wrote_it(opened: Callable[[], State], tmp_path: Path) -> None:
    first = opened()
    scanned(first, 1, seen("churn", 1, "block"))
    told = first.standing(CHURN)
    first.close()
    second = opened()
    assert second.standing(CHURN) == told
    assert [one.id for one in second.runs(10)] == [run_id(1)]
    second.close()

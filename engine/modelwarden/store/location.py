"""Where the state is: a file, or a table of DynamoDB. What each is built on is loaded only where it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.run import RUNS
from modelwarden.settings.store import Table, store_of
from modelwarden.store.state import State, StateError

if TYPE_CHECKING:
    from modelwarden.collect.aws import Aws
    from modelwarden.respond.claim import Claims


def location_of(store: str | None, runs: Path | None) -> str:
    """Where the state is by `Settings.store` and `Settings.runs`: by default a file beside the runs."""
    return store or str((runs or RUNS) / "state.sqlite")


def state_at(location: str, aws: Callable[[], Aws], *, create: bool = True) -> State:
    """The state at `dynamodb://TABLE?region=REGION` or in a file. `aws` is asked for a collector's calls of their own.

    `create`: whether a file that is not there is made; a table never is.

    Raises:
        NoState: there is no file, and none is to be made.
        StateError: it cannot be opened.
    """
    place = store_of(location)
    if isinstance(place, Table):
        from modelwarden.store.dynamodb import DynamodbState

        return DynamodbState(aws(), place)
    from modelwarden.store.sqlite import SqliteState

    return SqliteState(place or Path(location), create=create)


def claims_at(location: str | None, aws: Callable[[], Aws]) -> Claims:
    """The claims in the table that `store` names. A file would be another one on each machine.

    Raises:
        StateError: it names none.
    """
    place = store_of(location) if location else None
    if not isinstance(place, Table):
        raise StateError(
            "responding to events needs a table of DynamoDB as `store` of the organization layer",
            'deploy/store-table.yaml makes one: store = "dynamodb://TABLE?region=REGION"',
        )
    from modelwarden.store.claims import TableClaims

    return TableClaims(aws(), place)

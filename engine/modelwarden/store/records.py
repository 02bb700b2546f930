"""Records: the runs that the organization keeps, by package, where its layer says. What counts is `precedent`'s to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from modelwarden.arn import parse_arn
from modelwarden.collect.aws import Aws
from modelwarden.evidence import Source, Unknown
from modelwarden.run import Run, RunError, parse
from modelwarden.store.place import AlreadyThere, NotKept, Place, place_at

__all__ = ["AlreadyThere", "NotKept", "Records", "records_at"]

MISSING: Final = "missing"
"""Reason of what `get` does not find."""
_MOST: Final = 200
"""Runs of one package that are read for one answer."""


class Records(Struct, frozen=True):
    """Runs of packages."""

    place: Place

    def newest(self, package: str, fits: Callable[[Run], bool]) -> Run | Unknown | None:
        """The newest run about a package that fits; None where there is none.

        INVARIANT: a newer one that cannot be read hides whatever stands behind it, since it may say otherwise.
        """
        names = self.place.names(_folder(package))
        if isinstance(names, Unknown):
            return names
        found = [name for name in reversed(names) if name.endswith(".json")]
        for name in found[:_MOST]:
            run = self._read(name, package)
            if isinstance(run, Unknown) or fits(run):
                return run
        return None if len(found) <= _MOST else Unknown("incomplete", _SOURCE, f"none among the newest {_MOST} runs")

    def keep(self, run: Run) -> str:
        """Write a run; where it is now.

        Raises:
            AlreadyThere: another one of its id was written before.
            NotKept: it could not be written.
        """
        return self.place.write(_name(run.decision.package, run.id), msgspec.json.encode(run.to_json()))

    def get(self, package: str, run_id: str) -> Run | Unknown:
        """The run of this id; unknown with the reason `MISSING` only where the place shows that there is none."""
        name = _name(package, run_id)
        found = self._read(name, package)
        if isinstance(found, Run):
            return found
        names = self.place.names(_folder(package))
        return found if isinstance(names, Unknown) or name in names else Unknown(MISSING, _SOURCE, name)

    def _read(self, name: str, package: str) -> Run | Unknown:
        data = self.place.read(name)
        if isinstance(data, Unknown):
            return data
        try:
            run = parse(data, name)
        except RunError as error:
            return Unknown("malformed", _SOURCE, str(error))
        if run.decision.package != package or not name.endswith(f"/{run.id}.json"):
            return Unknown("malformed", _SOURCE, f"{name} is a run of another package, or of another id")
        return run


_SOURCE: Final = Source("records")


def records_at(location: str, aws: Aws) -> Records:
    """Records at `s3://bucket/prefix` or in a folder, as `settings.Settings.records` names them."""
    return Records(place_at(location, aws))


def _name(package: str, run_id: str) -> str:
    return f"{_folder(package)}/{run_id}.json"


def _folder(package: str) -> str:
    """`111122223333/eu-west-1/churn/7`: a version of a group never lies below another package of its name."""
    return parse_arn(package).short

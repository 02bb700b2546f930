"""Scenario files: what a simulated organization holds, and what is wrong with it on purpose.

A scenario is a folder with `scenario.json` and `files/`. Every mistake is a ScenarioError that names file and entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from modelwarden.errors import UserError

SCHEMA: Final = "modelwarden.scenario/1"
BUILT_IN: Final = ("demo", "empty")
_LISTS: Final = [
    "keys",
    "buckets",
    "objects",
    "repositories",
    "groups",
    "training_jobs",
    "processing_jobs",
    "model_cards",
    "endpoints",
    "trail",
    "packages",
    "denied",
]
_KNOWN: Final = {"schema", "name", "clock", "organization", "about", *_LISTS}
_REQUIRED: Final = {
    "keys": ("id", "account", "region"),
    "buckets": ("name", "account", "region"),
    "objects": ("bucket", "key"),
    "repositories": ("account", "region", "name"),
    "groups": ("account", "region", "name"),
    "training_jobs": ("arn",),
    "processing_jobs": ("arn",),
    "model_cards": ("account", "region", "ModelCardName", "Content"),
    "endpoints": ("account", "region", "name", "config"),
    "trail": ("account", "region", "event"),
    "packages": ("describe",),
    "denied": ("op",),
}
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_STATES: Final = ("ACTIVE", "SUSPENDED", "PENDING_ACTIVATION", "PENDING_CLOSURE", "CLOSED")


class ScenarioError(UserError):
    """A scenario that cannot be loaded."""

    help = "compare it with sandbox/demo/scenario.json of the package, which is complete"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario as it stands in its file, checked for shape."""

    file: str
    folder: Path | None
    name: str
    clock: datetime | None
    organization: Mapping[str, Any]
    lists: Mapping[str, list[dict[str, Any]]] = field(repr=False)

    def each(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where it stands, entry) of one list."""
        for number, entry in enumerate(self.lists.get(name, [])):
            yield f"{self.file}: {name}[{number}]", entry

    @property
    def management(self) -> str:
        return str(self.organization["management"])

    def content(self, where: str, entry: Mapping[str, Any]) -> bytes:
        """The body of an object: `text`, or the `file` below the scenario's folder."""
        if "file" not in entry:
            return str(entry.get("text", "")).encode()
        folder = self.folder or Path()
        path = (folder / str(entry["file"])).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ScenarioError(
                f"{where}: `{entry['file']}` lies outside the scenario's folder", "put payloads into `files/`"
            )
        try:
            return path.read_bytes()
        except OSError as error:
            raise ScenarioError(
                f"{where}: cannot read `{entry['file']}`: {error.strerror}", "put payloads into `files/`"
            ) from error


def load(scenario: str | Path) -> Scenario:
    """A built-in scenario by name, or any other by the path of its file or folder.

    Raises:
        ScenarioError: it does not exist, or is no scenario.
    """
    if scenario == "empty":
        return _checked(
            "empty",
            None,
            {"schema": SCHEMA, "name": "empty", "organization": {"id": "o-empty12345", "management": "111111111111"}},
        )
    path = Path(__file__).parent / "demo" / "scenario.json" if scenario == "demo" else Path(scenario)
    if path.is_dir():
        path = path / "scenario.json"
    if not path.is_file():
        raise ScenarioError(
            f"`{scenario}`: no such scenario", f"name one of {', '.join(BUILT_IN)}, or the path of a scenario.json"
        )
    try:
        loaded = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{path}: not JSON: {error}") from error
    return _checked(str(path), path.parent, loaded)


def _checked(file: str, folder: Path | None, loaded: Any) -> Scenario:
    if not isinstance(loaded, dict) or loaded.get("schema") != SCHEMA:
        raise ScenarioError(f"{file}: `schema` is not `{SCHEMA}`")
    if unknown := sorted(set(loaded) - _KNOWN):
        raise ScenarioError(f"{file}: unknown key `{unknown[0]}`", f"known are {', '.join(sorted(_KNOWN))}")
    organization = loaded.get("organization")
    if not isinstance(organization, dict) or not _ACCOUNT.fullmatch(str(organization.get("management", ""))):
        raise ScenarioError(f"{file}: organization: `management` is not an account id of 12 digits")
    _check_organization(file, organization)
    lists: dict[str, list[dict[str, Any]]] = {}
    for name in _LISTS:
        lists[name] = _entries(file, name, loaded.get(name, []))
    clock = moment(f"{file}: clock", loaded["clock"]) if loaded.get("clock") else None
    return Scenario(file, folder, str(loaded.get("name", "unnamed")), clock, organization, lists)


def _check_organization(file: str, organization: Mapping[str, Any]) -> None:
    units = {"root"}
    for number, unit in enumerate(organization.get("units", [])):
        if unit.get("parent") not in units:
            raise ScenarioError(
                f"{file}: organization.units[{number}]: parent `{unit.get('parent')}` is not a unit above",
                "list parents first",
            )
        units.add(unit["id"])
    for number, account in enumerate(organization.get("accounts", [])):
        where = f"{file}: organization.accounts[{number}]"
        if not _ACCOUNT.fullmatch(str(account.get("id", ""))):
            raise ScenarioError(f"{where}: `{account.get('id')}` is not an account id of 12 digits")
        if account.get("unit", "root") not in units:
            raise ScenarioError(f"{where}: unknown unit `{account['unit']}`", f"known are {', '.join(sorted(units))}")
        if account.get("state", "ACTIVE") not in _STATES:
            raise ScenarioError(f"{where}: unknown state `{account['state']}`", f"use one of {', '.join(_STATES)}")


def _entries(file: str, name: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise ScenarioError(f"{file}: {name} is not a list")
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise ScenarioError(f"{file}: {name}[{number}] is not an object")
        if missing := [key for key in _REQUIRED[name] if entry.get(key) in (None, "")]:
            raise ScenarioError(f"{file}: {name}[{number}]: `{missing[0]}` is missing")
    return value


def moment(where: str, text: object) -> datetime:
    """ISO text -> aware datetime; text without a zone is UTC.

    Raises:
        ScenarioError: it is something else.
    """
    try:
        parsed = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ScenarioError(f"{where}: `{text}` is not a time", "write times like 2026-11-20T06:00:00Z") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def typed(where: str, shape: Shape | None, value: Any) -> Any:
    """A JSON value in the types of a botocore shape: times become datetimes. Unknown members stay as they are.

    Raises:
        ScenarioError: a container or a time where AWS has none, or the reverse.
    """
    if shape is None or value is None:
        return value
    wanted = dict if isinstance(shape, StructureShape | MapShape) else list if isinstance(shape, ListShape) else None
    if wanted is not None and not isinstance(value, wanted):
        raise ScenarioError(
            f"{where}: expected {'an object' if wanted is dict else 'a list'}, found {json.dumps(value)[:60]}"
        )
    if isinstance(shape, StructureShape):
        members = shape.members
        return {name: typed(f"{where}.{name}", members.get(name), one) for name, one in value.items()}
    if isinstance(shape, MapShape):
        return {name: typed(f"{where}.{name}", shape.value, one) for name, one in value.items()}
    if isinstance(shape, ListShape):
        return [typed(f"{where}[{number}]", shape.member, one) for number, one in enumerate(value)]
    if shape.type_name == "timestamp":
        return moment(where, value)
    if shape.type_name == "string" and not isinstance(value, str):
        raise ScenarioError(f"{where}: expected text, found {json.dumps(value)[:60]}")
    return value

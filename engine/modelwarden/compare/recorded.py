"""A scan as it was recorded: the rules that held, and what it made of each account and region."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from modelwarden.bundle_file import BundleFile
from modelwarden.control import ControlError
from modelwarden.estate import Estate
from modelwarden.evidence import Fact
from modelwarden.parameter import ParameterDeclaration, load_declarations
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.scan.run import estate_from_json
from modelwarden.scan.shape import Manifest, Plan
from modelwarden.settings import Settings
from modelwarden.snapshot import LedgerRow
from modelwarden.toml import SettingsError
from modelwarden.typed import converted


class File(Struct, frozen=True):
    """One file of a bundle."""

    path: str
    sha256: str
    text: str


class Recorded(Struct, frozen=True, dict=True):
    """One scan that came to its end."""

    folder: Folder
    plan: Plan
    manifest: Manifest
    estate: Estate
    bundle: tuple[File, ...]
    said: dict[str, Any]
    """The settings, as they were written."""

    @property
    def id(self) -> str:
        return self.folder.id

    @cached_property
    def holes(self) -> dict[tuple[str, str], str]:
        """(account, region) -> why packages may be missing, of those that were expected, accepted or not."""
        found = {(one.account, one.region): one.why for one in self.manifest.coverage.unread}
        for cell in self.estate.cells:
            end = self.folder.end(*cell)
            if end is None or end.unread:
                found.setdefault(cell, end.unread if end else "not read: the scan ended before")
        return found

    @cached_property
    def expected(self) -> frozenset[tuple[str, str]]:
        """(account, region)."""
        return frozenset(self.estate.cells)

    @cached_property
    def accounts(self) -> frozenset[str]:
        """Ids of those that were expected or skipped."""
        return frozenset(account.id for account in self.estate.accounts)

    @cached_property
    def skipped(self) -> dict[str, str]:
        """Account id -> why it was left out on purpose."""
        return {row.account: row.error for row in self.estate.skipped}

    @cached_property
    def failed(self) -> dict[tuple[str, str, str], LedgerRow]:
        """(account, region, API) -> how it failed, accepted or not."""
        coverage = self.manifest.coverage
        return {(row.account, row.region, row.api): row for row in (*coverage.failed, *coverage.accepted)}

    @cached_property
    def files(self) -> dict[str, File]:
        """Path -> file of the bundle."""
        return {file.path: file for file in self.bundle}

    def files_of(self, control: str) -> dict[str, str]:
        """Path -> SHA-256 of the files that a control is made of: its own, and what a user's Python may import."""
        info = self.plan.controls[control]
        paths = [info.path]
        if info.origin == "user" and info.engine == "python":
            root = PurePosixPath(info.path).parts[0]
            paths += [path for path in self.files if path.endswith(".py") and PurePosixPath(path).parts[0] == root]
        return {path: self.files[path].sha256 for path in paths if path in self.files}

    @cached_property
    def settings(self) -> Settings | None:
        """The settings that held; None where this release cannot read them."""
        try:
            return Settings.from_json(self.said, self._declarations(), self.plan.controls)
        except (SettingsError, ControlError):
            return None

    def settings_digest(self, name: str) -> str:
        """`digest` or `waivers_digest`."""
        return str(self.said.get(name, ""))

    def reference(self, name: str) -> dict[str, Fact]:
        """Facts that belong to no package, by their digest.

        Raises:
            ScanError: their file cannot be read.
        """
        return _reference(self.folder, name) if name else {}

    def _declarations(self) -> dict[str, ParameterDeclaration]:
        found: dict[str, ParameterDeclaration] = {}
        for file in self.bundle:
            if BundleFile(file.path, file.text, "user").kind == "parameters":
                found |= load_declarations(file.text, file.path)
        return found


def recorded(folder: Folder) -> Recorded:
    """A scan that came to its end, whose tables are as they were written.

    Raises:
        ScanError: a file is missing, was changed, or is of another version.
    """
    plan, manifest = folder.plan(), folder.manifest()
    try:
        found = Recorded(
            folder,
            converted(plan, Plan),
            converted(manifest, Manifest),
            estate_from_json(plan["estate"]),
            converted(plan["bundle"]["files"], tuple[File, ...]),
            plan["settings"],
        )
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ScanError(f"{folder.path}: not a scan of this version: {error}") from error
    folder.check(found.manifest.tables)
    return found


@lru_cache(maxsize=32)
def _reference(folder: Folder, name: str) -> dict[str, Fact]:
    return folder.reference(name)

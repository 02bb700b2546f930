"""The house of a record: the very controls and settings by which its evidence was judged, or those supposed instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from msgspec import Struct, field, structs

from modelwarden import __version__, gate
from modelwarden.bundle_file import BundleFile, builtin_files
from modelwarden.catalog import BundleError, load_bundle, recorded_bundle
from modelwarden.errors import UserError
from modelwarden.evidence import digest
from modelwarden.gate import House, Recipe, Sources
from modelwarden.run import RunError
from modelwarden.settings import Settings, SettingsError

_NAMED: Final = 3
"""Files that one message names."""


class NotAgain(UserError):
    """What was recorded cannot be judged again here; that is neither agreement nor difference."""

    exit_code = 3


class Rules(Struct, frozen=True):
    """Controls and settings as a record keeps them."""

    bundle: Mapping[str, Any]
    """`digest`, and `files` with path, sha256 and text."""
    settings: Mapping[str, Any]
    """As `Settings.to_json` writes them."""
    versions: Mapping[str, str]
    """Of modelwarden, cedarpy and Python, which judged then."""

    @property
    def digests(self) -> tuple[str, str, str]:
        """Of bundle, settings and waivers, as `House.digests`."""
        return self.bundle["digest"], self.settings["digest"], self.settings["waivers_digest"]


class Hypothesis(Struct, frozen=True):
    """What is supposed to have been otherwise."""

    as_of: str | None = None
    """UTC; None: as of when it was recorded."""
    sources: Sources | None = None
    """Settings that stand in for the recorded ones, with the controls that they name."""
    bundles: tuple[Path, ...] = ()
    """Folders of controls that stand in for the recorded ones, beside those that ship."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What of it is ours, where `sources` is set."""

    @property
    def same_rules(self) -> bool:
        return self.sources is None and not self.bundles


def house_of(rules: Rules, where: str, *, run_code: bool) -> House:
    """The house by which a record was judged.

    `run_code`: whether Python that the record brings, and that is not installed here, may run.

    Raises:
        RunError: a file is not what its digest says.
        NotAgain: it brings Python that may not run, or rules that this version cannot read.
    """
    files, copy = _files(rules, where, run_code)
    try:
        bundle = recorded_bundle(files)
        settings = Settings.from_json(rules.settings, bundle.declarations, bundle.controls)
    except (BundleError, SettingsError) as error:
        raise NotAgain(f"its rules cannot be read by modelwarden {__version__}: {error}", error.help) from error
    # The settings hold the copy, which is removed with the last reference to them.
    settings = structs.replace(settings, sources=structs.replace(settings.sources, copy=copy))
    return House(bundle, settings, Recipe(Sources(), {}))


def supposed_house(rules: Rules, hypothesis: Hypothesis, where: str, *, run_code: bool) -> House:
    """The house that is supposed instead: other settings, or the recorded ones over other controls.

    Raises:
        UserError: settings or controls that cannot be used, or that do not fit each other; and as `house_of`.
    """
    if hypothesis.same_rules:
        return house_of(rules, where, run_code=run_code)
    if hypothesis.sources is not None:
        return gate.load_house(hypothesis.sources, hypothesis.environment)
    bundle = load_bundle(hypothesis.bundles)
    try:
        settings = Settings.from_json(rules.settings, bundle.declarations, bundle.controls)
    except SettingsError as error:
        raise UserError(
            f"{where}: its settings do not fit the controls that are supposed: {error}",
            "name settings that do, by --config or --organization",
        ) from error
    return House(bundle, settings, Recipe(Sources(), {}))


def _files(rules: Rules, where: str, run_code: bool) -> tuple[list[BundleFile], TemporaryDirectory[str] | None]:
    """The recorded files; Python that is not installed here lies in a folder of its own."""
    installed = {(file.path, file.sha256) for file in builtin_files()}
    files = [BundleFile(one["path"], one["text"], "built-in") for one in rules.bundle["files"]]
    stated = [[one["path"], one["sha256"]] for one in rules.bundle["files"]]
    if stated != [[file.path, file.sha256] for file in files] or digest(stated) != rules.bundle["digest"]:
        raise RunError(f"{where}: its controls are not those that its digests name")
    strange = [file for file in files if file.kind == "rule" and (file.path, file.sha256) not in installed]
    if not strange:
        return files, None
    if not run_code:
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        raise NotAgain(
            "it brings Python controls that are not installed here: "
            f"{', '.join(file.path for file in strange[:_NAMED])}{more}",
            "add --run-recorded-code if you trust whoever wrote them; they run in a process of their own",
        )
    copy = TemporaryDirectory(prefix="modelwarden-", ignore_cleanup_errors=True)
    return [_beside(file, number, copy) if file in strange else file for number, file in enumerate(files)], copy


def _beside(file: BundleFile, number: int, copy: TemporaryDirectory[str]) -> BundleFile:
    """A file for the process of users' controls; a recorded name decides nothing about where it is written."""
    location = Path(copy.name, f"{number}.py")
    location.write_bytes(file.text.encode())
    return structs.replace(file, origin="user", location=str(location))

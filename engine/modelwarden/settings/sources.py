"""Sources: where settings come from, and in which order.

The organization layer is named from outside (a flag or the environment) and pinned by digest; the settings file, the
environment and the command line follow and may only tighten it. Reading them needs nothing but files, so the folders
they name can be loaded before anything in them is checked against controls and parameters.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from modelwarden import toml
from modelwarden.evidence import digest
from modelwarden.parameter import ParameterDeclaration
from modelwarden.settings.layer import Layer, LayerName, Source, check_keys, parse_layer
from modelwarden.settings.tighten import check_tightening
from modelwarden.toml import SettingsError, Table, printable, quoted

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from modelwarden.settings.pack import Fetch

SETTINGS: Final = "modelwarden.toml"
PREFIX: Final = "MODELWARDEN_"
PASSPHRASE: Final = "MODELWARDEN_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
"""Opens the file of a signing key; no setting, and known to nobody but the signer."""
_PLACES: Final = ("CONFIG", "ORGANIZATION", "ORGANIZATION_DIGEST", "KEY_PASSPHRASE")
_COLLECT: Final = {
    "ROLE": "role",
    "EXTERNAL_ID": "external_id",
    "RETRIES": "retries",
    "TIMEOUT_SECONDS": "timeout_seconds",
}
_VARIABLES: Final = tuple(f"{PREFIX}{name}" for name in (*_PLACES, "PROFILE", "BUNDLE", "RUNS", *_COLLECT))
_FLAGS: Final = ("profile", "level", "bundle", "runs", *_COLLECT.values())


class Sources(Struct, frozen=True, dict=True):
    """All layers as they were read, the first one on top."""

    sources: tuple[Source, ...]
    bundle_paths: tuple[Path, ...]
    """Folders of controls that the layers name, without duplicates."""
    runs: Path | None
    copy: TemporaryDirectory[str] | None = None
    """Holds the private copy of the policy pack; removed with the last reference."""

    @property
    def advisory(self) -> bool:
        """Whether no pinned organization layer stands behind them."""
        return self.sources[0].name != "organization"

    def parse(
        self, declarations: Mapping[str, ParameterDeclaration], control_ids: Collection[str]
    ) -> tuple[Layer, ...]:
        """The layers, each checked by itself and against those above it.

        Raises:
            SettingsError: anything that does not exist, has another type, or loosens a layer above.
        """
        layers = tuple(
            parse_layer(source, declarations, control_ids, first=number == 0)
            for number, source in enumerate(self.sources)
        )
        check_tightening(layers, declarations)
        return layers


def read_sources(
    *,
    config: Path | None = None,
    organization: Path | str | None = None,
    organization_digest: str | None = None,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    fetch: Fetch | None = None,
) -> Sources:
    """Read every layer.

    `environment` is the process environment; `flags` may hold `profile`, `level` (`ID=LEVEL` each), `bundle`, `runs`
    and the settings of `[collect]`.

    Raises:
        SettingsError: a layer cannot be read, or a variable or flag does not exist.
    """
    given = _variables(environment)
    pack = _agreed(organization, given.get("ORGANIZATION"), "--organization", "ORGANIZATION")
    pin = _agreed(organization_digest, given.get("ORGANIZATION_DIGEST"), "--organization-digest", "ORGANIZATION_DIGEST")
    sources: list[Source] = []
    paths: list[Path] = []
    copy = None
    if pack is not None:
        source, copy, found = _organization(pack, pin, fetch)
        sources.append(source)
        paths += found
    elif pin is not None:
        raise SettingsError("a digest is pinned, but no organization layer is named", "add --organization PACK")
    file = _settings_file(config, given.get("CONFIG"))
    if file is not None:
        source = _repository(file, first=not sources)
        sources.append(source)
        paths += [file.parent / path for path in _bundle(source.document, source.path)]
    if not sources:
        sources.append(Source("default", "no settings file", digest({}), {}))
    for name, where, document in (
        ("environment", "environment", _of_environment(given)),
        ("flags", "command line", _of_flags(flags)),
    ):
        if document:
            check_keys(document, where)
            sources.append(Source(name, where, digest(toml.plain(document)), document))  # type: ignore[arg-type]
            paths += [Path(path) for path in _bundle(document, where)]
    return Sources(tuple(sources), _distinct(paths), _runs(sources, file), copy)


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Name without its prefix -> value."""
    found = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        if name not in _VARIABLES:
            raise SettingsError(f"environment: unknown variable {quoted(name)}", toml.suggest(name, _VARIABLES))
        if not environment[name].strip():
            raise SettingsError(f"environment: `{name}` is empty", "set it or unset it")
        if not toml.encodable(environment[name]):
            raise SettingsError(f"environment: `{name}` is not UTF-8", "correct its encoding")
        found[name.removeprefix(PREFIX)] = environment[name]
    return found


def _agreed(flag: Path | str | None, variable: str | None, option: str, name: str) -> str | None:
    """Flag or variable; the command line must not replace the judge that the environment names."""
    if flag is None:
        return variable
    if not str(flag).strip():
        raise SettingsError(f"command line: `{option}` is empty", "name it or leave it out")
    if variable is not None and variable != str(flag):
        raise SettingsError(
            f"command line: `{option}` {quoted(flag)} contradicts {PREFIX}{name} {quoted(variable)}",
            "the command line may only tighten the environment: leave it out",
        )
    return str(flag)


def _organization(
    pack: str, pin: str | None, fetch: Fetch | None
) -> tuple[Source, TemporaryDirectory[str], list[Path]]:
    # Loaded only where a pack is named, since every start without one would pay for the archive formats.
    from tempfile import TemporaryDirectory

    from modelwarden.settings.pack import digest_pack, read_pack, unpack

    files = read_pack(pack, fetch)
    actual = digest_pack(files)
    shown = printable(pack)
    if pin is None:
        raise SettingsError(
            f"{shown}: the organization layer is not pinned",
            "add --organization-digest or MODELWARDEN_ORGANIZATION_DIGEST; `modelwarden config digest PACK` prints it",
        )
    if pin != actual:
        raise SettingsError(
            f"{shown}: its digest is `{actual}`, but {quoted(pin)} is pinned", "review what changed before pinning it"
        )
    where = f"{shown}/{SETTINGS}"
    document = toml.parse(files[SETTINGS], where)
    check_keys(document, where)
    copy = TemporaryDirectory(prefix="modelwarden-", ignore_cleanup_errors=True)
    unpack(files, Path(copy.name))
    folders = []
    for path in _bundle(document, where):
        parts = PurePosixPath(path).parts
        inside = any(name.startswith("/".join((*parts, ""))) for name in files)
        if PurePosixPath(path).is_absolute() or ".." in parts or not inside:
            raise SettingsError(f"{where}: `bundle`: the pack holds no folder {quoted(path)}", "name one inside of it")
        folders.append(Path(copy.name, *parts))
    waivers = {name: data for name, data in files.items() if name.startswith("waivers/") and name.endswith(".toml")}
    found = [*_waivers(document, where)]
    for name, data in waivers.items():
        found += _waiver_file(data, f"{shown}/{name}")
    return Source("organization", where, actual, document, tuple(found)), copy, folders


def _settings_file(config: Path | None, variable: str | None) -> Path | None:
    """`--config`, else the variable, else `./modelwarden.toml`; no walking up."""
    if config is not None:
        return Path(config)
    if variable is not None:
        return Path(variable)
    # lexists: a link that leads nowhere is a file that cannot be read, not a missing one.
    return Path(SETTINGS) if os.path.lexists(SETTINGS) else None


def _repository(file: Path, *, first: bool) -> Source:
    data = toml.read_bytes(file)
    where = printable(file)
    document = toml.parse(data, where)
    check_keys(document, where)
    waivers = _waivers(document, where)
    parts = [data]
    folder = file.parent / "waivers"
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix != ".toml" or path.name.startswith("."):
                continue
            if not first:
                raise SettingsError(
                    f"{printable(path)}: waivers count only from the organization layer", "move it there"
                )
            content = toml.read_bytes(path)
            parts.append(content)
            waivers += _waiver_file(content, printable(path))
    name: LayerName = "repository"
    return Source(name, where, digest([part.hex() for part in parts]), document, tuple(waivers))


def _waivers(document: Table, where: str) -> list[tuple[str, Any]]:
    return [(where, entry) for entry in toml.tables(document.get("waiver", []), f"{where}: waiver")]


def _waiver_file(data: bytes, where: str) -> list[tuple[str, Any]]:
    document = toml.parse(data, where)
    toml.table(document, where, ("waiver",))
    if not document:
        raise SettingsError(f"{where}: holds no waiver", "write each as `[[waiver]]`, or remove the file")
    return _waivers(document, where)


def _bundle(document: Table, where: str) -> tuple[str, ...]:
    return toml.texts(document["bundle"], f"{where}: `bundle`") if document.get("bundle", []) != [] else ()


def _of_environment(given: Mapping[str, str]) -> Table:
    document: Table = {}
    if "PROFILE" in given:
        document["profile"] = given["PROFILE"]
    if "BUNDLE" in given:
        document["bundle"] = [path for path in given["BUNDLE"].split(os.pathsep) if path]
    if "RUNS" in given:
        document["runs"] = given["RUNS"]
    collect: Table = {key: given[name] for name, key in _COLLECT.items() if name in given}
    for key in ("retries", "timeout_seconds"):
        if key in collect and collect[key].strip().isascii() and collect[key].strip().isdigit():
            collect[key] = int(collect[key].strip()[:10])
    return document | ({"collect": collect} if collect else {})


def _of_flags(flags: Mapping[str, object]) -> Table:
    given = {name: value for name, value in flags.items() if value not in (None, (), [])}
    stray = next((name for name in given if name not in _FLAGS), None)
    if stray is not None:
        raise SettingsError(f"command line: unknown setting {quoted(stray)}", toml.suggest(stray, _FLAGS))
    document: Table = {name: str(given[name]) for name in ("profile", "runs") if name in given}
    if "bundle" in given:
        document["bundle"] = [str(path) for path in _several(given["bundle"])]
    collect = {name: given[name] for name in _COLLECT.values() if name in given}
    if "level" in given:
        document["enforcement"] = _levels([str(one) for one in _several(given["level"])])
    return document | ({"collect": collect} if collect else {})


def _several(value: object) -> Sequence[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _levels(given: Sequence[str]) -> Table:
    found: Table = {}
    for entry in given:
        id_, equals, level = entry.partition("=")
        if not equals or id_ in found:
            what = "names a control twice" if equals else "is not of the form ID=LEVEL"
            raise SettingsError(f"command line: `--level` {quoted(entry)} {what}", "write it like --level ENC-02=block")
        found[id_] = level
    return found


def _distinct(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple({os.path.realpath(path): path for path in paths}.values())


def _runs(sources: Sequence[Source], file: Path | None) -> Path | None:
    """The folder for runs; the last layer that names one decides, and a file's is relative to it."""
    found = None
    for source in sources:
        if "runs" in source.document:
            text = toml.text(source.document["runs"], f"{source.path}: `runs`")
            found = file.parent / text if source.name == "repository" and file else Path(text)
    return found

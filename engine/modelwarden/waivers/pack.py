"""A working copy of the organization layer: its settings, its waivers, and the files that they stand in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from modelwarden import toml
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence
from modelwarden.gate import House, Sources, load_house
from modelwarden.request import Request
from modelwarden.settings import Effective
from modelwarden.settings.sources import SETTINGS
from modelwarden.toml import SettingsError, quoted
from modelwarden.waiver import Waiver, parse_waivers
from modelwarden.whole_file import whole

FOLDER: Final = "waivers"
STAGE: Final = "Production"


class Pack(Struct, frozen=True):
    """The folder, and what its settings say."""

    folder: Path
    house: House

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """By id."""
        return self.house.settings.waivers

    def find(self, id_: str) -> Waiver:
        """Raises UserError where there is none."""
        for one in self.waivers:
            if one.id == id_:
                return one
        raise UserError(
            f"no waiver {quoted(id_)} in {self.folder}", toml.suggest(id_, [one.id for one in self.waivers])
        )

    def rules(self, waiver: Waiver, as_of: str) -> Effective:
        """The parameters that say who may grant it, as they hold for the package that it names, else for none in particular."""
        kind, value = waiver.target
        facts = Evidence(value if kind == "package" else "")
        return self.house.settings.effective(facts, Request(STAGE, "approve", as_of))

    def add(self, id_: str, text: str) -> Path:
        """Write the file of a new waiver.

        Raises:
            UserError: the settings would refuse it, or it cannot be written; nothing was written.
        """
        path = self.folder / FOLDER / f"{id_}.toml"
        self._check(path, text, replaced=None)
        try:
            path.parent.mkdir(exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written: {error.strerror}", "choose another id, or a folder that is writable"
            ) from error
        return path

    def append(self, waiver: Waiver, text: str) -> Path:
        """Add an act to the file of a waiver, whole or not at all.

        Raises:
            UserError: it shares its file with others, the settings would refuse it, or it cannot be written.
        """
        path = Path(waiver.path)
        before = toml.read_bytes(path).decode("utf-8-sig")
        sharing = [one.id for one in self.waivers if one.path == waiver.path]
        if path.parent.name != FOLDER or len(sharing) > 1:
            raise UserError(
                f"{path}: waiver {quoted(waiver.id)} has no file of its own", f"move it to {FOLDER}/{waiver.id}.toml"
            )
        ended = before if before.endswith("\n") else before + "\n"
        self._check(path, ended + text, replaced=waiver)
        try:
            with whole(path) as out:
                out.write((ended + text).encode())
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}", "make the folder writable") from error
        return path

    def _check(self, path: Path, text: str, replaced: Waiver | None) -> None:
        """INVARIANT: what is written is what the settings read back: nothing is left for a later command to stumble over."""
        document = toml.parse(text, toml.printable(path))
        new = [(str(path), entry) for entry in toml.tables(document.get("waiver", []), f"{path}: waiver")]
        if len(new) != 1:
            raise SettingsError(f"{path}: not one waiver", "write each into a file of its own")
        others = [
            entry
            for entry in self.house.settings.layers[0].source.waivers
            if replaced is None or _id(entry[1]) != replaced.id
        ]
        parse_waivers([*others, *new], self.house.settings.control_ids)


def open_pack(folder: Path) -> Pack:
    """Read the organization layer in a folder.

    Raises:
        UserError: it holds no settings, or such that cannot be used.
    """
    file = folder / SETTINGS
    if not file.is_file():
        raise UserError(
            f"{folder}: holds no {SETTINGS}",
            "name the folder of the organization layer with --pack: waivers are its files",
        )
    return Pack(folder, load_house(Sources(config=file), {}))


def _id(entry: Any) -> Any:
    return entry.get("id") if isinstance(entry, dict) else None

"""The files of a bundle: what ships with the engine, and what lies in the folders that the user named."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from modelwarden import builtin
from modelwarden.entries import Unlisted, below
from modelwarden.problem import Problem
from modelwarden.toml import encodable

Origin = Literal["built-in", "user"]

MAX_FILE: Final = 1_000_000
"""Bytes of one policy or rule file."""

_ENDINGS: Final = (".cedar", ".py")
_PARAMETERS: Final = "parameters.toml"


class BundleFile(Struct, frozen=True):
    """One file of a bundle, as it was read."""

    path: str
    """`policies/unencrypted_artifact.cedar`, or below the folder that the user named."""
    text: str
    origin: Origin
    location: str = ""
    """Where it lies on this machine; not recorded."""

    @property
    def sha256(self) -> str:
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def kind(self) -> Literal["policy", "authz", "rule", "parameters"]:
        """By its name, and `authz` by a folder of that name."""
        path = PurePosixPath(self.path)
        if path.suffix == ".cedar":
            return "authz" if "authz" in path.parts[:-1] else "policy"
        return "rule" if path.suffix == ".py" else "parameters"


def builtin_files() -> list[BundleFile]:
    """The files that ship with the engine."""
    return [
        BundleFile(f"{shown}/{name}", builtin.read(folder, name).decode(), "built-in")
        for folder, shown in (("policies", "policies"), ("policies.authz", "policies/authz"), ("rules", "rules"))
        for name in builtin.names(folder)
        if (name.endswith(_ENDINGS) or name == _PARAMETERS) and name != "__init__.py"
    ]


def user_files(roots: Sequence[Path], problems: list[Problem]) -> list[BundleFile]:
    """The files of the folders; what cannot be read, or holds no control, goes to `problems`."""
    found: list[BundleFile] = []
    for root in dict.fromkeys(root.resolve() for root in roots):
        shown = next(str(named) for named in roots if named.resolve() == root)
        if not root.is_dir():
            help_ = "name a folder with `.cedar` or `.py` files"
            problems.append(Problem("no-folder", shown, 0, "no such folder", help_))
            continue
        if any(file.path.startswith(f"{root.name}/") for file in found):
            help_ = "rename one of them: records name a file by its folder"
            problems.append(Problem("duplicate-folder", shown, 0, f"another bundle is called `{root.name}` too", help_))
            continue
        try:
            entries = sorted(entry for entry in below(root, partial(_inside, root)) if _belongs(root, entry))
        except Unlisted as error:
            problems.append(Problem("unreadable", shown, 0, str(error), "check the folder's permissions"))
            continue
        if not any(entry.suffix in _ENDINGS for entry in entries):
            help_ = "add `.cedar` or `.py` files, or name another folder"
            problems.append(Problem("no-control", shown, 0, "holds no control", help_))
        for entry in entries:
            path = f"{root.name}/{entry.relative_to(root).as_posix()}"
            text = _text(entry, path, problems)
            found += [] if text is None else [BundleFile(path, text, "user", str(entry))]
    return found


def _inside(root: Path, entry: Path) -> bool:
    """Tests, hidden folders and caches lie beside controls and are none."""
    return not any(part == "tests" or part.startswith((".", "__")) for part in entry.relative_to(root).parts)


def _belongs(root: Path, entry: Path) -> bool:
    if not _inside(root, entry):
        return False
    return (entry.suffix in _ENDINGS or entry.name == _PARAMETERS) and entry.is_file()


def _text(entry: Path, path: str, problems: list[Problem]) -> str | None:
    if not encodable(path):
        problems.append(Problem("unreadable", path, 0, "its name is not UTF-8", "rename it: records name a file"))
        return None
    what, help_ = "", ""
    try:
        with entry.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) <= MAX_FILE:
            return data.decode("utf-8")
        what, help_ = f"larger than {MAX_FILE} bytes", "split it"
    except UnicodeDecodeError as error:
        what, help_ = f"not UTF-8 at byte {error.start}", "save the file as UTF-8"
    except OSError as error:
        what, help_ = f"cannot be read: {error.strerror}", "check the file's permissions"
    problems.append(Problem("unreadable", path, 0, what, help_))
    return None

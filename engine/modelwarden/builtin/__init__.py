"""What ships with the engine (policies, rules, cases, schemas, templates), found in every kind of install."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType


def names(folder: str) -> list[str]:
    """The files of a folder, sorted; `folder` is dotted: `policies.authz`."""
    package = _package(folder)
    place = package.__path__[0]
    if os.path.isdir(place):  # noqa: PTH112 - importlib.resources takes longer to load than a gate takes to judge
        return sorted(os.listdir(place))  # noqa: PTH208
    from importlib.resources import files

    return sorted(entry.name for entry in files(package).iterdir())


def read(folder: str, name: str) -> bytes:
    """The bytes of one file, of this folder itself where `folder` is empty; raises OSError where there is none."""
    package = _package(folder)
    loader = package.__spec__.loader if package.__spec__ else None
    assert loader is not None
    data: bytes = loader.get_data(os.path.join(package.__path__[0], name))  # type: ignore[attr-defined] # noqa: PTH118
    return data


def _package(folder: str) -> ModuleType:
    return import_module(f"modelwarden.builtin.{folder}" if folder else "modelwarden.builtin")

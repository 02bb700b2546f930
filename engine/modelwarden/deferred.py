"""Modules of others that are imported when something in them is first used."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def module(name: str) -> None:
    """Put off the import of a submodule that its package imports at once; nothing happens where it is imported already."""
    sys.modules.setdefault(name, _Deferred(name))


class _Deferred(ModuleType):
    """Stands for a module until one of its names is asked for, and knows all of them from then on."""

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = import_module(self.__name__)
        self.__dict__.update(vars(real))
        return getattr(real, attribute)

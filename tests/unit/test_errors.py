"""What a user can mend comes back from another process as it was raised there."""

from __future__ import annotations

import importlib
import pickle
import pkgutil

import modelwarden
from modelwarden.errors import UserError


def kinds(kind: type[UserError]) -> list[type[UserError]]:
    return [kind, *(found for one in kind.__subclasses__() for found in kinds(one))]


def test_every_error_that_a_user_can_meet_survives_the_way_between_processes() -> None:
    for module in pkgutil.walk_packages(modelwarden.__path__, "modelwarden."):
        if not module.name.startswith(("modelwarden.builtin", "modelwarden.__main__")):
            importlib.import_module(module.name)
    found = [kind for kind in kinds(UserError) if kind.__module__.startswith("modelwarden")]
    assert len(found) > 15
    for kind in found:
        for error in (kind("what is wrong"), kind("what is wrong", "what to do")):
            back = pickle.loads(pickle.dumps(error))
            assert type(back) is kind
            assert (str(back), back.help, back.exit_code) == (str(error), error.help, error.exit_code)

"""Types are described one after the other: threads that meet one at once crash the process otherwise."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine/modelwarden"

AT_ONCE = """
import sys, threading, types
from msgspec import ValidationError
from modelwarden.typed import converted, decoder

told = "from __future__ import annotations\\nfrom msgspec import Struct\\nclass K0(Struct): a: int\\n"
for number in range(1, 40):
    told += f"class K{number}(Struct): a: K{number - 1}; b: tuple[K{number - 1}, ...]; c: dict[str, K{number - 1}] | None\\n"
kinds = types.ModuleType("kinds")
sys.modules["kinds"] = kinds
exec(told, kinds.__dict__)
for number in range(40):
    getattr(kinds, f"K{number}").__module__ = "kinds"
sys.setswitchinterval(1e-5)
together = threading.Barrier(8)
refused = []

def meet(number):
    together.wait()
    try:
        if number % 2:
            converted({"a": {"a": {}}, "b": [], "c": None}, kinds.K39)
        else:
            decoder(kinds.K38).decode(b'{"a": {"a": {}}, "b": [], "c": null}')
    except ValidationError as error:
        refused.append(str(error))

threads = [threading.Thread(target=meet, args=(number,)) for number in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(*sorted(set(refused)), len(refused), sep="|")
"""


@pytest.mark.parametrize("attempt", range(5))
def test_threads_that_meet_a_type_at_once_all_get_to_know_it(attempt: int) -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Object missing required field `a` - at `$.a.a`|8\n"


def told_of_types(tree: ast.AST) -> Iterator[int]:
    """Lines that tell msgspec of a type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("msgspec", "msgspec.json"):
            yield from (node.lineno for one in node.names if one.name in ("convert", "json", "Decoder", "decode"))
        if isinstance(node, ast.Call):
            name, more = ast.unparse(node.func), len(node.args) + len(node.keywords)
            told = {"msgspec.convert": more > 0, "msgspec.json.Decoder": more > 0, "msgspec.json.decode": more > 1}
            if told.get(name, False):
                yield node.lineno


def test_nobody_else_tells_msgspec_of_a_type() -> None:
    found = [
        (path.relative_to(ENGINE).as_posix(), line)
        for path in sorted(ENGINE.rglob("*.py"))
        for line in told_of_types(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert {path for path, _ in found} == {"typed.py"}, found

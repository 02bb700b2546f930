"""Truth: which parts of a condition can change its answer, whatever the facts are.

A condition is read as a formula over its comparisons, each of which may be true or false on its own, and reduced to a
binary decision diagram; a comparison that the diagram does not hold decides nothing. What holds for independent
comparisons holds for dependent ones too, so a part that is called idle is idle for certain.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

MAX_NODES: Final = 20_000

Node = bool | int
"""A constant, or the number of a node."""
_FALSE: Final[Node] = False
_TRUE: Final[Node] = True


class TooLarge(Exception):
    """The diagram outgrew `MAX_NODES`."""


class Diagram:
    """The reduced diagram of one condition."""

    def __init__(self, condition: Any, known: Callable[[Any], bool | None]) -> None:
        """`known` gives the value of a part that cannot vary, else None.

        Raises:
            TooLarge: the condition has too many parts that depend on each other.
        """
        self.atoms: dict[str, Any] = {}
        """Normal form -> the part as it first stands in the condition, in order."""
        self._known = known
        # Numbers start at 2, since as keys of a dict 0 and 1 are the same as False and True.
        self._nodes: list[tuple[int, Node, Node]] = [(-1, False, False)] * 2
        self._numbers: dict[tuple[int, Node, Node], int] = {}
        self._choices: dict[tuple[Node, Node, Node], Node] = {}
        self.root = self._build(condition)

    def idle(self) -> list[Any]:
        """The comparisons that cannot change the answer, in the order of the condition."""
        deciding: set[int] = set()
        waiting, seen = [self.root], set[Node]()
        while waiting:
            node = waiting.pop()
            if isinstance(node, bool) or node in seen:
                continue
            seen.add(node)
            level, low, high = self._nodes[node]
            deciding.add(level)
            waiting += [low, high]
        return [atom for level, atom in enumerate(self.atoms.values()) if level not in deciding]

    def _build(self, part: Any) -> Node:
        value = self._known(part)
        if value is not None:
            return value
        match part:
            case {"&&": body}:
                return self._choose(self._build(body["left"]), self._build(body["right"]), _FALSE)
            case {"||": body}:
                return self._choose(self._build(body["left"]), _TRUE, self._build(body["right"]))
            case {"!": body}:
                return self._choose(self._build(body["arg"]), _FALSE, _TRUE)
            case {"if-then-else": body}:
                return self._choose(*(self._build(body[branch]) for branch in ("if", "then", "else")))
        positive, negated = _normal(part)
        key = json.dumps(positive, sort_keys=True)
        self.atoms.setdefault(key, part)
        level = list(self.atoms).index(key)
        return self._node(level, negated, not negated)

    def _node(self, level: int, low: Node, high: Node) -> Node:
        if low == high:
            return low
        key = (level, low, high)
        if key not in self._numbers:
            if len(self._nodes) >= MAX_NODES:
                raise TooLarge
            self._nodes.append(key)
            self._numbers[key] = len(self._nodes) - 1
        return self._numbers[key]

    def _choose(self, condition: Node, then: Node, otherwise: Node) -> Node:
        """`condition ? then : otherwise`."""
        if isinstance(condition, bool):
            return then if condition else otherwise
        key = (condition, then, otherwise)
        if key not in self._choices:
            level = min(self._nodes[node][0] for node in key if not isinstance(node, bool))
            sides = [self._choose(*(self._side(node, level, side) for node in key)) for side in (False, True)]
            self._choices[key] = self._node(level, *sides)
        return self._choices[key]

    def _side(self, node: Node, level: int, side: bool) -> Node:
        if isinstance(node, bool) or self._nodes[node][0] != level:
            return node
        return self._nodes[node][2 if side else 1]


def _normal(part: Any) -> tuple[Any, bool]:
    """A comparison over `==` and `<` alone, and whether the part is its negation."""
    match part:
        case {"!=": body}:
            return {"==": _sides(body)}, True
        case {"==": body}:
            return {"==": _sides(body)}, False
        case {">": body}:
            return {"<": [body["right"], body["left"]]}, False
        case {"<": body}:
            return {"<": [body["left"], body["right"]]}, False
        case {">=": body}:
            return {"<": [body["left"], body["right"]]}, True
        case {"<=": body}:
            return {"<": [body["right"], body["left"]]}, True
    return part, False


def _sides(body: Any) -> list[Any]:
    return sorted((body["left"], body["right"]), key=lambda side: json.dumps(side, sort_keys=True))

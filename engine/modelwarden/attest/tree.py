"""The Merkle tree over the entries (RFC 9162, SHA-256), and the edge of it that suffices to go on with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion
from pymerkle.hasher import MerkleHasher
from pymerkle.proof import InclusionProof

from modelwarden.typed import converted

_HASHER = MerkleHasher("sha256")


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Which entry of which tree is proven."""

    algorithm: Literal["sha256"]
    security: bool
    """Whether leaves and nodes are hashed apart, as the standard has it: always true."""
    size: int
    index: int
    """Counts from 1."""


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """Of inclusion, as pymerkle writes it."""

    type: Literal["inclusion"]
    metadata: Place
    rule: tuple[int, ...]
    """For each hash that follows the first whether it is the right one of a pair (0) or the left one (1)."""
    path: tuple[str, ...]
    """Hex; the first is the entry's own."""


class Edge(Struct, frozen=True):
    """The roots of the perfect subtrees that a tree of some size consists of, the largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    """As many as the size has ones in binary."""

    def plus(self, entry: bytes) -> Edge:
        """The edge with one more entry."""
        peaks, node, size = list(self.peaks), _HASHER.hash_buff(entry), self.size
        while size & 1:
            node, size = _HASHER.hash_pair(peaks.pop(), node), size >> 1
        return Edge(self.size + 1, (*peaks, node))

    @property
    def root(self) -> bytes:
        """The tree's root hash."""
        found: bytes = _HASHER.hash_fold(self.peaks[::-1]) if self.peaks else _HASHER.hash_empty()
        return found


class Tree:
    """A whole tree."""

    def __init__(self, entries: Iterable[bytes]) -> None:
        self._tree = InmemoryTree.init_from_entries(entries)

    def root(self, size: int) -> bytes:
        """Of the tree as it was when it had so many entries."""
        return bytes(self._tree.get_root(size))

    def continues(self, size: int, root: bytes) -> bool:
        """Whether this tree is one of that size and root with entries added, by a consistency proof."""
        later = self._tree.get_size()
        try:
            verify_consistency(root, self.root(later), self._tree.prove_consistency(size, later), size, later)
        except InvalidProof:
            return False
        return True

    def proof(self, number: int, size: int) -> Proof:
        """The proof that an entry, counted from 1, is in the tree of a size."""
        return converted(self._tree.prove_inclusion(number, size).serialize(), Proof)


def includes(root: bytes, size: int, number: int, entry: bytes, proof: Proof) -> bool:
    """Whether a proof, from wherever it comes, shows the entry at its place in the tree of that root and size."""
    document = msgspec.to_builtins(proof)
    document["rule"] = list(proof.rule)
    try:
        found = InclusionProof.deserialize(document)
        verify_inclusion(_HASHER.hash_buff(entry), root, found, number, size, "sha256")
    except (InvalidProof, ValueError, TypeError):
        return False
    # Written as we write it: hexadecimal digits in capitals mean the same, and were changed all the same.
    return proof.metadata.security and tuple(one.hex() for one in found.path) == proof.path

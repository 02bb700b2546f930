"""The Merkle tree over the entries (RFC 9162, SHA-256), and the edge of it that suffices to go on with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion
from pymerkle.hasher import MerkleHasher
from pymerkle.proof import InclusionProof

_HASHER = MerkleHasher("sha256")


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

    def proof(self, number: int, size: int) -> dict[str, Any]:
        """The proof that an entry, counted from 1, is in the tree of a size, as JSON holds it."""
        proof: dict[str, Any] = self._tree.prove_inclusion(number, size).serialize()
        return proof


def includes(root: bytes, size: int, number: int, entry: bytes, proof: Any) -> bool:
    """Whether a proof, from wherever it comes, shows the entry at its place in the tree of that root and size."""
    try:
        found = InclusionProof.deserialize(proof)
        verify_inclusion(_HASHER.hash_buff(entry), root, found, number, size, "sha256")
    except (InvalidProof, ValueError, TypeError):
        return False
    # Written as we write it: hexadecimal digits in capitals mean the same, and were changed all the same.
    named = {"algorithm": "sha256", "security": True, "size": size, "index": number}
    return bool(found.serialize() == proof and proof["metadata"] == named)

"""RFC 9162 Merkle tree hashing and the two proof checks, as pure functions of bytes.

Called by receipt (every party that checks an answer) and by the auditor's tree and fsck.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from glomar_schemas.errors import IntegrityError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry), 32 B. RFC 9162 §2.1.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), two hashes of 32 B -> 32 B. RFC 9162 §2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """RFC 9162 §2.1.1 root of a small tree, held whole: n leaf hashes of 32 B -> 32 B."""
    row = list(leaf_hashes)
    while len(row) > 1:
        # Without a sibling the last one is carried up as it is.
        row = [*map(node_hash, row[::2], row[1::2]), *row[len(row) & ~1 :]]
    return row[0] if row else EMPTY_ROOT


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if `proof` (sibling hashes, leaf to root) leads from leaf `index` to the root of `size` leaves.

    Raises IntegrityError otherwise. RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        raise _contradiction("the index lies outside the tree", "inclusion proof")
    node, last, computed = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise _contradiction("it has more hashes than the tree has levels", "inclusion proof")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            # A rightmost node without a sibling is carried up unchanged, so its empty levels are skipped.
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last or computed != root:
        raise _contradiction("it does not lead to the signed root", "inclusion proof")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the tree (`new_size`, `new_root`) only appends to (`old_size`, `old_root`).

    Raises IntegrityError otherwise. RFC 9162 §2.1.4.2; from the empty tree only an empty proof is accepted.
    """
    if not 0 <= old_size <= new_size:
        raise _contradiction("the newer tree is smaller than the older one", "consistency proof")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected or (new_size == 0 and new_root != EMPTY_ROOT):
            raise _contradiction("equal or empty trees need equal roots and no hashes", "consistency proof")
        return
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        # The old tree is one whole subtree of the new one: its root, which we know, opens the path.
        hashes.insert(0, old_root)
    if not hashes or _fold_consistency(old_size, new_size, hashes) != (old_root, new_root):
        raise _contradiction("it does not lead to both signed roots", "consistency proof")


def _fold_consistency(old_size: int, new_size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that `hashes` leads to, old first. RFC 9162 §2.1.4.2, steps 4 to 6."""
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise _contradiction("it has more hashes than the tree has levels", "consistency proof")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise _contradiction("it has fewer hashes than the tree has levels", "consistency proof")
    return old, new


def _contradiction(what: str, where: str) -> IntegrityError:
    return IntegrityError(
        what, where=where, fix="Keep both files as evidence and ask the auditor for a fresh proof"
    )

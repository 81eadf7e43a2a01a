"""Receipts: proof, checkable offline, that one leaf is in the ledger, as C2SP tlog-proof@v1 text.

Written by the auditor's sequencer; checked by requesters and by anyone who holds the log's public key.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Final

import msgspec

from glomar_schemas.errors import IntegrityError, Malformed
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, decode_base64, decode_decimal, open_checkpoint

MAX_PROOF_HASHES: Final = 63
_HEADER: Final = "c2sp.org/tlog-proof@v1"


class Receipt(msgspec.Struct, frozen=True):
    """Zero-based leaf index, sibling hashes (32 B, leaf to root), checkpoint note, unauthenticated extra."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""


def encode(receipt: Receipt) -> str:
    """The receipt as tlog-proof@v1 text. https://c2sp.org/tlog-proof"""
    lines = [_HEADER]
    if receipt.extra:
        lines.append(f"extra {b64encode(receipt.extra).decode()}")
    lines.append(f"index {receipt.index}")
    lines += [b64encode(sibling).decode() for sibling in receipt.proof]
    return "\n".join([*lines, "", receipt.checkpoint])


def parse(text: str) -> Receipt:
    """Read tlog-proof@v1 text; nothing in it is believed yet. Raises Malformed."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n", MAX_PROOF_HASHES + 3)
    if not blank or lines.pop(0) != _HEADER:
        raise Malformed(f"not a {_HEADER} text", where="receipt")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "), "receipt extra")
        if not extra:
            raise Malformed("empty: leave the line out", where="receipt extra")
    if not lines or not lines[0].startswith("index "):
        raise Malformed("the index line is missing", where="receipt")
    index = decode_decimal(lines.pop(0).removeprefix("index "), "receipt index")
    if len(lines) > MAX_PROOF_HASHES:
        raise Malformed(f"more than {MAX_PROOF_HASHES} hashes", where="receipt proof")
    proof = tuple(decode_base64(line, "receipt proof") for line in lines)
    if any(len(sibling) != HASH_BYTES for sibling in proof):
        raise Malformed("a hash that is not 32 bytes", where="receipt proof")
    return Receipt(index, proof, checkpoint, extra)


def with_leaf(text: str, leaf: leaves.Leaf) -> str:
    """The receipt with its leaf in the `extra` line, so that a file of it can be checked on its own."""
    return encode(msgspec.structs.replace(parse(text), extra=leaves.encode(leaf)))


def leaf_within(text: str) -> leaves.Leaf:
    """The leaf that a receipt brings with it; nothing is believed yet. Raises Malformed."""
    if not (extra := parse(text).extra):
        raise Malformed("it brings no leaf to check", where="receipt extra")
    return leaves.decode(extra)


def check(receipt_text: str, leaf: leaves.Leaf, key: VerifierKey) -> Checkpoint:
    """Return the signed checkpoint once the receipt proves that `leaf` is its leaf `leaf.sequence - 1`.

    Take sequence, subject and digest of `leaf` from the message you hold, never from the receipt. Raises
    Malformed for the form, Untrusted for signature or origin, IntegrityError if index, leaf and root
    contradict each other.
    """
    return check_under(receipt_text, leaf, lambda note: open_checkpoint(note, key))


def check_under(receipt_text: str, leaf: leaves.Leaf, opened: Callable[[str], Checkpoint]) -> Checkpoint:
    """`check` with another way to open checkpoints: many receipts share one, which may be remembered."""
    receipt = parse(receipt_text)
    checkpoint = opened(receipt.checkpoint)
    if receipt.index + 1 != leaf.sequence:
        raise IntegrityError(
            "it is for another stream sequence",
            where="receipt",
            fix="Ask the auditor for this message's receipt",
        )
    entry_hash = leaf_hash(leaves.encode(leaf))
    verify_inclusion(entry_hash, receipt.index, checkpoint.size, receipt.proof, checkpoint.root)
    return checkpoint

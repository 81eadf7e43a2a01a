"""A ledger as anybody reads it: a signed checkpoint and the files under it. Called by commands and the index.

Safe on a live ledger: what its auditor adds meanwhile lies beyond the checkpoint and is left out.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.errors import IntegrityError, Misconfigured, Refused
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, format_vkey, open_checkpoint, parse_vkey, sign
from glomar_schemas.tlog.tree import TILE_WIDTH, Tree

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.tiles import TileStore


class LedgerView:
    """One checkpoint of a ledger, whose signature holds."""

    def __init__(
        self, directory: Path, note: str, checkpoint: Checkpoint, key: VerifierKey, held: int = 0
    ) -> None:
        """Use open_view(). held: the size of another checkpoint, whose files lie there; 0: of this one."""
        self._held = held or checkpoint.size
        self.note = note
        self.checkpoint = checkpoint
        self.key = key
        self._store = TileStore(directory, Disk())
        self._grown: Tree | None = None

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def bundles(self, first: int = 0) -> Iterator[list[bytes]]:
        """The entries, up to 256 at a time, as stored. Raises IntegrityError if one is missing."""
        for start in range(first * TILE_WIDTH, self.size, TILE_WIDTH):
            stored = self._store.read_bundle(start // TILE_WIDTH, min(TILE_WIDTH, self._held - start))
            yield stored[: self.size - start]

    def entries(self, after: int = 0) -> Iterator[bytes]:
        """Those behind that sequence."""
        first, place = divmod(after, TILE_WIDTH)
        return islice(chain.from_iterable(self.bundles(first)), place, None)

    def leaves(self, after: int = 0) -> Iterator[Leaf | None]:
        """The same, decoded; None for a gap. From the first one on they are proved to be what was signed:
        at the end IntegrityError is raised if they do not hash to the root."""
        tree = Tree(no_tiles)
        for index, entry in enumerate(self.entries(after), after):
            if after == 0:
                tree.append([leaf_hash(entry)])
            yield _decoded(entry, index)
        if after == 0:
            _require_signed(tree, self.checkpoint)

    def receipt(self, sequence: int) -> str:
        """tlog-proof@v1 text for one sequence under this checkpoint, checked; it brings its leaf, so that it
        can be saved and checked on its own. Raises IntegrityError."""
        if self._grown is None:
            self._grown = Tree(self._store.read_tile, self.size)
        proof = self._grown.inclusion_proof(sequence - 1)
        entry = next(self.entries(sequence - 1))
        text = receipts.encode(receipts.Receipt(sequence - 1, proof, self.note, entry))
        if (leaf := _decoded(entry, sequence - 1)) is not None:
            receipts.check(text, leaf, self.key)
        return text


def open_view(directory: Path, keys: list[VerifierKey], checkpoint: Path | None = None) -> LedgerView:
    """The published checkpoint, or an older one in a file. Raises Misconfigured: no ledger there;
    IntegrityError: signed by none of the keys."""
    path = checkpoint or directory / "checkpoint"
    try:
        note = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(
            "no checkpoint can be read there",
            where=str(path),
            fix="Name a ledger, or the file of one of its checkpoints",
        ) from None
    for key in keys:
        try:
            return LedgerView(directory, note, open_checkpoint(note, key), key)
        except Refused:
            continue
    raise IntegrityError(
        "the checkpoint is signed by no ledger key of the agreement, or is another ledger's",
        where=str(path),
        fix="Keep the files as evidence and compare them with another copy",
    )


def ledger_keys(signed: SignedAgreement, subjects: Subjects) -> list[VerifierKey]:
    """By the agreement, not by what the ledger says of itself; the newest first."""
    origin = subjects.origin(signed.agreement.oversight)
    public = signed.ring.ledger_keys(signed.agreement.oversight)
    return [parse_vkey(format_vkey(origin, key)) for key in reversed(public)]


def _decoded(entry: bytes, index: int) -> Leaf | None:
    """None for a gap."""
    try:
        leaf = leaves.decode_entry(entry)
    except Refused:
        _differ(f"the entry of leaf {index} is not canonical")
    if leaf.sequence != index + 1:
        _differ(f"leaf {index} has sequence {leaf.sequence}")
    return leaf if isinstance(leaf, Leaf) else None


def signed_prefix(
    directory: Path, view: LedgerView, signer: Ed25519PrivateKey, *, until_ns: int, most: int
) -> LedgerView:
    """What was stored before that stream time, the first `most` entries of it, under a checkpoint signed now.

    Raises IntegrityError, and signs nothing, unless all entries are what was signed before.
    """
    tree, beginning = Tree(no_tiles), None
    for index, entry in enumerate(view.entries()):
        leaf = _decoded(entry, index)
        # A gap has no time; it belongs to what stands before it.
        if beginning is None and (index == most or (leaf is not None and leaf.time_ns >= until_ns)):
            beginning = Checkpoint(view.key.name, tree.size, tree.root())
        tree.append([leaf_hash(entry)])
    _require_signed(tree, view.checkpoint)
    checkpoint = beginning or view.checkpoint
    return LedgerView(directory, sign(checkpoint, signer), checkpoint, view.key, view.size)


def no_tiles(level: int, index: int, width: int) -> bytes:
    """For a tree that is grown from its entries."""
    raise AssertionError(f"no stored tile is believed ({level}, {index}, {width})")


def _require_signed(tree: Tree, checkpoint: Checkpoint) -> None:
    if tree.root() != checkpoint.root:
        _differ("the entries do not hash to the signed root")


def _differ(what: str) -> Never:
    raise IntegrityError(what, where="ledger", fix="Keep the files as evidence; see what `verify` says")

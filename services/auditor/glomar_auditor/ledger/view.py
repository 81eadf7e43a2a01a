"""Reads a ledger under one signed checkpoint.

Safe on a live ledger: what its auditor appends meanwhile is beyond the checkpoint and is ignored.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Never
from zoneinfo import ZoneInfo

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
from glomar_auditor.ledger.tiles import TileStore, no_tiles

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NS = 2**63 - 1


class LedgerView:
    """One checkpoint of a ledger, with a valid signature, and the entries under it."""

    def __init__(
        self, directory: Path, note: str, checkpoint: Checkpoint, key: VerifierKey, files_size: int = 0
    ) -> None:
        """Use open_view(). files_size: the ledger size whose files exist; 0: that of the checkpoint."""
        self._files_size = files_size or checkpoint.size
        self.note = note
        self.checkpoint = checkpoint
        self.key = key
        self._store = TileStore(directory, Disk())
        self._tree: Tree | None = None

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def bundles(self, first: int = 0) -> Iterator[list[bytes]]:
        """The entries, up to 256 at a time, as stored. Raises IntegrityError if one is missing."""
        for start in range(first * TILE_WIDTH, self.size, TILE_WIDTH):
            stored = self._store.read_bundle(start // TILE_WIDTH, min(TILE_WIDTH, self._files_size - start))
            yield stored[: self.size - start]

    def entries(self, after: int = 0) -> Iterator[bytes]:
        """The entries after that sequence, as stored."""
        first, place = divmod(after, TILE_WIDTH)
        return islice(chain.from_iterable(self.bundles(first)), place, None)

    def leaves(self, after: int = 0) -> Iterator[Leaf | None]:
        """The leaves after that sequence; None for a gap.

        If they start at the first leaf, IntegrityError is raised at the end unless they hash to the root.
        """
        tree = Tree(no_tiles)
        for index, entry in enumerate(self.entries(after), after):
            if after == 0:
                tree.append([leaf_hash(entry)])
            yield _decoded(entry, index)
        if after == 0:
            _require_signed(tree, self.checkpoint)

    def receipt(self, sequence: int) -> str:
        """tlog-proof@v1 text for one sequence under this checkpoint, verified. Raises IntegrityError.

        It contains its leaf, so it can be saved and verified alone.
        """
        if self._tree is None:
            self._tree = Tree(self._store.read_tile, self.size)
        proof = self._tree.inclusion_proof(sequence - 1)
        entry = next(self.entries(sequence - 1))
        text = receipts.encode(receipts.Receipt(sequence - 1, proof, self.note, entry))
        if (leaf := _decoded(entry, sequence - 1)) is not None:
            receipts.check(text, leaf, self.key)
        return text


def open_view(directory: Path, keys: list[VerifierKey], checkpoint: Path | None = None) -> LedgerView:
    """The published checkpoint, or an older one in the file `checkpoint`.

    Raises Misconfigured (not a ledger), IntegrityError (signed by none of the keys).
    """
    path = checkpoint or directory / "checkpoint"
    try:
        note = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(
            "no checkpoint can be read",
            where=str(path),
            fix="Name a ledger, or the file of one of its checkpoints",
        ) from None
    for key in keys:
        try:
            return LedgerView(directory, note, open_checkpoint(note, key), key)
        except Refused:
            continue
    raise IntegrityError(
        "the checkpoint is signed by no ledger key of the agreement, or belongs to another ledger",
        where=str(path),
        fix="Keep the files as evidence and compare them with another copy",
    )


def ledger_keys(signed: SignedAgreement, subjects: Subjects) -> list[VerifierKey]:
    """The log's keys, newest first: from the agreement, not from the ledger's own files."""
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
    """The entries stored before that stream time, at most the first `most`, under a checkpoint signed now.

    Raises IntegrityError, and signs nothing, unless all entries of `view` are what was signed.
    """
    tree, prefix = Tree(no_tiles), None
    for index, entry in enumerate(view.entries()):
        leaf = _decoded(entry, index)
        # A gap has no time; it belongs to the leaf before it.
        if prefix is None and (index == most or (leaf is not None and leaf.time_ns >= until_ns)):
            prefix = Checkpoint(view.key.name, tree.size, tree.root())
        tree.append([leaf_hash(entry)])
    _require_signed(tree, view.checkpoint)
    checkpoint = prefix or view.checkpoint
    return LedgerView(directory, sign(checkpoint, signer), checkpoint, view.key, view.size)


def _require_signed(tree: Tree, checkpoint: Checkpoint) -> None:
    if tree.root() != checkpoint.root:
        _differ("the entries do not hash to the signed root")


def _differ(what: str) -> Never:
    raise IntegrityError(what, where="ledger", fix="Keep the files as evidence; see what `verify` says")


def in_zone(given: datetime, zone: str) -> datetime:
    """A date without a zone is in `zone`."""
    return given if given.tzinfo else given.replace(tzinfo=ZoneInfo(zone))


def to_ns(moment: datetime) -> int:
    """ns since the Unix epoch, between 0 and LAST_NS."""
    return min(max((moment - _EPOCH) // timedelta(microseconds=1) * 1000, 0), LAST_NS)

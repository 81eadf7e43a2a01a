"""What a journal's frames amount to: the tree, its tiles on disk, and the checkpoint signed over all of it.

Called by the sequencer alone, with the same calls for a new batch and for each frame at recovery.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from glomar_schemas.errors import IntegrityError, Refused
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.leaf import Entry
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, open_checkpoint
from glomar_schemas.tlog.tree import TILE_WIDTH, Tile, Tree

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.journal import Frame
from glomar_auditor.ledger.tiles import TileStore

RESTORE: Final = (
    "Stop the auditor and restore the ledger directory from a copy; it catches up from the stream"
)


class State:
    """Three steps a batch: add() in memory, apply() to the tiles, settle() on what was signed.

    The caller makes the frame durable between the first two. settle() may stand behind many frames.
    """

    def __init__(self, directory: Path, key: VerifierKey, disk: Disk, base: Frame) -> None:
        """As of a journal's base, from the tiles. Raises IntegrityError if they are not what was signed."""
        self._key = key
        self._store = TileStore(directory, disk, base.start)
        # First of all: what another log has signed is no reason to look at tiles.
        self.checkpoint, self.note = self._opened(base.checkpoint), base.checkpoint
        self._tree = Tree(self._store.read_tile, base.start)
        self._require_signed(self.checkpoint)
        index, width = divmod(base.start, TILE_WIDTH)
        self._tail = self._store.read_bundle(index, width) if width else []
        for place, entry in enumerate(self._tail, index * TILE_WIDTH):
            self._require_entry(place, entry)

    @property
    def unsigned(self) -> Checkpoint:
        """Over all that was added."""
        return Checkpoint(self._key.name, self._tree.size, self._tree.root())

    def add(self, start: int, entries: Sequence[bytes]) -> list[Tile]:
        """Hash entries into the tree; nothing is written. Raises IntegrityError if they do not follow."""
        require(start == self._tree.size, f"leaf {start} stands where {self._tree.size} must follow")
        return self._tree.append(map(leaf_hash, entries))

    def apply(self, frame: Frame, tiles: list[Tile]) -> None:
        """Write what a durable frame completed; the rest waits for settle(). Raises OSError."""
        self._tail += frame.entries
        index = frame.start // TILE_WIDTH
        while self._tail:
            self._store.write_bundle(index, self._tail[:TILE_WIDTH])
            if len(self._tail) < TILE_WIDTH:
                break
            del self._tail[:TILE_WIDTH]
            index += 1
        for tile in tiles:
            self._store.write_tile(tile.level, tile.index, tile.hashes)

    def settle(self, note: str) -> None:
        """Take the note for what is published from now on; every tile of it can be read.

        Raises IntegrityError unless this log signed it over just what was added. Raises OSError.
        """
        checkpoint = self._opened(note)
        self._require_signed(checkpoint)
        self._store.flush()
        self.checkpoint, self.note = checkpoint, note

    def sync(self) -> Frame:
        """Return once all tiles survive a power cut -> the base that a journal may start from. OSError."""
        self._store.sync(self.checkpoint.size)
        return Frame(self.checkpoint.size, (), self.note)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """As Tree.inclusion_proof, at the current size."""
        return self._tree.inclusion_proof(index)

    def tree_at(self, size: int) -> Tree:
        """Of the first `size` leaves, at most those that are settled; apart from this one, which grows."""
        return Tree(self._store.read_tile, size)

    def leaf(self, index: int) -> Entry | None:
        """Leaf or gap `index`; None if not in yet. Raises IntegrityError if stored bytes were changed."""
        size = self.checkpoint.size
        if not 0 <= index < size:
            return None
        bundle, place = divmod(index, TILE_WIDTH)
        entry = (self._tail if bundle == size // TILE_WIDTH else self._store.read_bundle(bundle))[place]
        self._require_entry(index, entry)
        return leaves.decode_entry(entry)

    def _require_signed(self, checkpoint: Checkpoint) -> None:
        require(
            checkpoint == self.unsigned,
            f"what is signed for {checkpoint.size} leaves is not what {self._tree.size} leaves hash to",
        )

    def _require_entry(self, index: int, entry: bytes) -> None:
        require(
            leaf_hash(entry) == self._tree.leaf_hash(index),
            f"entry {index} is not what was signed",
            where="tile/entries",
        )

    def _opened(self, note: str) -> Checkpoint:
        try:
            return open_checkpoint(note, self._key)
        except Refused as error:
            raise IntegrityError(
                "a checkpoint that this log did not sign", where="journal", fix=RESTORE
            ) from error


def require(holds: bool, what: str, where: str = "journal", fix: str = RESTORE) -> None:
    """Raises IntegrityError unless it holds."""
    if not holds:
        raise IntegrityError(what, where=where, fix=fix)

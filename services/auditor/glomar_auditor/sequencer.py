"""The ledger: turns batches of leaves into durable, signed, published tree heads, and hands out receipts.

Called by the auditor's app, one Ledger a process; everything it holds is rebuilt from the journal at open.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas import leaf as leaves
from glomar_schemas import receipt as receipts
from glomar_schemas.errors import Fatal, IntegrityError, Misconfigured, Refused
from glomar_schemas.merkle import EMPTY_ROOT, leaf_hash
from glomar_schemas.note import Checkpoint, format_vkey, open_checkpoint, parse_vkey, sign

from glomar_auditor.journal import Frame, Journal, create_journal, read_frames
from glomar_auditor.lock import claim
from glomar_auditor.tiles import Disk, TileStore
from glomar_auditor.tree import TILE_WIDTH, Tile, Tree

MAX_JOURNAL_BYTES: Final = 64 * 2**20

_RESTORE: Final = (
    "Stop the auditor and restore the ledger directory from a copy; it catches up from the stream"
)


class Ledger:
    """A log directory, open for its only writer. A failed append closes it; then only open() may mend it."""

    def __init__(
        self,
        directory: Path,
        signer: Ed25519PrivateKey,
        origin: str,
        lock: int,
        disk: Disk,
        max_journal_bytes: int,
    ) -> None:
        """Use open()."""
        self._tree: Tree
        self._store: TileStore
        self._journal: Journal
        self._checkpoint: Checkpoint
        self._note: str
        self._tail: list[bytes]
        self._directory, self._signer, self._disk = directory, signer, disk
        self._max_journal_bytes = max_journal_bytes
        self._lock = lock
        vkey = format_vkey(origin, signer.public_key())
        self._key = parse_vkey(vkey)
        self._claim(vkey)
        self._recover()

    @classmethod
    def open(
        cls,
        directory: Path,
        signer: Ed25519PrivateKey,
        origin: str,
        *,
        disk: Disk | None = None,
        max_journal_bytes: int = MAX_JOURNAL_BYTES,
    ) -> "Ledger":
        """Open or create the log `origin` in `directory` and recover it from its journal.

        Raises Misconfigured if it can't be written, another process has it open, or key or origin changed;
        IntegrityError if journal, tiles and published checkpoint contradict each other; OSError.
        """
        lock = claim(directory)
        try:
            return cls(directory, signer, origin, lock, disk or Disk(), max_journal_bytes)
        except BaseException:
            os.close(lock)
            raise

    @property
    def size(self) -> int:
        """Leaves that are durable, signed and published; the next one is stream sequence size + 1."""
        return self._checkpoint.size

    @property
    def checkpoint_text(self) -> str:
        """The signed note over all of them."""
        return self._note

    def append(self, batch: Sequence[leaves.Entry]) -> Checkpoint:
        """Make the leaves durable, sign and publish; only then may anything that rests on them be released.

        Raises IntegrityError if they are not the sequences size + 1, size + 2, ...; Malformed if one can't be
        encoded; Fatal if the storage fails.
        """
        self._require_open()
        entries = self._encode(batch)
        if entries:
            with self._closed_on_failure():
                self._commit(entries)
        return self._checkpoint

    def receipt(self, index: int) -> str:
        """tlog-proof@v1 text for leaf `index` at the current size. Raises IndexError if it is not in yet."""
        self._require_open()
        return receipts.encode(receipts.Receipt(index, self._tree.inclusion_proof(index), self._note))

    def leaf(self, index: int) -> leaves.Entry | None:
        """Leaf or gap `index`; None if not in yet. Raises IntegrityError if stored bytes were changed."""
        self._require_open()
        if not 0 <= index < self.size:
            return None
        bundle, place = divmod(index, TILE_WIDTH)
        in_tail = bundle == self.size // TILE_WIDTH
        entry = (self._tail if in_tail else self._store.read_bundle(bundle))[place]
        _require(
            leaf_hash(entry) == self._tree.leaf_hash(index),
            f"entry {index} is not what was signed",
            where="tile/entries",
        )
        return leaves.decode_entry(entry)

    def compact(self) -> None:
        """Make the tiles durable and empty the journal. append() does it when the journal is full."""
        self._require_open()
        with self._closed_on_failure():
            # The journal may forget a batch only once its tiles survive a power cut.
            self._store.sync(self.size)
            self._journal.compact(Frame(self.size, (), self._note))

    def close(self) -> None:
        """Let another process write. Any later call raises Fatal."""
        if self._lock >= 0:
            self._journal.close()
            os.close(self._lock)
            self._lock = -1

    def _commit(self, entries: list[bytes]) -> None:
        start = self.size
        tiles = self._tree.append(map(leaf_hash, entries))
        note = sign(Checkpoint(self._key.name, self._tree.size, self._tree.root()), self._signer)
        frame = Frame(start, entries, note)
        # A crash before this returns: nothing was published or released, and the tail is dropped or kept
        # whole. After it: recovery applies the same frame again.
        self._journal.append(frame)
        self._apply(frame, tiles)
        self._publish()
        if self._journal.size >= self._max_journal_bytes:
            self.compact()

    def _apply(self, frame: Frame, tiles: list[Tile]) -> None:
        """Take in a durable frame whose leaves the tree has: the same for a new one and at recovery."""
        checkpoint = self._open_own(frame.checkpoint)
        end = frame.start + len(frame.entries)
        signed = (checkpoint.size, checkpoint.size, checkpoint.root)
        _require(
            signed == (end, self._tree.size, self._tree.root()),
            f"the frame at leaf {frame.start} does not hash to the root signed for it",
        )
        self._write_bundles(frame)
        for tile in tiles:
            self._store.write_tile(tile.level, tile.index, tile.hashes)
        self._checkpoint, self._note = checkpoint, frame.checkpoint

    def _write_bundles(self, frame: Frame) -> None:
        self._tail += frame.entries
        index = frame.start // TILE_WIDTH
        while self._tail:
            self._store.write_bundle(index, self._tail[:TILE_WIDTH])
            if len(self._tail) < TILE_WIDTH:
                break
            del self._tail[:TILE_WIDTH]
            index += 1

    def _publish(self) -> None:
        # Last, so that whoever reads this checkpoint finds every tile it needs.
        self._disk.replace(self._directory / "checkpoint", self._note.encode())

    def _recover(self) -> None:
        path = self._directory / "journal"
        if not path.exists():
            self._create(path)
        frames = read_frames(path.read_bytes(), "journal")
        end = self._load_base(frames)
        for frame_end, frame in frames:
            self._apply(frame, self._tree.append(map(leaf_hash, frame.entries)))
            end = frame_end
        # Before the published checkpoint is replaced and the torn tail is cut: both are evidence.
        self._require_nothing_published_is_lost()
        self._publish()
        self._journal = Journal(path, end, self._disk)

    def _create(self, path: Path) -> None:
        for derived in ("checkpoint", "tile"):
            if (self._directory / derived).exists():
                raise IntegrityError(
                    "the journal is missing, but not what rests on it", where=derived, fix=_RESTORE
                )
        note = sign(Checkpoint(self._key.name, 0, EMPTY_ROOT), self._signer)
        create_journal(path, Frame(0, (), note), self._disk)
        self._disk.sync(self._directory.parent)

    def _load_base(self, frames: Iterator[tuple[int, Frame]]) -> int:
        """Take up the tiles the journal starts from; return where its base frame ends."""
        end, base = next(frames, (0, Frame(0, (), "")))
        self._checkpoint, self._note = self._open_own(base.checkpoint), base.checkpoint
        self._store = TileStore(self._directory, self._disk, base.start)
        self._tree = Tree(self._store.read_tile, base.start)
        signed = (self._checkpoint.size, self._checkpoint.root)
        _require(signed == (base.start, self._tree.root()), "the base is not what the tiles hash to")
        index, width = divmod(base.start, TILE_WIDTH)
        self._tail = self._store.read_bundle(index, width) if width else []
        for place, entry in enumerate(self._tail, index * TILE_WIDTH):
            _require(leaf_hash(entry) == self._tree.leaf_hash(place), f"entry {place} is not what was signed")
        return end

    def _require_nothing_published_is_lost(self) -> None:
        try:
            published = open_checkpoint((self._directory / "checkpoint").read_bytes().decode(), self._key)
        except (FileNotFoundError, UnicodeDecodeError, Refused):
            return  # derived: it is written again
        if published.size == self.size:
            _require(published.root == self._checkpoint.root, "the published checkpoint has another root")
        _require(
            published.size <= self.size,
            f"it ends at {self.size} leaves, but a checkpoint over {published.size} was published",
        )

    def _claim(self, vkey: str) -> None:
        path = self._directory / "log.vkey"
        if not path.exists():
            self._disk.replace_durably(path, f"{vkey}\n".encode())
        elif path.read_bytes() != f"{vkey}\n".encode():
            raise Misconfigured(
                "this ledger belongs to another key or origin",
                where=str(path),
                fix="Start with the key that created it; a new key or stream needs a new, empty directory",
            )

    def _open_own(self, note: str) -> Checkpoint:
        try:
            return open_checkpoint(note, self._key)
        except Refused as error:
            raise IntegrityError(
                "a checkpoint that this log did not sign", where="journal", fix=_RESTORE
            ) from error

    def _encode(self, batch: Sequence[leaves.Entry]) -> list[bytes]:
        for expected, leaf in enumerate(batch, self.size + 1):
            _require(
                leaf.sequence == expected,
                f"the batch has stream sequence {leaf.sequence} where {expected} must follow",
                where="ledger",
                fix="Halt releases and compare the stream with the ledger: messages are missing or moved",
            )
        return [leaves.encode(leaf) for leaf in batch]

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        """Past this point a failure leaves memory, journal and tiles apart; only recovery may mend that."""
        try:
            yield
        except OSError as error:
            self.close()
            raise Fatal(
                "the storage refused a write",
                where=str(self._directory),
                fix="Check the disk and start again",
            ) from error
        except BaseException:
            self.close()
            raise

    def _require_open(self) -> None:
        if self._lock < 0:
            raise Fatal("the ledger is closed", where=str(self._directory), fix="Start again; it recovers")


def _require(holds: bool, what: str, where: str = "journal", fix: str = _RESTORE) -> None:
    if not holds:
        raise IntegrityError(what, where=where, fix=fix)

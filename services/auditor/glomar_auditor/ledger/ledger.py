"""The ledger: makes batches of leaves durable, signs and publishes the new checkpoint, and gives receipts.

One Ledger a process. Everything in memory is rebuilt from the journal at open.
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_runtime.bus.stream import Stored
from glomar_schemas.errors import Fatal, Malformed, Untrusted
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import EMPTY_ROOT
from glomar_schemas.tlog.note import Checkpoint, format_vkey, open_checkpoint, parse_vkey, sign
from glomar_schemas.tlog.tree import Tree

from glomar_auditor.ledger.disk import Disk, storage_failed
from glomar_auditor.ledger.journal import Frame, Journal, read_frames
from glomar_auditor.ledger.lock import claim, require_key, require_new
from glomar_auditor.ledger.signed_tree import SignedTree, require

log = logging.getLogger(__name__)

MAX_JOURNAL_BYTES: Final = 64 * 2**20


class Ledger:
    """A log directory, open for its only writer. A failed append closes it; only open() recovers it."""

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
        self._directory, self._signer, self._disk = directory, signer, disk
        self._max_journal_bytes = max_journal_bytes
        self._lock = lock
        vkey = format_vkey(origin, signer.public_key())
        self._key = parse_vkey(vkey)
        require_key(directory, vkey)
        self._state = self._recover()
        if not (directory / "log.vkey").exists():
            disk.replace_durably(directory / "log.vkey", f"{vkey}\n".encode())
        # What was read may be in the page cache only, if an earlier process died before its fdatasync or
        # after a failed one. So it is written again and synced before it is published.
        self._journal = Journal(directory / "journal", self._state.sync(), disk)
        self._publish()

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

        Raises Misconfigured if it can't be written, another process has it open, or the directory belongs to
        another key or origin; IntegrityError if journal, tiles and published checkpoint contradict each
        other; Fatal if the storage fails.
        """
        lock = claim(directory)
        try:
            return cls(directory, signer, origin, lock, disk or Disk(), max_journal_bytes)
        except OSError as error:
            os.close(lock)
            raise storage_failed(directory, error) from error
        except BaseException:
            os.close(lock)
            raise

    @property
    def size(self) -> int:
        """Leaves that are durable, signed and published; the next one is stream sequence size + 1."""
        return self._state.checkpoint.size

    @property
    def checkpoint_text(self) -> str:
        """The signed note over all leaves."""
        return self._state.note

    def append(self, batch: Sequence[leaves.Entry]) -> Checkpoint:
        """Make the leaves durable, sign and publish. Nothing that rests on them may be released before that.

        Raises IntegrityError unless their sequences are size + 1, size + 2, ...; Malformed if one can't be
        encoded; Fatal if the storage fails.
        """
        self._require_open()
        entries = self._encode(batch)
        if entries:
            with self._closed_on_failure():
                self._commit(entries)
        return self._state.checkpoint

    def receipt(self, index: int) -> str:
        """tlog-proof@v1 text for leaf `index` at the current size. Raises IndexError beyond the ledger."""
        self._require_open()
        proof = self._state.inclusion_proof(index)
        return receipts.encode(receipts.Receipt(index, proof, self._state.note))

    def tree_at(self, size: int) -> Tree:
        """The tree of the first `size` leaves, for proofs. It does not change while the ledger grows.

        Raises IndexError beyond the ledger; IntegrityError if the stored tiles were changed.
        """
        self._require_open()
        if size > self.size:
            raise IndexError(f"{size} leaves are not in yet")
        return self._state.tree_at(size)

    def leaf(self, index: int) -> leaves.Entry | None:
        """Leaf or gap `index`; None beyond the ledger. Raises IntegrityError if stored bytes were changed."""
        self._require_open()
        return self._state.leaf(index)

    def compact(self) -> None:
        """Make the tiles durable and start a new journal. append() does it when the journal is full."""
        self._require_open()
        with self._closed_on_failure():
            # The journal may forget a batch only once its tiles survive a power cut.
            self._journal.start_over(self._state.sync())

    def close(self) -> None:
        """Let another process write. Any later call raises Fatal."""
        if self._lock >= 0:
            self._journal.close()
            os.close(self._lock)
            self._lock = -1

    def _commit(self, entries: list[bytes]) -> None:
        start = self.size
        tiles = self._state.add(start, entries)
        frame = Frame(start, entries, sign(self._state.unsigned, self._signer))
        # A crash before this returns: nothing was published or released, and recovery drops the frame or
        # keeps it whole. A crash after it: recovery applies the same frame again.
        self._journal.append(frame)
        self._state.apply(frame, tiles)
        self._state.settle(frame.checkpoint)
        self._publish()
        if self._journal.size >= self._max_journal_bytes:
            self.compact()

    def _recover(self) -> SignedTree:
        path = self._directory / "journal"
        if not path.exists():
            return self._create()
        with path.open("rb") as file:
            frames = read_frames(file, "journal")
            base = frame = next(frames, Frame(0, (), ""))
            state = SignedTree(self._directory, self._key, self._disk, base)
            for frame in frames:
                state.apply(frame, state.add(frame.start, frame.entries))
        state.settle(frame.checkpoint)
        # Before the published checkpoint is replaced and a torn tail is removed: both are evidence.
        self._require_nothing_published_is_lost(state.checkpoint)
        return state

    def _create(self) -> SignedTree:
        require_new(self._directory)
        self._disk.sync(self._directory.parent)
        note = sign(Checkpoint(self._key.name, 0, EMPTY_ROOT), self._signer)
        return SignedTree(self._directory, self._key, self._disk, Frame(0, (), note))

    def _require_nothing_published_is_lost(self, ours: Checkpoint) -> None:
        try:
            published = open_checkpoint((self._directory / "checkpoint").read_bytes().decode(), self._key)
        except (FileNotFoundError, UnicodeDecodeError, Malformed):
            return  # It is derived, and written again.
        except Untrusted as fault:
            log.error("the published checkpoint is not signed by this log", extra={"fault": fault.what})
            return
        if published.size == ours.size:
            require(published.root == ours.root, "the published checkpoint has another root")
        require(
            published.size <= ours.size,
            f"it ends at {ours.size} leaves, but a checkpoint over {published.size} was published",
        )

    def _publish(self) -> None:
        # Last, so that a reader of this checkpoint finds every tile that it needs.
        self._disk.replace(self._directory / "checkpoint", self._state.note.encode())

    def _encode(self, batch: Sequence[leaves.Entry]) -> list[bytes]:
        for expected, leaf in enumerate(batch, self.size + 1):
            require(
                leaf.sequence == expected,
                f"the batch has stream sequence {leaf.sequence} where {expected} must follow",
                where="ledger",
                fix="Halt releases and compare the stream with the ledger: messages are missing or moved",
            )
        return [leaves.encode(leaf) for leaf in batch]

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        """A failure in here leaves memory, journal and tiles different; only recovery makes them equal."""
        try:
            yield
        except OSError as error:
            self.close()
            raise storage_failed(self._directory, error) from error
        except BaseException:
            self.close()
            raise

    def _require_open(self) -> None:
        if self._lock < 0:
            fix = "Start the auditor again; it recovers"
            raise Fatal("the ledger is closed", where=str(self._directory), fix=fix)


def stored_leaf(message: Stored) -> Leaf:
    """Its sequence, stream time and subject, and the SHA-256 of its body."""
    return Leaf(message.sequence, message.time_ns, message.subject, hashlib.sha256(message.body).digest())

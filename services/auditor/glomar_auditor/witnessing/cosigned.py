"""The newest checkpoint that a quorum of witnesses has cosigned, on disk and as what receipts rest on.

Called by the app. It lies beside `checkpoint`, which is newer and bears the log's signature alone
(docs/adr/0028).
"""

from pathlib import Path

from glomar_schemas.errors import IntegrityError, Refused
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.layout import COSIGNED
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, open_checkpoint
from glomar_schemas.tlog.tree import Tree

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.ledger import Ledger


class CosignedCheckpoint:
    """What witnesses have cosigned can't be made again from the ledger, so it is kept durably."""

    def __init__(self, ledger: Ledger, directory: Path, key: VerifierKey, disk: Disk | None = None) -> None:
        """Raises IntegrityError if the ledger is no extension of what was cosigned before; OSError."""
        self._ledger = ledger
        self._path = directory / COSIGNED
        self._key = key
        self._disk = disk or Disk()
        self._note = ""
        self._tree = Tree(_no_tiles)
        if self._path.exists():
            self._resume(self._path.read_bytes())

    @property
    def size(self) -> int:
        """Leaves that it covers; 0 before the first."""
        return self._tree.size

    @property
    def note(self) -> str:
        """The checkpoint with its cosignatures; "" before the first."""
        return self._note

    def write(self, note: str) -> None:
        """Durable and published once this returns. Raises OSError. May be called in a thread."""
        self._disk.replace_durably(self._path, note.encode())

    def take(self, note: str, tree: Tree) -> None:
        """From now on receipts rest on it. tree: of its size."""
        self._note, self._tree = note, tree

    def receipt(self, index: int) -> str:
        """tlog-proof@v1 text for leaf `index`: under this checkpoint if it covers the leaf, else under the
        newest. Raises IndexError if the ledger does not hold it yet.
        """
        if index >= self.size:
            return self._ledger.receipt(index)
        return receipts.encode(receipts.Receipt(index, self._tree.inclusion_proof(index), self._note))

    def _resume(self, data: bytes) -> None:
        try:
            note = data.decode()
            checkpoint = open_checkpoint(note, self._key)
        except (UnicodeDecodeError, Refused) as error:
            raise self._contradiction("it is no checkpoint of this log") from error
        self._require_extended(checkpoint)
        self.take(note, self._ledger.tree_at(checkpoint.size))

    def _require_extended(self, checkpoint: Checkpoint) -> None:
        size, held = checkpoint.size, self._ledger.size
        if size > held:
            raise self._contradiction(f"witnesses have cosigned {size} leaves, and the ledger ends at {held}")
        if self._ledger.tree_at(size).root() != checkpoint.root:
            raise self._contradiction(f"the ledger's first {size} leaves are not those that were cosigned")

    def _contradiction(self, what: str) -> IntegrityError:
        return IntegrityError(
            what,
            where=str(self._path),
            fix="Keep the directory as evidence, and restore one that these witnesses have cosigned",
        )


def _no_tiles(level: int, index: int, width: int) -> bytes:
    raise AssertionError(f"an empty tree reads no tile ({level}, {index}, {width})")

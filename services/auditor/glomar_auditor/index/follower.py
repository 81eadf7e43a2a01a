"""Keeps the index up to date while the auditor runs: after the release, in batches.

A failure here never delays or ends the auditor. It is logged, and the index is filled later from ledger and
stream.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from glomar_runtime.bus.stream import Stored
from glomar_schemas.errors import GlomarError
from nats.aio.client import Client

from glomar_auditor.index.database import Damaged, Index, remove
from glomar_auditor.index.fill import fill, read_batch
from glomar_auditor.index.record import IndexRecord, MessageReader
from glomar_auditor.ledger.view import LedgerView

log = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 10.0
"""After a failure."""
BATCH_MESSAGES = 32
"""Read between two yields to the event loop."""
WRITE_MESSAGES = 1_000
"""Written in one transaction."""
MAX_PENDING = 5_000
"""Above this, the pending messages are dropped and fetched from the stream later."""


class Follower:
    """Takes recorded messages; opens, creates and rebuilds the file as needed."""

    def __init__(
        self,
        path: Path,
        origin: str,
        stream: str,
        reader: MessageReader,
        view: Callable[[], LedgerView],
    ) -> None:
        """view: gives the ledger as it is now."""
        self._path, self._origin, self._stream = path, origin, stream
        self._reader = reader
        self._view = view
        self._pending: deque[Stored] = deque()
        self._index: Index | None = None
        self._inode = 0

    def offer(self, recorded: Sequence[Stored]) -> None:
        """Adds messages that the ledger has recorded."""
        if len(self._pending) + len(recorded) > MAX_PENDING:
            self._pending.clear()
        self._pending.extend(recorded)

    async def run(self, client: Callable[[], Client]) -> None:
        """Until cancelled."""
        while True:
            pause = POLL_S
            try:
                await self.step(client())
            except Damaged as fault:
                log.warning("the index is damaged; it is rebuilt", extra={"fault": fault.what})
                self._discard()
            except GlomarError as fault:
                log.warning("the index could not be updated; it is tried again", extra={"fault": str(fault)})
                self.close()
                pause = RETRY_S
            await asyncio.sleep(pause)

    async def step(self, client: Client) -> None:
        """Brings the index up to the ledger. Raises GlomarError."""
        index = self._open()
        size = index.size
        while records := await self._read(size):
            if not await asyncio.to_thread(index.add, records):
                break
            size += len(records)
        view = self._view()
        if size < view.size and not (self._pending and self._pending[0].sequence == size + 1):
            await fill(index, self._reader, client, self._stream, view)

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    async def _read(self, size: int) -> list[IndexRecord]:
        """The pending messages that come next, as records."""
        records: list[IndexRecord] = []
        while len(records) < WRITE_MESSAGES and (batch := self._next(size + len(records))):
            records += read_batch(self._reader, batch, size + len(records))
            await asyncio.sleep(0)
        return records

    def _next(self, size: int) -> list[Stored]:
        """Takes pending messages with the sequences after `size`."""
        while self._pending and self._pending[0].sequence <= size:
            self._pending.popleft()
        batch: list[Stored] = []
        while (
            self._pending
            and len(batch) < BATCH_MESSAGES
            and self._pending[0].sequence == size + len(batch) + 1
        ):
            batch.append(self._pending.popleft())
        return batch

    def _open(self) -> Index:
        if self._index is not None and _inode(self._path) != self._inode:
            # The file was removed or replaced.
            self.close()
        if self._index is None:
            self._index = Index(self._path, self._origin)
            self._inode = _inode(self._path)
        return self._index

    def _discard(self) -> None:
        self.close()
        remove(self._path)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0

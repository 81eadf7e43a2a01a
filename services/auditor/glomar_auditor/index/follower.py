"""Keeps the index up while the auditor runs: after the release, in batches. Called by the app.

Nothing here may hold up or end the auditor: what fails is logged and made good later, from ledger and stream.
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
from glomar_auditor.index.record import Reading, Record
from glomar_auditor.ledger.view import LedgerView

log = logging.getLogger(__name__)

EVERY_S = 1.0
AGAIN_S = 10.0
"""After a failure."""
AT_ONCE = 32
"""Messages read before others get their turn."""
AT_ONE_GO = 1_000
"""Messages written at once."""
MOST_WAITING = 5_000
"""More are let go, and fetched again once there is time."""


class Follower:
    """Offered what was recorded; the file is opened, made and made anew here as need be."""

    def __init__(
        self,
        path: Path,
        origin: str,
        stream: str,
        reading: Reading,
        view: Callable[[], LedgerView],
    ) -> None:
        """view: the ledger as it is."""
        self._path, self._origin, self._stream = path, origin, stream
        self._reading = reading
        self._view = view
        self._waiting: deque[Stored] = deque()
        self._index: Index | None = None
        self._inode = 0

    def offer(self, recorded: Sequence[Stored]) -> None:
        """Takes note of messages that the ledger holds."""
        if len(self._waiting) + len(recorded) > MOST_WAITING:
            self._waiting.clear()
        self._waiting.extend(recorded)

    async def run(self, client: Callable[[], Client]) -> None:
        """For ever."""
        while True:
            pause = EVERY_S
            try:
                await self.step(client())
            except Damaged as fault:
                log.warning("the index is made anew", extra={"fault": fault.what})
                self._discard()
            except GlomarError as fault:
                log.warning("the index is not up to date", extra={"fault": str(fault)})
                self.close()
                pause = AGAIN_S
            await asyncio.sleep(pause)

    async def step(self, client: Client) -> None:
        """Brings the index up to the ledger. Raises GlomarError."""
        index = self._opened()
        size = index.size
        while records := await self._read(size):
            if not await asyncio.to_thread(index.add, records):
                break
            size += len(records)
        view = self._view()
        if size < view.size and not (self._waiting and self._waiting[0].sequence == size + 1):
            await fill(index, self._reading, client, self._stream, view)

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    async def _read(self, size: int) -> list[Record]:
        """What waits and follows."""
        records: list[Record] = []
        while len(records) < AT_ONE_GO and (batch := self._next(size + len(records))):
            records += read_batch(self._reading, batch, size + len(records))
            await asyncio.sleep(0)
        return records

    def _next(self, size: int) -> list[Stored]:
        """Some that follow what is there."""
        while self._waiting and self._waiting[0].sequence <= size:
            self._waiting.popleft()
        batch: list[Stored] = []
        while self._waiting and len(batch) < AT_ONCE and self._waiting[0].sequence == size + len(batch) + 1:
            batch.append(self._waiting.popleft())
        return batch

    def _opened(self) -> Index:
        if self._index is not None and _inode(self._path) != self._inode:
            # Somebody removed it.
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

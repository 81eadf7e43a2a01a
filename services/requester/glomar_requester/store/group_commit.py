"""Group commit: whoever writes to the store at the same time shares one transaction and one fsync.

Called by the client. The store's thread is the only one that touches SQLite, so the event loop never waits
for a disk.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from glomar_schemas.errors import GlomarError

from glomar_requester.store.records import Change
from glomar_requester.store.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

LINGER_S = 0.02
"""How long a change that nobody waits for may wait for company."""


class Commits:
    """The asynchronous face of a Store; `close` writes what is left and closes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="requester-store")
        self._changes: list[Change] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    async def durable(self, changes: Sequence[Change]) -> None:
        """Returns once the changes are on disk. Raises Retryable."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._add(changes)
        self._wake.set()
        await done

    def soon(self, changes: Sequence[Change]) -> None:
        """For what a crash may forget, because the bus still knows it."""
        self._add(changes)
        if self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._wake.set)

    async def read(self, query: Callable[[Store], T]) -> T:
        """What a query says once all changes before it are written. Raises Retryable."""
        if self._changes:
            await self.durable(())
        return await self._in_thread(query)

    async def close(self) -> None:
        if self._writer is not None:
            self._closing = True
            self._wake.set()
            await self._writer
        self._thread.shutdown()
        self._store.close()

    def _add(self, changes: Sequence[Change]) -> None:
        self._changes.extend(changes)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while not self._closing or self._changes or self._waiting:
            if not self._closing:
                await self._wake.wait()
            self._wake.clear()
            if self._lingering is not None:
                self._lingering.cancel()
                self._lingering = None
            changes, self._changes = self._changes, []
            waiting, self._waiting = self._waiting, []
            fault = await self._commit(changes)
            for done in waiting:
                if not done.done():
                    done.set_exception(fault) if fault else done.set_result(None)

    async def _in_thread(self, query: Callable[[Store], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, query, self._store)

    async def _commit(self, changes: list[Change]) -> GlomarError | None:
        try:
            await self._in_thread(lambda store: store.write(changes))
        except GlomarError as fault:
            log.warning("not written to the store", extra={"fault": fault.what})
            return fault
        return None

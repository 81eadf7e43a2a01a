"""Asynchronous access to the store: concurrent writers share one transaction and one fsync.

One thread touches SQLite, so the event loop never waits for a disk.
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
"""How long `write_soon` waits for other changes to join its transaction."""


class GroupCommit:
    """`close` writes what is left and closes the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="requester-store")
        self._changes: list[Change] = []
        self._writers: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def write(self, changes: Sequence[Change]) -> None:
        """Returns once the changes are on disk. Raises Retryable."""
        done = asyncio.get_running_loop().create_future()
        self._writers.append(done)
        self._add(changes)
        self._wake.set()
        await done

    def write_soon(self, changes: Sequence[Change]) -> None:
        """For changes that a crash may lose, because the bus can give them again."""
        self._add(changes)
        if self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._wake.set)

    async def read(self, query: Callable[[Store], T]) -> T:
        """The query's result once all earlier changes are written. Raises Retryable."""
        if self._changes:
            await self.write(())
        return await self._in_thread(query)

    async def close(self) -> None:
        if self._task is not None:
            self._closing = True
            self._wake.set()
            await self._task
        self._thread.shutdown()
        self._store.close()

    def _add(self, changes: Sequence[Change]) -> None:
        self._changes.extend(changes)
        if self._task is None:
            self._task = asyncio.create_task(self._commit_forever())

    async def _commit_forever(self) -> None:
        while not self._closing or self._changes or self._writers:
            if not self._closing:
                await self._wake.wait()
            self._wake.clear()
            if self._lingering is not None:
                self._lingering.cancel()
                self._lingering = None
            changes, self._changes = self._changes, []
            writers, self._writers = self._writers, []
            fault = await self._commit(changes)
            for done in writers:
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

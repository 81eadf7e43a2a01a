"""Many questions at once: batches in flight, results as they come, bounded memory. Called by the client."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice

from glomar_schemas.errors import IntegrityError, Retryable
from glomar_schemas.subjects import MAX_BATCH

from glomar_requester.ask import Question
from glomar_requester.incoming.receiver import Receiver, unproven
from glomar_requester.outgoing.sender import Sender
from glomar_requester.store.records import Entry
from glomar_requester.verification.gone import Gone
from glomar_requester.verification.release import Result

PUBLISHING = 3
"""Batches on their way into the stream: one syncs while the next travels and a third is composed."""
WINDOW = 10
"""Batches without all their answers; what bounds memory, and how far an answer may lag."""
LONGEST_PAUSE_S = 5.0


class Chunk:
    """One batch, and how many of its results the reader has not taken."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.left = len(questions)


class Pipeline:
    """One run over an iterable of questions; `results` is read once."""

    def __init__(self, sender: Sender, receiver: Receiver, *, timeout_s: float, wait: bool) -> None:
        self._sender = sender
        self._receiver = receiver
        self._timeout_s = timeout_s
        self._wait = wait
        self._window = asyncio.Semaphore(WINDOW)
        self._publishing = asyncio.Semaphore(PUBLISHING)
        self._results: asyncio.Queue[tuple[Result, Chunk] | None] = asyncio.Queue()
        self._fault: IntegrityError | None = None

    async def results(self, questions: Iterable[Question]) -> AsyncIterator[Result]:
        """One result a question, in the order in which they come.

        Raises Retryable if they could not even be stored here; IntegrityError at the end, when every other
        question has its result, if an answer was not to be believed.
        """
        feeder = asyncio.create_task(self._feed(iter(questions)))
        try:
            while (item := await self._results.get()) is not None:
                result, chunk = item
                yield result
                chunk.left -= 1
                if not chunk.left:
                    self._window.release()
            await feeder
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
        if self._fault is not None:
            raise self._fault

    async def _feed(self, questions: Iterator[Question]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                while batch := list(islice(questions, MAX_BATCH)):
                    await self._window.acquire()
                    group.create_task(self._run(Chunk(batch)))
        finally:
            self._results.put_nowait(None)

    async def _run(self, chunk: Chunk) -> None:
        async with self._publishing:
            deadline = asyncio.get_running_loop().time() + self._timeout_s
            entries = await self._sender.prepare(chunk.questions)
            futures = self._expect(entries, chunk)
            await self._send(entries, chunk, deadline)
        if futures:
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait(futures.values(), timeout=max(0.0, left) if self._wait else 0.0)
        for entry in entries:
            future = futures.get(entry.asked.request_id)
            if future is not None and not future.done():
                self._give_up(entry, chunk)

    def _expect(self, entries: Sequence[Entry], chunk: Chunk) -> dict[str, "asyncio.Future[Result]"]:
        """Before publishing, since a release can be faster than the acknowledgement."""
        futures = {}
        for entry in entries:
            try:
                settled = self._receiver.settled(entry)
            except IntegrityError as fault:
                self._fault = fault
                settled = unproven(entry.asked)
            except Gone as fault:
                settled = unproven(entry.asked, fault.outcome)
            if settled is not None:
                self._results.put_nowait((settled, chunk))
                continue
            missed = entry.unsent is None
            future = self._receiver.expect(entry.asked, eagerly=self._wait, missed=missed).future
            future.add_done_callback(lambda done, entry=entry: self._arrived(done, entry, chunk))  # type: ignore[misc]
            futures[entry.asked.request_id] = future
        return futures

    async def _send(self, entries: Sequence[Entry], chunk: Chunk, deadline: float) -> None:
        pause_s = 0.25
        while True:
            try:
                published = await self._sender.send(entries)
            except Retryable:
                if asyncio.get_running_loop().time() + pause_s > deadline:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            break
        by_id = {entry.asked.request_id: entry for entry in entries}
        for one in published:
            if one.sequence is None:
                self._receiver.forget(one.request_id)
                self._results.put_nowait((unproven(by_id[one.request_id].asked, "rejected"), chunk))

    def _arrived(self, done: "asyncio.Future[Result]", entry: Entry, chunk: Chunk) -> None:
        if done.cancelled():
            return
        fault = done.exception()
        if isinstance(fault, IntegrityError):
            self._fault = fault
            self._results.put_nowait((unproven(entry.asked), chunk))
        elif isinstance(fault, Gone):
            self._results.put_nowait((unproven(entry.asked, fault.outcome), chunk))
        else:
            self._results.put_nowait((done.result(), chunk))

    def _give_up(self, entry: Entry, chunk: Chunk) -> None:
        request_id = entry.asked.request_id
        result = unproven(entry.asked, witnessed=not self._receiver.lacks_quorum(request_id))
        self._receiver.forget(request_id)
        self._results.put_nowait((result, chunk))

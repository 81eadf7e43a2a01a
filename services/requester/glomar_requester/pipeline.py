"""The way of many requests: prepared, expected, sent, awaited. Batches in flight, results as they arrive,
bounded memory.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice

from glomar_schemas.errors import IntegrityError, Retryable
from glomar_schemas.subjects import MAX_BATCH

from glomar_requester.ask import Question
from glomar_requester.incoming.receiver import ReleaseReceiver, without_answer
from glomar_requester.outgoing.sender import Sender
from glomar_requester.store.records import StoredRequest
from glomar_requester.verification.release import AnswerWithdrawn, Result

PUBLISHING = 3
"""Batches being published: one syncs while the next travels and a third is composed."""
WINDOW = 10
"""Batches whose results are not all taken. Bounds the memory, and how late an answer may arrive."""
LONGEST_PAUSE_S = 5.0


class PipelineBatch:
    """One batch, and how many of its results the caller has not taken."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.left = len(questions)


class Pipeline:
    """One run over an iterable of questions; `results` is read once."""

    def __init__(self, sender: Sender, receiver: ReleaseReceiver, *, timeout_s: float, wait: bool) -> None:
        self._sender = sender
        self._receiver = receiver
        self._timeout_s = timeout_s
        self._wait = wait
        self._window = asyncio.Semaphore(WINDOW)
        self._publishing = asyncio.Semaphore(PUBLISHING)
        self._results: asyncio.Queue[tuple[Result, PipelineBatch] | None] = asyncio.Queue()
        self._fault: IntegrityError | None = None

    async def results(self, questions: Iterable[Question]) -> AsyncIterator[Result]:
        """One result a question, in the order in which they arrive.

        Raises Retryable if requests cannot be stored here or published in time; IntegrityError at the end,
        when every other question has its result, if an answer failed verification.
        """
        feeder = asyncio.create_task(self._feed(iter(questions)))
        try:
            while (item := await self._results.get()) is not None:
                result, batch = item
                yield result
                batch.left -= 1
                if not batch.left:
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
                while next_questions := list(islice(questions, MAX_BATCH)):
                    await self._window.acquire()
                    group.create_task(self._run(PipelineBatch(next_questions)))
        finally:
            self._results.put_nowait(None)

    async def _run(self, batch: PipelineBatch) -> None:
        """One batch from its questions to its results."""
        async with self._publishing:
            deadline = asyncio.get_running_loop().time() + self._timeout_s
            entries = await self._sender.prepare(batch.questions)
            futures = self._expect(entries, batch)
            await self._send(entries, batch, deadline)
        await self._await_releases(futures, deadline)
        for entry in entries:
            future = futures.get(entry.request.request_id)
            if future is not None and not future.done():
                self._give_up(entry, batch)

    def _expect(
        self, entries: Sequence[StoredRequest], batch: PipelineBatch
    ) -> dict[str, "asyncio.Future[Result]"]:
        """Before publishing, because a release can arrive before the stream's acknowledgement."""
        futures = {}
        for entry in entries:
            try:
                stored_result = self._receiver.stored_result(entry)
            except (IntegrityError, AnswerWithdrawn) as fault:
                stored_result = self._failed(entry, fault)
            if stored_result is not None:
                self._results.put_nowait((stored_result, batch))
                continue
            missed = entry.unsent is None
            future = self._receiver.expect(entry.request, poll=self._wait, missed=missed).future
            future.add_done_callback(lambda done, entry=entry: self._arrived(done, entry, batch))  # type: ignore[misc]
            futures[entry.request.request_id] = future
        return futures

    async def _send(self, entries: Sequence[StoredRequest], batch: PipelineBatch, deadline: float) -> None:
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
        by_id = {entry.request.request_id: entry for entry in entries}
        for one in published:
            if one.sequence is None:
                self._receiver.forget(one.request_id)
                self._results.put_nowait((without_answer(by_id[one.request_id].request, "rejected"), batch))

    async def _await_releases(self, futures: dict[str, "asyncio.Future[Result]"], deadline: float) -> None:
        if futures:
            left_s = deadline - asyncio.get_running_loop().time()
            await asyncio.wait(futures.values(), timeout=max(0.0, left_s) if self._wait else 0.0)

    def _arrived(self, done: "asyncio.Future[Result]", entry: StoredRequest, batch: PipelineBatch) -> None:
        if done.cancelled():
            return
        fault = done.exception()
        if isinstance(fault, IntegrityError | AnswerWithdrawn):
            self._results.put_nowait((self._failed(entry, fault), batch))
        else:
            self._results.put_nowait((done.result(), batch))

    def _failed(self, entry: StoredRequest, fault: IntegrityError | AnswerWithdrawn) -> Result:
        if isinstance(fault, AnswerWithdrawn):
            return without_answer(entry.request, fault.outcome)
        self._fault = fault
        return without_answer(entry.request)

    def _give_up(self, entry: StoredRequest, batch: PipelineBatch) -> None:
        request_id = entry.request.request_id
        result = without_answer(entry.request, witnessed=not self._receiver.lacks_quorum(request_id))
        self._receiver.forget(request_id)
        self._results.put_nowait((result, batch))

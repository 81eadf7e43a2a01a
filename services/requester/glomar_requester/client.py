"""The light client: sends requests, awaits and verifies answers. Needs glomar_schemas, nats-py and nkeys."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from glomar_schemas.errors import GlomarError, Refused, Retryable, TimedOut
from glomar_schemas.publish import Connection
from glomar_schemas.request_file import Ask
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.inclusion_watch import InclusionStatus, Publication
from nats.aio.msg import Msg

from glomar_requester.ask import Question, RequestRecord
from glomar_requester.bus.connection import close, connect
from glomar_requester.bus.publish import Conflict
from glomar_requester.identity import Identity, Profile, load_identity
from glomar_requester.incoming.notices import NoticeReceiver
from glomar_requester.incoming.receiver import Clock, ReleaseReceiver
from glomar_requester.incoming.retention import RetentionSweep
from glomar_requester.ledger_watch import LedgerWatch
from glomar_requester.outgoing.sender import Sender
from glomar_requester.pipeline import Pipeline
from glomar_requester.store.group_commit import GroupCommit
from glomar_requester.store.records import RecalledAnswer, StoredRequest
from glomar_requester.store.store import Store
from glomar_requester.tracing import NoTracing, Tracing
from glomar_requester.verification.notice import AgencyState
from glomar_requester.verification.release import Proof, Result

log = logging.getLogger(__name__)

CATCH_UP_S = 10.0
LAST_SWEEP_S = 2.0
CANCEL_AGAIN_S = 0.1


def _now() -> datetime:
    return datetime.now(UTC)


class UnknownRequest(Refused):
    """No such request in this store."""


class Client:
    """Sends requests of one agency. An asynchronous context; `connect` makes one with its own connection."""

    def __init__(
        self,
        connection: Connection,
        identity: Identity,
        store: Store,
        tracing: Tracing | None = None,
        *,
        clock: Clock = _now,
        ledger: Publication | None = None,
    ) -> None:
        """The owner of the connection passes messages on `releases` to `receive`, and those on `notices` to
        `receive_notice`. clock: decides when an answer has expired. ledger: where it is published; if given,
        this client looks for its own messages in it.
        """
        tracing = tracing or NoTracing()
        self._state = state = AgencyState(identity)
        self._store = commits = GroupCommit(store)
        self._ledger_watch = watch = LedgerWatch(commits, state, ledger)
        self._sender = Sender(connection, state, commits, tracing, watch)
        self._receiver = ReleaseReceiver(connection, state, commits, tracing, clock, watch)
        self._retention = RetentionSweep(connection, state, commits, clock, watch)
        self._notices = NoticeReceiver(connection, state, commits, self._receiver, self._retention.wake)
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        profile: Profile,
        *,
        tracing: Callable[[Subjects], Tracing] | None = None,
        clock: Clock = _now,
    ) -> AsyncIterator[Self]:
        """Raises Misconfigured, Malformed, Untrusted (files), Unreachable (the bus)."""
        identity = load_identity(profile)
        connection = await connect(profile.url, profile.nkey)
        try:
            store, ledger = Store(profile.store), profile.ledger
            traced = tracing(identity.subjects) if tracing else None
            async with cls(connection, identity, store, traced, clock=clock, ledger=ledger) as client:
                await connection.subscribe(client.releases, cb=client.receive)
                await connection.subscribe(client.notices, cb=client.receive_notice)
                await client.catch_up()
                yield client
        finally:
            await close(connection)

    async def __aenter__(self) -> Self:
        """Raises Retryable or Refused if the store can't be read."""
        await self._notices.load()
        self._tasks = [
            asyncio.create_task(self._receiver.poll_forever()),
            asyncio.create_task(self._sender.resend_forever()),
            asyncio.create_task(self._notices.poll_forever()),
            asyncio.create_task(self._retention.sweep_forever()),
            asyncio.create_task(self._ledger_watch.watch_forever()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _cancel(self._tasks)
        # A command may end before a sweep, and the next command may run much later.
        with suppress(GlomarError, TimeoutError):
            async with asyncio.timeout(LAST_SWEEP_S):
                await self._retention.sweep()
        await self._store.close()

    @property
    def releases(self) -> str:
        """The subject on which releases are pushed."""
        return self._state.identity.subjects.release(self._state.identity.agency)

    @property
    def notices(self) -> str:
        """The subject on which controls and recalls are pushed."""
        return self._state.identity.subjects.notice(self._state.identity.agency)

    @property
    def ledger(self) -> InclusionStatus:
        """Whether the published ledger held every message of this store at the last check.

        An `alert` is also logged as an error, with the sequence of each missing message.
        """
        return self._ledger_watch.status

    async def receive(self, message: Msg) -> None:
        """Accepts one push of a release."""
        await self._receiver.receive(message)

    async def receive_notice(self, message: Msg) -> None:
        """Accepts one push of a control or recall."""
        await self._notices.receive(message)

    async def catch_up(self) -> None:
        """Queries for missed controls and recalls; after CATCH_UP_S this continues in the background."""
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self._notices.catch_up()
        except TimeoutError:
            log.info("the query for missed notices continues in the background")
        except (Retryable, Refused) as fault:
            log.info("the query for missed notices failed; it is repeated", extra={"fault": fault.what})

    async def recalls(self, after: int = 0) -> AsyncIterator[RecalledAnswer]:
        """The recalled answers after that number, then each new one as it arrives.

        A system that has copied an answer must destroy the copy. It stores `number` for its next start.
        """
        while True:
            for recall in await self._notices.recalls(after):
                yield recall
                after = recall.number

    async def recalls_behind(self, after: int, *, timeout_s: float) -> list[RecalledAnswer]:
        """One page of the same; empty if there is none within that time. Raises Retryable."""
        return await self._notices.recalls(after, timeout_s)

    async def submit(self, ask: Ask, *, key: str = "") -> str:
        """Stores one request durably in the stream -> its id. The same key gives the same request.

        Raises BadForm, Conflict, Untrusted; Retryable: it may be stored, and is sent again automatically.
        """
        return (await self._submit(Question(ask, key), poll=False)).request.request_id

    async def submit_many(self, questions: Iterable[Question], *, timeout_s: float = 60.0) -> list[str]:
        """Stores all, in atomic batches -> their ids, in the order of storing. Raises as `submit`."""
        ids = []
        pipeline = Pipeline(self._sender, self._receiver, timeout_s=timeout_s, wait=False)
        async for result in pipeline.results(questions):
            if result.outcome == "rejected":
                raise _conflict(result.request_id)
            ids.append(result.request_id)
        return ids

    async def ask(self, ask: Ask, *, timeout_s: float, key: str = "") -> Result:
        """Submits and waits. Raises as `submit` and `result`."""
        entry = await self._submit(Question(ask, key), poll=True)
        return self._receiver.stored_result(entry) or await self._await_result(entry.request, timeout_s)

    def ask_many(
        self, questions: Iterable[Question], *, timeout_s: float, wait: bool = True
    ) -> AsyncIterator[Result]:
        """One result a question as they arrive, in bounded memory. timeout_s applies to each batch.

        wait=False: each result is "unanswered" once its request is stored. Raises as Pipeline.results.
        """
        return Pipeline(self._sender, self._receiver, timeout_s=timeout_s, wait=wait).results(questions)

    async def result(self, request_id: str, *, timeout_s: float, anew: bool = False) -> Result:
        """The verified result. anew: with a new receipt, under the latest cosigned checkpoint.

        Raises UnknownRequest, Recalled, Expired, TimedOut, IntegrityError.
        """
        entry = await self._entry(request_id)
        if (stored := self._receiver.stored_result(entry, refresh=anew)) is not None:
            return stored
        return await self._await_result(entry.request, timeout_s, query_first=True)

    async def peek(self, request_id: str) -> Result | RequestRecord:
        """The result if it is stored here or the auditor has it now, else the record of the request.

        Raises UnknownRequest, Recalled, Expired, IntegrityError.
        """
        entry = await self._entry(request_id)
        if (stored := self._receiver.stored_result(entry)) is not None:
            return stored
        pending = self._receiver.expect(entry.request, poll=False)
        await self._receiver.query(pending)
        return pending.future.result() if pending.future.done() else entry.request

    def lacks_quorum(self, request_id: str) -> bool:
        """Whether its answer is recorded and the receipt last received lacks the policy's quorum."""
        return self._receiver.lacks_quorum(request_id)

    async def prove(self, request_id: str) -> Proof:
        """Verifies the stored answer again, from the holder's signature to the ledger's.

        Raises UnknownRequest, Recalled, Expired, Refused (no answer yet), IntegrityError.
        """
        release = self._receiver.stored_release(await self._entry(request_id))
        if release is None:
            raise Refused("there is no answer to prove", where=request_id, fix="Fetch the result first")
        return release.proof()

    async def resend(self, *, older_than_s: float = 0.0) -> int:
        """Sends the requests that the stream has not acknowledged -> how many. Raises Retryable."""
        return await self._sender.resend(older_than_s)

    async def destroy(self) -> None:
        """Destroys recalled and expired answers now and publishes their certificates. Raises Retryable.

        The background task does the same within seconds.
        """
        await self._retention.sweep()

    async def _submit(self, question: Question, *, poll: bool) -> StoredRequest:
        [entry] = await self._sender.prepare([question])
        if entry.release is None and entry.withdrawn is None:
            self._receiver.expect(entry.request, poll=poll)
        for published in await self._sender.send([entry]):
            if published.sequence is None:
                self._receiver.forget(published.request_id)
                raise _conflict(published.request_id)
        return entry

    async def _await_result(
        self, request: RequestRecord, timeout_s: float, *, query_first: bool = False
    ) -> Result:
        pending = self._receiver.expect(request, poll=True)
        try:
            async with asyncio.timeout(timeout_s):
                if query_first:
                    await self._receiver.query(pending)
                return await asyncio.shield(pending.future)
        except TimeoutError:
            raise TimedOut(pending.reason, where=request.request_id, fix="Fetch it later") from None

    async def _entry(self, request_id: str) -> StoredRequest:
        entry = await self._store.read(lambda store: store.find(request_id))
        if entry is None:
            raise UnknownRequest("no such request in this store", where="request id")
        return entry


def _conflict(request_id: str) -> Conflict:
    return Conflict("the stream holds another request under this id", where=request_id)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels each task until it has ended.

    In Python 3.11, nats-py's wait_for swallows a cancellation at the moment of the reply.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)

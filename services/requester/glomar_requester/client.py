"""The client of an agency's own systems: ask, wait, verify. Needs glomar_schemas, nats-py and nkeys, no more.

Used as it is by a system, by the commands, and by the service, which gives it its own connection.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from glomar_schemas.errors import GlomarError, Refused, Retryable, TimedOut
from glomar_schemas.publish import Connection
from glomar_schemas.request_file import Ask
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.inclusion_watch import InclusionStatus, Publication
from glomar_schemas.tlog.note import Checkpoint
from msgspec import Struct
from nats.aio.msg import Msg

from glomar_requester.ask import Asked, Question
from glomar_requester.bus.connection import close, connect
from glomar_requester.bus.publish import Conflict
from glomar_requester.identity import Identity, load_identity
from glomar_requester.incoming.notices import Bulletin
from glomar_requester.incoming.receiver import Clock, Receiver
from glomar_requester.incoming.retention import Destroyer
from glomar_requester.ledger_watch import OwnRequests
from glomar_requester.outgoing.sender import Sender
from glomar_requester.pipeline import Pipeline
from glomar_requester.profile import Profile
from glomar_requester.store.group_commit import Commits
from glomar_requester.store.records import Entry, TakenBack
from glomar_requester.store.store import Store
from glomar_requester.tasks import end
from glomar_requester.tracing import NoTracing, Tracing
from glomar_requester.verification.notice import Standing
from glomar_requester.verification.release import Result

log = logging.getLogger(__name__)

CATCH_UP_S = 10.0
LAST_SWEEP_S = 2.0


def _now() -> datetime:
    return datetime.now(UTC)


class Unknown(Refused):
    """Never asked from this store."""


class Proof(Struct, frozen=True):
    """A verified result with its receipt (tlog-proof@v1, its leaf in `extra`) and the checkpoint of that."""

    result: Result
    receipt: str
    body_sha256: str
    """Of the verdict as the ledger holds it, in hex."""
    checkpoint: Checkpoint


class Client:
    """Asks for one agency. An asynchronous context; `connect` makes one with a connection of its own."""

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
        """On an existing connection; whoever owns that hands each message on `releases` to `receive`, and
        each on `notices` to `receive_notice`. clock: what tells when an answer has expired.
        ledger: where it is published; then what this client stores is looked for in it.
        """
        self._standing = Standing(identity)
        self._commits = Commits(store)
        tracing = tracing or NoTracing()
        self._own = OwnRequests(self._commits, self._standing, ledger)
        self._sender = Sender(connection, self._standing, self._commits, tracing, self._own)
        self._receiver = Receiver(connection, self._standing, self._commits, tracing, clock, self._own)
        self._destroyer = Destroyer(connection, self._standing, self._commits, clock, self._own)
        self._bulletin = Bulletin(
            connection, self._standing, self._commits, self._receiver, self._destroyer.wake
        )
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
        """tracing: NoTracing if it is not given.

        Raises Misconfigured, Malformed, Untrusted (files), Unreachable (the bus).
        """
        identity = load_identity(profile)
        connection = await connect(profile.url, profile.nkey)
        try:
            made = tracing(identity.subjects) if tracing else NoTracing()
            store, ledger = Store(profile.store), profile.ledger
            async with cls(connection, identity, store, made, clock=clock, ledger=ledger) as client:
                await connection.subscribe(client.releases, cb=client.receive)
                await connection.subscribe(client.notices, cb=client.receive_notice)
                await client.catch_up()
                yield client
        finally:
            await close(connection)

    async def __aenter__(self) -> Self:
        """Raises Retryable or Refused when the store can't be read."""
        await self._bulletin.load()
        self._tasks = [
            asyncio.create_task(self._receiver.ask_again()),
            asyncio.create_task(self._sender.resend_for_ever()),
            asyncio.create_task(self._bulletin.ask_for_ever()),
            asyncio.create_task(self._destroyer.sweep_for_ever()),
            asyncio.create_task(self._own.watch()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end(self._tasks)
        # A command may be over before the sweep has come by, and another may not follow for long.
        with suppress(GlomarError, TimeoutError):
            async with asyncio.timeout(LAST_SWEEP_S):
                await self._destroyer.sweep()
        await self._commits.close()

    @property
    def releases(self) -> str:
        """The subject on which releases are pushed."""
        return self._standing.identity.subjects.release(self._standing.identity.agency)

    @property
    def ledger(self) -> InclusionStatus:
        """Whether all that the stream took from this store is in the published ledger, as of the last look.

        An `alert` is also an error in the log, with the sequence of each message that is missing.
        """
        return self._own.standing

    @property
    def notices(self) -> str:
        """The subject on which controls and recalls are pushed."""
        return self._standing.identity.subjects.notice(self._standing.identity.agency)

    async def receive(self, message: Msg) -> None:
        """Takes one push."""
        await self._receiver.receive(message)

    async def receive_notice(self, message: Msg) -> None:
        """Takes one push of a control or recall."""
        await self._bulletin.receive(message)

    async def catch_up(self) -> None:
        """Learns of the controls and recalls that it has missed, if the auditor is there.

        What takes longer than CATCH_UP_S goes on beside whatever the client does then.
        """
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self._bulletin.catch_up()
        except TimeoutError:
            log.info("notices are still being asked for")
        except (Retryable, Refused) as fault:
            log.info("notices are asked for later", extra={"fault": fault.what})

    async def recalls(self, after: int = 0) -> AsyncIterator[TakenBack]:
        """The answers that the holder has taken back, behind that number, and then each as it comes.

        A system that has copied answers destroys those copies, and remembers `number` for its next start.
        """
        while True:
            for recall in await self._bulletin.recalls(after):
                yield recall
                after = recall.number

    async def recalls_behind(self, after: int, *, timeout_s: float) -> list[TakenBack]:
        """The same as a page, empty if there is none within that time. Raises Retryable."""
        return await self._bulletin.recalls(after, timeout_s)

    async def submit(self, ask: Ask, *, key: str = "") -> str:
        """Stores one request durably in the stream -> its id. The same key gives the same request again.

        Raises BadForm, Conflict, Untrusted; Retryable: it may be stored, and will be sent again by itself.
        """
        return (await self._submit(Question(ask, key), eagerly=False)).asked.request_id

    async def submit_many(self, questions: Iterable[Question], *, timeout_s: float = 60.0) -> list[str]:
        """Stores all, in atomic batches -> their ids, in the order of storing. Raises as `submit`."""
        ids = []
        pipeline = Pipeline(self._sender, self._receiver, timeout_s=timeout_s, wait=False)
        async for result in pipeline.results(questions):
            if result.outcome == "rejected":
                raise Conflict("the stream holds another request under this id", where=result.request_id)
            ids.append(result.request_id)
        return ids

    async def ask(self, ask: Ask, *, timeout_s: float, key: str = "") -> Result:
        """Submits and waits. Raises as `submit` and `result`."""
        entry = await self._submit(Question(ask, key), eagerly=True)
        return self._receiver.settled(entry) or await self._await(entry.asked, timeout_s)

    def ask_many(
        self, questions: Iterable[Question], *, timeout_s: float, wait: bool = True
    ) -> AsyncIterator[Result]:
        """One result a question as they come, within bounded memory. timeout_s counts for each batch.

        wait=False: a result "unanswered" for each, once it is stored. Raises as Pipeline.results.
        """
        return Pipeline(self._sender, self._receiver, timeout_s=timeout_s, wait=wait).results(questions)

    async def result(self, request_id: str, *, timeout_s: float, anew: bool = False) -> Result:
        """The verified result; anew: with a receipt fetched again, under the newest cosigned checkpoint.
        Raises Unknown, Recalled, Expired, TimedOut, IntegrityError.
        """
        entry = await self._entry(request_id)
        if (settled := self._receiver.settled(entry, anew=anew)) is not None:
            return settled
        return await self._await(entry.asked, timeout_s, query_first=True)

    async def peek(self, request_id: str) -> Result | Asked:
        """The result, if it is here or the auditor has it now, else what was asked.

        Raises Unknown, Recalled, Expired, IntegrityError.
        """
        entry = await self._entry(request_id)
        if (settled := self._receiver.settled(entry)) is not None:
            return settled
        waiter = self._receiver.expect(entry.asked, eagerly=False)
        await self._receiver.query(waiter)
        return waiter.future.result() if waiter.future.done() else entry.asked

    def lacks_quorum(self, request_id: str) -> bool:
        """Whether its answer is recorded and waits for the witnesses of the policy, as of the last look."""
        return self._receiver.lacks_quorum(request_id)

    async def prove(self, request_id: str) -> Proof:
        """Checks the stored answer once more, from the holder's signature to the ledger's.
        Raises Unknown, Recalled, Expired, Refused (no answer yet), IntegrityError.
        """
        proven = self._receiver.proven(await self._entry(request_id))
        if proven is None:
            raise Refused("there is no answer to prove", where=request_id, fix="Ask for the result first")
        return Proof(proven.result, proven.file(), proven.leaf.body_sha256.hex(), proven.checkpoint)

    async def resend(self, *, older_than_s: float = 0.0) -> int:
        """Sends again what the stream never acknowledged -> how many. Raises Retryable."""
        return await self._sender.resend(older_than_s)

    async def destroy(self) -> None:
        """Destroys and certifies at once what is recalled or has expired; otherwise within seconds.

        Raises Retryable.
        """
        await self._destroyer.sweep()

    async def _submit(self, question: Question, *, eagerly: bool) -> Entry:
        [entry] = await self._sender.prepare([question])
        if entry.release is None and entry.withdrawn is None:
            self._receiver.expect(entry.asked, eagerly=eagerly)
        for published in await self._sender.send([entry]):
            if published.sequence is None:
                self._receiver.forget(published.request_id)
                raise Conflict("the stream holds another request under this id", where=published.request_id)
        return entry

    async def _await(self, asked: Asked, timeout_s: float, *, query_first: bool = False) -> Result:
        waiter = self._receiver.expect(asked, eagerly=True)
        try:
            async with asyncio.timeout(timeout_s):
                if query_first:
                    await self._receiver.query(waiter)
                return await asyncio.shield(waiter.future)
        except TimeoutError:
            raise TimedOut(waiter.missing, where=asked.request_id, fix="Ask for it later") from None

    async def _entry(self, request_id: str) -> Entry:
        entry = await self._commits.read(lambda store: store.find(request_id))
        if entry is None:
            raise Unknown("no such request in this store", where="request id")
        return entry

"""The way in: releases that the auditor pushes, and those it must be asked for again. Called by the client.

A push that fails a check is dropped and the auditor asked; only what it answers to that, if it fails too, is
reported. So a stray message can hold up nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from glomar_schemas.errors import IntegrityError, Retryable
from glomar_schemas.messages import ResultQuery, encode
from glomar_schemas.publish import Connection
from glomar_schemas.tlog.leaf import Leaf
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from glomar_requester.ask import Asked
from glomar_requester.incoming.pending import FIRST_QUERY_S, Waiter, Waiting
from glomar_requester.ledger_watch import OwnRequests
from glomar_requester.store.group_commit import Commits
from glomar_requester.store.records import Answered, Cause, Entry, Withdrawn
from glomar_requester.tracing import Tracing
from glomar_requester.verification.gone import gone, require_kept
from glomar_requester.verification.notice import Standing
from glomar_requester.verification.release import Outcome, Proven, Result, open_release, quorum_lacks, verify

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

QUERY_TIMEOUT_S = 2.0
QUERIES_IN_FLIGHT = 32
LOOK_EVERY_S = 0.25
FLOWING_S = 1.0
PATIENCE_S = 12.0
"""While pushes come, a late one is most likely behind others and not lost: it is given this much longer."""


class Receiver:
    def __init__(
        self,
        connection: Connection,
        standing: Standing,
        commits: Commits,
        tracing: Tracing,
        clock: Clock,
        own: OwnRequests,
    ) -> None:
        self._connection = connection
        self._standing = standing
        self._commits = commits
        self._tracing = tracing
        self._clock = clock
        self._own = own
        self._waiting = Waiting()
        self._last_push = -FLOWING_S
        self._renewing: dict[str, Leaf] = {}

    def expect(self, asked: Asked, *, eagerly: bool, missed: bool = False) -> Waiter:
        """From now on its release is taken; eagerly: and asked for, should no push come.

        missed: it was stored before this client was there, so its push may be over: it is asked for at once.
        """
        now = asyncio.get_running_loop().time()
        since = now - FIRST_QUERY_S if missed else now
        return self._waiting.add(asked, eager_from=since if eagerly else None)

    def forget(self, request_id: str) -> None:
        self._waiting.drop(request_id)

    def lacks_quorum(self, request_id: str) -> bool:
        """Its answer has come, and waits for witnesses."""
        waiter = self._waiting.get(request_id)
        return waiter is not None and waiter.lacking != ""

    async def receive(self, message: Msg) -> None:
        """One push. Those that nobody here waits for cost a dictionary lookup."""
        waiter = self._waiting.get(message.subject.rpartition(".")[2])
        if waiter is None:
            return
        self._last_push = asyncio.get_running_loop().time()
        try:
            with self._tracing.receive(message):
                self._take(message.data, waiter)
        except IntegrityError as fault:
            log.error("a pushed release was not believed", extra={"fault": fault.what})

    async def query(self, waiter: Waiter) -> None:
        """Asks the auditor once; the waiter's future then has the result, if released, or IntegrityError."""
        request_id = waiter.asked.request_id
        subject = self._standing.identity.subjects.result(self._standing.identity.agency)
        body = encode(ResultQuery(request_id=request_id))
        try:
            reply = await self._connection.request(subject, body, timeout=QUERY_TIMEOUT_S)
            if not waiter.future.done():
                self._take(reply.data, waiter)
        except (NatsError, TimeoutError, Retryable):
            log.info("the auditor did not answer a query")
        except IntegrityError as fault:
            self._waiting.fail(request_id, fault)

    async def ask_again(self) -> None:
        """For ever: queries for eager waiters whose push did not come."""
        limit = asyncio.Semaphore(QUERIES_IN_FLIGHT)

        async def one(waiter: Waiter) -> None:
            async with limit:
                await self.query(waiter)

        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = asyncio.get_running_loop().time()
            flowing = now - self._last_push < FLOWING_S
            due = self._waiting.due(now, PATIENCE_S if flowing else 0.0)
            await asyncio.gather(*(one(waiter) for waiter in due))

    def settled(self, entry: Entry, *, anew: bool = False) -> Result | None:
        """What the store already knows, verified anew. Raises Gone, IntegrityError.

        None also where the answer's receipt is to be fetched again: `anew`, or because it lacks the quorum.
        """
        if (stored := self._stored(entry)) is not None:
            if not anew and not quorum_lacks(stored.receipt, self._standing.identity):
                return stored.result
            self._renewing[entry.asked.request_id] = stored.leaf
        if entry.published is not None and entry.published.sequence is None:
            return unproven(entry.asked, "rejected")
        return None

    def proven(self, entry: Entry) -> Proven | None:
        """The stored answer, verified anew; None if there is none, or its receipt lacks the quorum.

        Raises Gone, IntegrityError.
        """
        stored = self._stored(entry)
        lacking = stored and quorum_lacks(stored.receipt, self._standing.identity)
        return None if lacking else stored

    def _stored(self, entry: Entry) -> Proven | None:
        request_id, identity = entry.asked.request_id, self._standing.identity
        if entry.withdrawn is not None:
            raise gone(entry.withdrawn, request_id)
        if entry.release is None:
            return None
        proven = verify(identity.vault.unlock(request_id, entry.release), entry.asked, identity)
        require_kept(proven.kept_until, self._clock(), request_id)
        return proven

    def withdraw(self, request_id: str, cause: Cause) -> None:
        """Whoever waits for its answer does so no longer."""
        self._waiting.fail(request_id, gone(cause, request_id))

    def _take(self, raw: bytes, waiter: Waiter) -> None:
        request_id, identity = waiter.asked.request_id, self._standing.identity
        release_json = open_release(raw, request_id, identity)
        if release_json is None:
            return
        proven = verify(release_json, waiter.asked, identity)
        self._own.heard(proven)
        if self._clock() >= proven.kept_until:
            # Fetched so late that it may not be kept for a moment.
            self._commits.soon([Withdrawn(request_id, "expiry")])
            self.withdraw(request_id, "expiry")
            return
        if lacking := quorum_lacks(proven.receipt, identity, self._clock()):
            # Nothing is kept of it: the auditor hands it out again, under a checkpoint that was cosigned.
            self._waiting.unwitnessed(request_id, lacking, asyncio.get_running_loop().time())
            return
        renewed = self._renewing.pop(request_id, None)
        if renewed not in (None, proven.leaf):
            raise IntegrityError(
                "the ledger has another entry for this answer than when it was first released",
                where="release",
                fix="Keep both receipts as evidence and ask the auditor",
            )
        locked = identity.vault.lock(request_id, release_json)
        self._commits.soon([Answered(request_id, locked, proven.kept_until, renews=renewed is not None)])
        if not waiter.future.done():
            waiter.future.set_result(proven.result)
        self._waiting.drop(request_id)


def unproven(asked: Asked, outcome: Outcome = "unanswered", *, witnessed: bool = True) -> Result:
    """The result of a request without an answer that can be handed out."""
    return Result(
        request_id=asked.request_id,
        reference=asked.reference,
        outcome=outcome,
        trace_id=asked.trace_id,
        witnessed=witnessed,
    )

"""Receives releases: those that the auditor pushes, and those that it must be queried for.

A push that fails verification is dropped and the auditor is queried; only a reply to a query that fails too
is reported to the caller. So a stray message delays nothing.
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

from glomar_requester.ask import RequestRecord
from glomar_requester.incoming.pending import FIRST_QUERY_S, PendingRelease, PendingReleases
from glomar_requester.ledger_watch import LedgerWatch
from glomar_requester.store.group_commit import GroupCommit
from glomar_requester.store.records import Answered, Cause, StoredRequest, Withdrawn
from glomar_requester.tracing import Tracing
from glomar_requester.verification.notice import AgencyState
from glomar_requester.verification.release import (
    Outcome,
    Result,
    VerifiedRelease,
    answer_withdrawn,
    missing_cosignatures,
    open_release,
    require_not_expired,
    verify_release,
)

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

QUERY_TIMEOUT_S = 2.0
QUERIES_IN_FLIGHT = 32
POLL_EVERY_S = 0.25
FLOWING_S = 1.0
PATIENCE_S = 12.0
"""While pushes arrive, a late one is most likely queued and not lost: it is given this much longer."""


class ReleaseReceiver:
    def __init__(
        self,
        connection: Connection,
        state: AgencyState,
        store: GroupCommit,
        tracing: Tracing,
        clock: Clock,
        ledger_watch: LedgerWatch,
    ) -> None:
        self._connection = connection
        self._state = state
        self._store = store
        self._tracing = tracing
        self._clock = clock
        self._ledger_watch = ledger_watch
        self._pending = PendingReleases()
        self._last_push = -FLOWING_S
        self._renewing: dict[str, Leaf] = {}

    def expect(self, request: RequestRecord, *, poll: bool, missed: bool = False) -> PendingRelease:
        """From now on its release is accepted. poll: and queried for if no push arrives.

        missed: stored before this client started, so its push may be over; it is queried for at once.
        """
        now = asyncio.get_running_loop().time()
        since = now - FIRST_QUERY_S if missed else now
        return self._pending.add(request, poll_from=since if poll else None)

    def forget(self, request_id: str) -> None:
        self._pending.drop(request_id)

    def lacks_quorum(self, request_id: str) -> bool:
        """Its release has arrived, and its receipt lacks the quorum of cosignatures."""
        pending = self._pending.get(request_id)
        return pending is not None and pending.missing_cosignatures != ""

    async def receive(self, message: Msg) -> None:
        """One push. A push that is not expected here costs one dictionary lookup."""
        pending = self._pending.get(message.subject.rpartition(".")[2])
        if pending is None:
            return
        self._last_push = asyncio.get_running_loop().time()
        try:
            with self._tracing.receive(message):
                self._accept(message.data, pending)
        except IntegrityError as fault:
            log.error("a pushed release failed verification", extra={"fault": fault.what})

    async def query(self, pending: PendingRelease) -> None:
        """Queries the auditor once; the future then has the result, if it is released, or IntegrityError."""
        request_id = pending.request.request_id
        subject = self._state.identity.subjects.result(self._state.identity.agency)
        body = encode(ResultQuery(request_id=request_id))
        try:
            reply = await self._connection.request(subject, body, timeout=QUERY_TIMEOUT_S)
            if not pending.future.done():
                self._accept(reply.data, pending)
        except (NatsError, TimeoutError, Retryable):
            log.info("the auditor did not reply to a query; it is queried again")
        except IntegrityError as fault:
            self._pending.fail(request_id, fault)

    async def poll_forever(self) -> None:
        """Queries for polled requests whose push did not arrive."""
        limit = asyncio.Semaphore(QUERIES_IN_FLIGHT)

        async def query(pending: PendingRelease) -> None:
            async with limit:
                await self.query(pending)

        while True:
            await asyncio.sleep(POLL_EVERY_S)
            now = asyncio.get_running_loop().time()
            flowing = now - self._last_push < FLOWING_S
            due = self._pending.due(now, PATIENCE_S if flowing else 0.0)
            await asyncio.gather(*(query(pending) for pending in due))

    def stored_result(self, entry: StoredRequest, *, refresh: bool = False) -> Result | None:
        """The result that the store holds, verified again. Raises AnswerWithdrawn, IntegrityError.

        None also if its receipt must be fetched again: because of `refresh`, or because it lacks the quorum.
        """
        if (stored := self._verify_stored(entry)) is not None:
            if not refresh and not missing_cosignatures(stored.receipt, self._state.identity):
                return stored.result
            self._renewing[entry.request.request_id] = stored.leaf
        if entry.published is not None and entry.published.sequence is None:
            return without_answer(entry.request, "rejected")
        return None

    def stored_release(self, entry: StoredRequest) -> VerifiedRelease | None:
        """The stored release, verified again. None: there is none, or its receipt lacks the quorum.

        Raises AnswerWithdrawn, IntegrityError.
        """
        stored = self._verify_stored(entry)
        missing = stored and missing_cosignatures(stored.receipt, self._state.identity)
        return None if missing else stored

    def withdraw(self, request_id: str, cause: Cause) -> None:
        """Callers that await its result get AnswerWithdrawn."""
        self._pending.fail(request_id, answer_withdrawn(cause, request_id))

    def _verify_stored(self, entry: StoredRequest) -> VerifiedRelease | None:
        request_id, identity = entry.request.request_id, self._state.identity
        if entry.withdrawn is not None:
            raise answer_withdrawn(entry.withdrawn, request_id)
        if entry.release is None:
            return None
        release = verify_release(identity.vault.unlock(request_id, entry.release), entry.request, identity)
        require_not_expired(release.retain_until, self._clock(), request_id)
        return release

    def _accept(self, raw: bytes, pending: PendingRelease) -> None:
        """Opens, verifies, stores and hands out one release. Raises IntegrityError."""
        request_id, identity = pending.request.request_id, self._state.identity
        release_json = open_release(raw, request_id, identity)
        if release_json is None:
            return
        release = verify_release(release_json, pending.request, identity)
        self._ledger_watch.observe_receipt(release)
        if self._clock() >= release.retain_until:
            # Received so late that it may not be stored at all.
            self._store.write_soon([Withdrawn(request_id, "expiry")])
            self.withdraw(request_id, "expiry")
            return
        if missing := missing_cosignatures(release.receipt, identity, self._clock()):
            # Not stored: the auditor gives the same release again, with a receipt under a later checkpoint.
            self._pending.set_unwitnessed(request_id, missing, asyncio.get_running_loop().time())
            return
        renewed = self._renewing.pop(request_id, None)
        if renewed not in (None, release.leaf):
            raise IntegrityError(
                "the ledger has another leaf for this answer than when it was first released",
                where="release",
                fix="Keep both receipts as evidence and contact the auditor",
            )
        locked = identity.vault.lock(request_id, release_json)
        self._store.write_soon(
            [Answered(request_id, locked, release.retain_until, renews=renewed is not None)]
        )
        if not pending.future.done():
            pending.future.set_result(release.result)
        self._pending.drop(request_id)


def without_answer(
    request: RequestRecord, outcome: Outcome = "unanswered", *, witnessed: bool = True
) -> Result:
    """The result of a request without an answer that may be handed out."""
    return Result(
        request_id=request.request_id,
        reference=request.reference,
        outcome=outcome,
        trace_id=request.trace_id,
        witnessed=witnessed,
    )

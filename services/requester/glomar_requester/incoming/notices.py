"""Receives notices of controls and recalls: pushes as they arrive, and queries for those that were missed.

A push proves that there is a notice, never that none is missing: only the auditor's replies move the mark up
to which every notice is known.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from glomar_schemas.decoding import decode
from glomar_schemas.errors import GlomarError, Refused, Retryable, Unreachable
from glomar_schemas.messages import Notice, Notices, NoticesQuery, encode
from glomar_schemas.publish import Connection
from glomar_schemas.subjects import MAX_NOTICE_BYTES
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from glomar_requester.incoming.receiver import QUERY_TIMEOUT_S, ReleaseReceiver
from glomar_requester.store.group_commit import GroupCommit
from glomar_requester.store.records import Change, Notified, NotifiedThrough, RecalledAnswer, Withdrawn
from glomar_requester.store.store import Store
from glomar_requester.verification.notice import AgencyState, open_notice, open_recall, read_notice

log = logging.getLogger(__name__)

POLL_EVERY_S = 15.0
FIRST_REPLY_S = 1.0
"""The pause between queries after a start, until the auditor has replied once."""
PAGE = 1000


class NoticeReceiver:
    def __init__(
        self,
        connection: Connection,
        state: AgencyState,
        store: GroupCommit,
        releases: ReleaseReceiver,
        on_recall: Callable[[], None],
    ) -> None:
        """on_recall: called once an answer is withdrawn, durably."""
        self._connection = connection
        self._state = state
        self._store = store
        self._releases = releases
        self._on_recall = on_recall
        self._recalled = asyncio.Event()
        self._after = 0
        self._one_at_a_time = asyncio.Lock()

    async def load(self) -> None:
        """Applies the controls that the store holds. Raises Retryable."""
        self._after = await self._store.read(Store.notified_through)
        for raw in await self._store.read(Store.controls):
            try:
                self._state.apply([read_notice(raw, self._state.identity)])
            except Refused as fault:
                # Under a key of the ledger that is no longer known: the auditor signs a new receipt.
                log.warning("a stored notice failed verification; queried again", extra={"fault": fault.what})
                self._after = 0

    async def receive(self, message: Msg) -> None:
        """One push."""
        try:
            notice = decode(message.data, Notice, what="notice", max_bytes=MAX_NOTICE_BYTES)
            await self._accept([notice])
        except Refused as fault:
            log.error("a notice failed verification", extra={"fault": fault.what})
        except Retryable as fault:
            log.warning("a notice is not stored; it is queried again", extra={"fault": fault.what})

    async def catch_up(self) -> None:
        """Queries for every notice that was missed. Raises Retryable; Refused for a malformed reply."""
        async with self._one_at_a_time:
            await self._catch_up()

    async def poll_forever(self) -> None:
        pause_s = FIRST_REPLY_S
        while True:
            try:
                await self.catch_up()
                pause_s = POLL_EVERY_S
            except Retryable as fault:
                log.info("the query for notices failed; it is repeated", extra={"fault": fault.what})
            except GlomarError as fault:
                log.error("the auditor's notices are malformed", extra={"fault": fault.what})
            await asyncio.sleep(pause_s)

    async def recalls(self, after: int, timeout_s: float | None = None) -> list[RecalledAnswer]:
        """Those after that number. Without one it waits for one; empty after timeout_s. Raises Retryable."""
        recalled = self._recalled
        if found := await self._store.read(lambda store: store.recalls(after, PAGE)):
            return found
        try:
            async with asyncio.timeout(timeout_s):
                await recalled.wait()
        except TimeoutError:
            return []
        return await self._store.read(lambda store: store.recalls(after, PAGE))

    async def _catch_up(self) -> None:
        after = self._after
        more, complete = True, True
        while more:
            page = await self._query(after)
            verified = await self._accept(page.notices)
            more = page.more and page.through > after
            after = page.through
            # A notice that failed is queried again; those after it are applied all the same.
            complete = complete and verified
            if complete:
                self._after = after
                await self._store.write([NotifiedThrough(after)])

    async def _query(self, after: int) -> Notices:
        identity = self._state.identity
        subject = identity.subjects.notices(identity.agency)
        try:
            body = encode(NoticesQuery(after=after))
            reply = await self._connection.request(subject, body, timeout=QUERY_TIMEOUT_S)
        except (NatsError, TimeoutError):
            raise Unreachable("the auditor does not reply", where="notices") from None
        return decode(reply.data, Notices, what="notices", max_bytes=MAX_NOTICE_BYTES)

    async def _accept(self, notices: Sequence[Notice]) -> bool:
        """Returns once they are durable here; False if one failed verification. Raises Retryable."""
        changes: list[Change] = []
        verified = True
        for notice in notices:
            try:
                changes += self._verify(notice)
            except Refused as fault:
                log.error("a notice failed verification", extra={"fault": fault.what})
                verified = False
        recalled = [change.request_id for change in changes if isinstance(change, Withdrawn)]
        for request_id in recalled:
            self._releases.withdraw(request_id, "recall")
        if changes:
            await self._store.write(changes)
        if recalled:
            self._recalled.set()
            self._recalled = asyncio.Event()
            self._on_recall()
        return verified

    def _verify(self, notice: Notice) -> list[Change]:
        """Applies a control at once. Raises Refused."""
        found = open_notice(notice, self._state.identity)
        if found.slot is not None:
            self._state.apply([found])
            return [Notified(found.sequence, encode(notice))]
        recall = open_recall(found, self._state.identity)
        return [
            Notified(found.sequence, encode(notice), recall.request_id, recall.cause, recall.recalled_at),
            Withdrawn(recall.request_id, "recall"),
        ]

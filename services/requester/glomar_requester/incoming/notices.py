"""Notices of controls and recalls: taken as they are pushed, asked for where a push was missed.

Called by the client. A push proves that there is a notice, never that none is missing: only what the auditor
answers moves the mark up to which everything is known.
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

from glomar_requester.incoming.receiver import QUERY_TIMEOUT_S, Receiver
from glomar_requester.store.group_commit import Commits
from glomar_requester.store.records import Change, TakenBack, Told, ToldThrough, Withdrawn
from glomar_requester.store.store import Store
from glomar_requester.verification.notice import Standing, open_notice, open_recall, read_notice

log = logging.getLogger(__name__)

ASK_EVERY_S = 15.0
FIRST_ANSWER_S = 1.0
"""How soon the auditor is asked again at the start, until it has answered once."""
PAGE = 1000


class Bulletin:
    def __init__(
        self,
        connection: Connection,
        standing: Standing,
        commits: Commits,
        receiver: Receiver,
        on_recall: Callable[[], None],
    ) -> None:
        """on_recall: called once an answer is withdrawn, durably."""
        self._connection = connection
        self._standing = standing
        self._commits = commits
        self._receiver = receiver
        self._on_recall = on_recall
        self._news = asyncio.Event()
        self._after = 0
        self._one_at_a_time = asyncio.Lock()

    async def load(self) -> None:
        """What was known when the store was last used. Raises Retryable."""
        self._after = await self._commits.read(Store.told_through)
        for raw in await self._commits.read(Store.controls):
            try:
                self._standing.learn([read_notice(raw, self._standing.identity)])
            except Refused as fault:
                # Under a key of the ledger that is no longer known: the auditor signs it anew.
                log.warning("a stored notice is asked for again", extra={"fault": fault.what})
                self._after = 0

    async def receive(self, message: Msg) -> None:
        """One push."""
        try:
            notice = decode(message.data, Notice, what="notice", max_bytes=MAX_NOTICE_BYTES)
            await self._take([notice])
        except Refused as fault:
            log.error("a notice was not believed", extra={"fault": fault.what})
        except Retryable as fault:
            log.warning("a notice will be asked for again", extra={"fault": fault.what})

    async def catch_up(self) -> None:
        """Asks for everything that was missed. Raises Retryable; Refused for an answer that is none."""
        async with self._one_at_a_time:
            await self._catch_up()

    async def _catch_up(self) -> None:
        after = self._after
        more, complete = True, True
        while more:
            page = await self._ask(after)
            believed = await self._take(page.notices)
            more = page.more and page.through > after
            after = page.through
            # What was not believed is asked for again; what stands behind it counts all the same.
            complete = complete and believed
            if complete:
                self._after = after
                await self._commits.durable([ToldThrough(after)])

    async def ask_for_ever(self) -> None:
        pause_s = FIRST_ANSWER_S
        while True:
            try:
                await self.catch_up()
                pause_s = ASK_EVERY_S
            except Retryable as fault:
                log.info("notices can't be asked for", extra={"fault": fault.what})
            except GlomarError as fault:
                log.error("the auditor's notices can't be read", extra={"fault": fault.what})
            await asyncio.sleep(pause_s)

    async def recalls(self, after: int, timeout_s: float | None = None) -> list[TakenBack]:
        """Those behind that number; waits where there is none, and may then bring none. Raises Retryable."""
        news = self._news
        if found := await self._commits.read(lambda store: store.recalls(after, PAGE)):
            return found
        try:
            async with asyncio.timeout(timeout_s):
                await news.wait()
        except TimeoutError:
            return []
        return await self._commits.read(lambda store: store.recalls(after, PAGE))

    async def _ask(self, after: int) -> Notices:
        identity = self._standing.identity
        subject = identity.subjects.notices(identity.agency)
        try:
            body = encode(NoticesQuery(after=after))
            reply = await self._connection.request(subject, body, timeout=QUERY_TIMEOUT_S)
        except (NatsError, TimeoutError):
            raise Unreachable("the auditor does not answer", where="notices") from None
        return decode(reply.data, Notices, what="notices", max_bytes=MAX_NOTICE_BYTES)

    async def _take(self, notices: Sequence[Notice]) -> bool:
        """Returns once they are durable here: False if one was not believed. Raises Retryable."""
        changes: list[Change] = []
        believed = True
        for notice in notices:
            try:
                changes += self._believe(notice)
            except Refused as fault:
                log.error("a notice was not believed", extra={"fault": fault.what})
                believed = False
        recalled = [change.request_id for change in changes if isinstance(change, Withdrawn)]
        for request_id in recalled:
            self._receiver.withdraw(request_id, "recall")
        if changes:
            await self._commits.durable(changes)
        if recalled:
            self._news.set()
            self._news = asyncio.Event()
            self._on_recall()
        return believed

    def _believe(self, notice: Notice) -> list[Change]:
        """Raises Refused."""
        noticed = open_notice(notice, self._standing.identity)
        if noticed.slot is not None:
            self._standing.learn([noticed])
            return [Told(noticed.sequence, encode(notice))]
        recall = open_recall(noticed, self._standing.identity)
        told = Told(noticed.sequence, encode(notice), recall.request_id, recall.cause, recall.recalled_at)
        return [told, Withdrawn(recall.request_id, "recall")]

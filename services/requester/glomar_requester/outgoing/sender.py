"""The way out: compose, write down, publish, mark. Called by the client and its pipeline.

Nothing is published before its bytes are durable here, and nothing counts as asked before the stream has
acknowledged it.
"""

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial

from glomar_schemas.errors import GlomarError, Retryable
from glomar_schemas.messages import encode
from glomar_schemas.publish import Connection
from glomar_schemas.subjects import MAX_BATCH

from glomar_requester.ask import Prepared, Question
from glomar_requester.bus.publish import Conflict, publish
from glomar_requester.ledger_watch import OwnRequests
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_requester.store.group_commit import Commits
from glomar_requester.store.records import Entry, Published
from glomar_requester.store.store import Store
from glomar_requester.tracing import Sending, Tracing
from glomar_requester.verification.notice import Standing

log = logging.getLogger(__name__)

RESEND_EVERY_S = 5.0
RESEND_AFTER_S = 30.0
"""Younger ones are still on their way, here or in another process that shares the store."""


class Sender:
    def __init__(
        self, connection: Connection, standing: Standing, commits: Commits, tracing: Tracing, own: OwnRequests
    ) -> None:
        self._connection = connection
        self._standing = standing
        self._commits = commits
        self._tracing = tracing
        self._own = own
        self._sending: dict[str, Sending] = {}
        self._in_flight: set[str] = set()
        self._one_key_at_a_time = asyncio.Lock()

    async def prepare(self, questions: Sequence[Question]) -> list[Entry]:
        """At most MAX_BATCH questions -> their entries, durable here; a used key gives the entry of then.

        Raises Conflict (other content under a used key), BadForm, Untrusted, Retryable.
        """
        keys = [question.key for question in questions if question.key]
        async with self._one_key_at_a_time if keys else nullcontext():
            known = await self._commits.read(lambda store: store.by_keys(keys)) if keys else {}
            for question in questions:
                if question.key in known:
                    self._require_same(question, known[question.key])
            fresh = [question for question in questions if not question.key or question.key not in known]
            prepared = await self._compose(fresh) if fresh else []
        made = iter(prepared)
        return [known.get(question.key) or _entry(next(made)) for question in questions]

    async def send(self, entries: Iterable[Entry]) -> list[Published]:
        """Publishes what the stream has not acknowledged, at most MAX_BATCH. Raises Retryable: try again."""
        batch = [Prepared(entry.asked, entry.unsent) for entry in entries if entry.unsent is not None]
        if not batch:
            return []
        ids = [prepared.asked.request_id for prepared in batch]
        self._in_flight.update(ids)
        try:
            published = await publish(self._connection, self._standing.identity, batch)
        finally:
            self._in_flight.difference_update(ids)
            for request_id in ids:
                if sending := self._sending.pop(request_id, None):
                    sending.end()
        self._commits.soon([*published, *self._own.requests(published, batch)])
        return published

    async def resend(self, older_than_s: float) -> int:
        """Sends what a crash, or a bus that was away, left unfinished -> how many. Raises Retryable."""
        before_id = new_request_id(int((time.time() - older_than_s) * 1000), bytes(10))
        last_id, count = "", 0
        while True:
            query = partial(Store.unfinished, after_id=last_id, before_id=before_id, limit=MAX_BATCH)
            found = await self._commits.read(query)
            if not found:
                return count
            last_id = found[-1].asked.request_id
            mine = [_entry(p) for p in found if p.asked.request_id not in self._in_flight]
            count += len(await self.send(mine))

    async def resend_for_ever(self) -> None:
        while True:
            try:
                await self.resend(RESEND_AFTER_S)
            except Retryable as fault:
                log.info("unfinished requests wait", extra={"fault": fault.what})
            except GlomarError as fault:
                log.error("unfinished requests can't be sent", extra={"fault": fault.what})
            await asyncio.sleep(RESEND_EVERY_S)

    async def _compose(self, questions: Sequence[Question]) -> list[Prepared]:
        labels, sending = [], {}
        for _ in questions:
            request_id = new_request_id(time.time_ns() // 1_000_000, os.urandom(10))
            sending[request_id] = self._tracing.send(request_id)
            labels.append(Label(request_id, sending[request_id].traceparent))
        try:
            prepared = compose(questions, labels, self._standing.require(), datetime.now(UTC))
            await self._commits.durable(prepared)
        except GlomarError:
            for span in sending.values():
                span.end()
            raise
        self._sending.update(sending)
        return prepared

    def _require_same(self, question: Question, entry: Entry) -> None:
        if not self._standing.identity.vault.is_of(entry.asked.fingerprint, encode(question.ask)):
            raise Conflict("another request was asked under this key", where="key", fix="Use a key only once")


def _entry(prepared: Prepared) -> Entry:
    return Entry(prepared.asked, unsent=prepared.body)

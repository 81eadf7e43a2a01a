"""Sends requests: compose, store, publish, mark as published; and resends what a crash left unfinished.

A request is published only after its bytes are durable here, and counts as sent only after the stream has
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
from glomar_requester.ledger_watch import LedgerWatch
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_requester.store.group_commit import GroupCommit
from glomar_requester.store.records import Published, StoredRequest
from glomar_requester.store.store import Store
from glomar_requester.tracing import SendSpan, Tracing
from glomar_requester.verification.notice import AgencyState

log = logging.getLogger(__name__)

RESEND_EVERY_S = 5.0
RESEND_AFTER_S = 30.0
"""Younger requests are still being sent, here or by another process that shares the store."""


class Sender:
    def __init__(
        self,
        connection: Connection,
        state: AgencyState,
        store: GroupCommit,
        tracing: Tracing,
        ledger_watch: LedgerWatch,
    ) -> None:
        self._connection = connection
        self._state = state
        self._store = store
        self._tracing = tracing
        self._ledger_watch = ledger_watch
        self._spans: dict[str, SendSpan] = {}
        self._in_flight: set[str] = set()
        self._one_key_at_a_time = asyncio.Lock()

    async def prepare(self, questions: Sequence[Question]) -> list[StoredRequest]:
        """At most MAX_BATCH questions -> their entries, durable here. A used key gives its existing entry.

        Raises Conflict (other content under a used key), BadForm, Untrusted, Retryable.
        """
        keys = [question.key for question in questions if question.key]
        async with self._one_key_at_a_time if keys else nullcontext():
            known = await self._store.read(lambda store: store.by_keys(keys)) if keys else {}
            for question in questions:
                if question.key in known:
                    self._require_same(question, known[question.key])
            fresh = [question for question in questions if not question.key or question.key not in known]
            prepared = await self._compose(fresh) if fresh else []
        fresh_entries = map(_entry, prepared)
        return [known.get(question.key) or next(fresh_entries) for question in questions]

    async def send(self, entries: Iterable[StoredRequest]) -> list[Published]:
        """Publishes those that the stream has not acknowledged, at most MAX_BATCH. Raises Retryable."""
        batch = [Prepared(entry.request, entry.unsent) for entry in entries if entry.unsent is not None]
        if not batch:
            return []
        ids = [prepared.request.request_id for prepared in batch]
        self._in_flight.update(ids)
        try:
            published = await publish(self._connection, self._state.identity, batch)
        finally:
            self._in_flight.difference_update(ids)
            for request_id in ids:
                if span := self._spans.pop(request_id, None):
                    span.end()
        self._store.write_soon([*published, *self._ledger_watch.record_requests(published, batch)])
        return published

    async def resend(self, older_than_s: float) -> int:
        """Sends what the stream has not acknowledged -> how many. Raises Retryable."""
        before_id = new_request_id(int((time.time() - older_than_s) * 1000), bytes(10))
        last_id, count = "", 0
        while True:
            query = partial(Store.unfinished, after_id=last_id, before_id=before_id, limit=MAX_BATCH)
            found = await self._store.read(query)
            if not found:
                return count
            last_id = found[-1].request.request_id
            idle = [_entry(p) for p in found if p.request.request_id not in self._in_flight]
            count += len(await self.send(idle))

    async def resend_forever(self) -> None:
        while True:
            try:
                await self.resend(RESEND_AFTER_S)
            except Retryable as fault:
                log.info("requests are not sent yet; they are sent again", extra={"fault": fault.what})
            except GlomarError as fault:
                log.error("stored requests can't be sent", extra={"fault": fault.what})
            await asyncio.sleep(RESEND_EVERY_S)

    async def _compose(self, questions: Sequence[Question]) -> list[Prepared]:
        labels, spans = [], {}
        for _ in questions:
            request_id = new_request_id(time.time_ns() // 1_000_000, os.urandom(10))
            spans[request_id] = self._tracing.send(request_id)
            labels.append(Label(request_id, spans[request_id].traceparent))
        try:
            prepared = compose(questions, labels, self._state.require_identity(), datetime.now(UTC))
            await self._store.write(prepared)
        except GlomarError:
            for span in spans.values():
                span.end()
            raise
        self._spans.update(spans)
        return prepared

    def _require_same(self, question: Question, entry: StoredRequest) -> None:
        if not self._state.identity.vault.matches(entry.request.fingerprint, encode(question.ask)):
            raise Conflict("another request has this key", where="key", fix="Use each key once")


def _entry(prepared: Prepared) -> StoredRequest:
    return StoredRequest(prepared.request, unsent=prepared.body)

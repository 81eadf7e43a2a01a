"""One batch of requests at a time: decide, store the verdicts behind the fence, put aside what a hold covers.

Called by the app for delivered requests, and by itself for those that a lifted hold lets go.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum, auto

from glomar_runtime.delivery import get_by_sequence, moment
from glomar_runtime.telemetry import Spans, end_all, traceparent
from glomar_schemas.batch import Outgoing
from glomar_schemas.controls import Hold, InForce
from glomar_schemas.keyholder import Keyholder
from glomar_schemas.subjects import MAX_BATCH, Subjects
from glomar_schemas.versions import Versions
from nats.aio.client import Client
from opentelemetry.trace import Span

from glomar_verifier.clock import Clock
from glomar_verifier.control import catch_up
from glomar_verifier.desk import Decided, Desk, Work
from glomar_verifier.outbox import Stale, store_verdicts
from glomar_verifier.waiting import Held, Waiting

log = logging.getLogger(__name__)


class Fate(Enum):
    """What became of a request. Only an UNSETTLED one must be delivered again."""

    ANSWERED = auto()
    WAITING = auto()
    UNSETTLED = auto()


class Worker:
    """Holds what is in force as far as this process knows; the fence tells when that is not enough."""

    def __init__(
        self,
        versions: Versions,
        subjects: Subjects,
        desk: Desk,
        keyholder: Keyholder,
        waiting: Waiting,
        spans: Spans,
    ) -> None:
        self._versions = versions
        self._subjects = subjects
        self._desk = desk
        self._keyholder = keyholder
        self._waiting = waiting
        self._spans = spans
        self._clock = Clock()
        self._in_force = InForce()
        # A cluster refuses a fenced batch while another one is in flight.
        self._one_at_a_time = asyncio.Lock()

    async def start(self, client: Client) -> None:
        """Raises Retryable while no agreement is in force on the stream."""
        await self._follow(client)
        self._in_force.require()

    async def answer(self, client: Client, work: Sequence[Work], *, first_time: bool) -> list[Fate]:
        """What became of each request, in order.

        first_time: none of them was delivered before. Raises Retryable, Refused, Fatal.
        """
        async with self._one_at_a_time:
            while True:
                try:
                    return await self._answer(client, work, first_time=first_time)
                except Stale:
                    await self._follow(client)

    async def resume(self, client: Client) -> int:
        """Answers some of what waits for no hold any more -> how many. Raises as `answer`."""
        async with self._one_at_a_time:
            # Also when nothing waits: a key that was shredded must not stay until somebody asks.
            await self._follow(client)
        if not len(self._waiting):
            return 0
        held = self._waiting.resumable([hold.slot for hold in self._in_force.holds], MAX_BATCH)
        calls = (get_by_sequence(client, self._subjects.stream, one.sequence) for one in held)
        now = datetime.now(UTC)
        work = []
        for one, stored in zip(held, await asyncio.gather(*calls), strict=True):
            if stored is not None:
                span = self._spans.process(stored.subject, stored.traceparent)
                work.append(Work(stored, span, now - moment(one.since_ns)))
        if not work:
            return 0
        try:
            fates = await self.answer(client, work, first_time=True)
        finally:
            end_all(item.span for item in work)
        answered = [
            item.stored.sequence for item, fate in zip(work, fates, strict=True) if fate is Fate.ANSWERED
        ]
        self._waiting.remove(answered)
        return len(answered)

    async def _answer(self, client: Client, work: Sequence[Work], *, first_time: bool) -> list[Fate]:
        newest = moment(max(item.stored.time_ns for item in work))
        now = self._clock.now(datetime.now(UTC), newest)
        outcomes = self._desk.decide(work, self._in_force, now, self._spans)
        fates = [Fate.WAITING] * len(work)
        free = [at for at, found in enumerate(outcomes) if isinstance(found, Decided)]
        decided = [found for found in outcomes if isinstance(found, Decided)]
        stand = await self._store(client, decided, [work[at].span for at in free], first_time=first_time)
        for at, stands in zip(free, stand, strict=True):
            fates[at] = Fate.ANSWERED if stands else Fate.UNSETTLED
        held = [
            Held(item.stored.sequence, found.slot, item.stored.time_ns)
            for item, found in zip(work, outcomes, strict=True)
            if isinstance(found, Hold)
        ]
        if held:
            self._waiting.add(held)
            log.info("put to wait under a hold", extra={"count": len(held)})
        return fates

    async def _store(
        self, client: Client, decided: Sequence[Decided], parents: Sequence[Span], *, first_time: bool
    ) -> list[bool]:
        sending = [
            self._spans.send("verdict", verdict.request_id, parent)
            for verdict, parent in zip(decided, parents, strict=True)
        ]
        outgoing = [
            Outgoing(verdict.subject, verdict.body, traceparent(span))
            for verdict, span in zip(decided, sending, strict=True)
        ]
        try:
            empty_slot = self._subjects.control(self._in_force.slot + 1)
            return await store_verdicts(client, outgoing, empty_slot, first_time=first_time)
        finally:
            end_all(sending)

    async def _follow(self, client: Client) -> None:
        in_force = await catch_up(client, self._in_force, self._versions, self._subjects)
        if in_force.slot > self._in_force.slot and in_force.signed is not None:
            self._keyholder.follow(in_force)
        self._in_force = in_force

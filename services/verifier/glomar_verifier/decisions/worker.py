"""One batch of requests at a time: decide, store the verdicts behind the fence, put aside what a hold covers.

Called by the app for delivered requests, and by itself for those that a lifted hold lets go.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from glomar_runtime.bus.controls import log_control, newer_controls
from glomar_runtime.bus.stream import Stored, get_by_sequence, get_by_subject, moment
from glomar_runtime.health import control_status
from glomar_runtime.telemetry.spans import Spans, end_all, header
from glomar_schemas.agreement.controls import Hold, InForce
from glomar_schemas.agreement.keyholder import Keyholder
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.errors import Retryable
from glomar_schemas.keys import KeyRing
from glomar_schemas.publish import Outgoing
from glomar_schemas.subjects import MAX_BATCH, Subjects
from nats.aio.client import Client
from opentelemetry.trace import Span

from glomar_verifier.decisions import clock as clocks
from glomar_verifier.decisions.decide import Clock, Desk, Work
from glomar_verifier.decisions.held_requests import Held, Waiting
from glomar_verifier.decisions.open_request import slot_id
from glomar_verifier.decisions.publish import Acknowledged, Stale, store_verdicts, unheard
from glomar_verifier.decisions.rebuilding import unanswered
from glomar_verifier.decisions.verdict_writer import Decided

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
        acknowledged: Acknowledged = unheard,
    ) -> None:
        self._versions = versions
        self._subjects = subjects
        self._desk = desk
        self._keyholder = keyholder
        self._waiting = waiting
        self._spans = spans
        self._acknowledged = acknowledged
        self._clock = clocks.Clock()
        self._clock_lags = False
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
        while True:
            known = self._in_force
            try:
                return await self._answer(client, work, known, first_time=first_time)
            except Stale:
                async with self._one_at_a_time:
                    if self._in_force is known:
                        await self._follow(client)

    async def check_clock(self) -> None:
        """Raises Retryable while nothing is decided because this machine's clock lags."""
        self._clock.require_right(datetime.now(UTC))

    @property
    def ring(self) -> KeyRing:
        """The keys in force, or those of the newest agreement before any control is known."""
        return (self._in_force.signed or self._versions.newest).ring

    def status(self) -> dict[str, object]:
        """For /status: what is in force, and how many wait for which hold."""
        by_hold = self._waiting.by_hold()
        waiting = {"total": sum(by_hold.values()), "by_hold": by_hold, "complete": self._waiting.is_complete}
        return {**control_status(self._in_force), "waiting": waiting}

    async def rebuild(self, client: Client) -> None:
        """Makes the list of what waits complete, if it is a new one. Raises Unreachable."""
        if self._waiting.is_complete:
            return
        found = await unanswered(client, self._subjects)
        self._waiting.add_missing(found)
        self._waiting.completed()
        if found:
            log.warning("the list of what waits was made anew", extra={"count": len(found)})

    async def resume(self, client: Client) -> int:
        """Takes up some of what waits for no hold any more -> how many were answered, or wait for another.

        Between two such batches one of fresh requests comes, and the other way round: the lock is fair.
        Raises as `answer`.
        """
        async with self._one_at_a_time:
            # Also when nothing waits: a key that was shredded must not stay until somebody asks.
            await self._follow(client)
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
        return len(work) - fates.count(Fate.UNSETTLED)

    async def _answer(
        self, client: Client, work: Sequence[Work], known: InForce, *, first_time: bool
    ) -> list[Fate]:
        now = self._now(moment(max(item.stored.time_ns for item in work)))
        if now is None:
            return [Fate.UNSETTLED] * len(work)
        clock = _running_from(now)
        outcomes = self._desk.decide(work, known, clock, self._spans)
        fates = [Fate.WAITING] * len(work)
        free = [at for at, found in enumerate(outcomes) if isinstance(found, Decided)]
        decided = [found for found in outcomes if isinstance(found, Decided)]
        await _wait_for(max((verdict.slot for verdict in decided), default=clock()), clock)
        async with self._one_at_a_time:
            stand = await self._store(
                client, decided, [work[at].span for at in free], known.slot, first_time=first_time
            )
        for at, stands in zip(free, stand, strict=True):
            fates[at] = Fate.ANSWERED if stands else Fate.UNSETTLED
        covered = [at for at, found in enumerate(outcomes) if isinstance(found, Hold)]
        for at in await self._answered(client, work, covered):
            fates[at] = Fate.ANSWERED
        held = [
            Held(item.stored.sequence, found.slot, item.stored.time_ns)
            for item, found, fate in zip(work, outcomes, fates, strict=True)
            if isinstance(found, Hold) and fate is Fate.WAITING
        ]
        if held:
            self._waiting.add(held)
            log.info("put to wait under a hold", extra={"count": len(held)})
        return fates

    async def _answered(self, client: Client, work: Sequence[Work], places: Sequence[int]) -> list[int]:
        """Those of the places whose request has a verdict, from before the hold. Raises Unreachable.

        It is delivered again if the storing of that verdict was not acknowledged, or its own delivery.
        """

        async def stands(stored: Stored) -> bool:
            address = self._subjects.parse(stored.subject)
            slot = self._subjects.verdict(address.agency, slot_id(address.token, stored.sequence))
            return await get_by_subject(client, self._subjects.stream, slot) is not None

        found = await asyncio.gather(*(stands(work[at].stored) for at in places))
        return [at for at, is_answered in zip(places, found, strict=True) if is_answered]

    def _now(self, newest: datetime) -> datetime | None:
        """The time that counts; None, which is said once, while the clock lags."""
        try:
            now = self._clock.now(datetime.now(UTC), newest)
        except Retryable as fault:
            if not self._clock_lags:
                log.error("nothing is decided", extra={"fault": fault.what})
            self._clock_lags = True
            return None
        if self._clock_lags:
            log.info("the clock is right again")
        self._clock_lags = False
        return now

    async def _store(
        self,
        client: Client,
        decided: Sequence[Decided],
        parents: Sequence[Span],
        control_n: int,
        *,
        first_time: bool,
    ) -> list[bool]:
        sending = [
            self._spans.send("verdict", verdict.request_id, parent)
            for verdict, parent in zip(decided, parents, strict=True)
        ]
        outgoing = [
            Outgoing(verdict.subject, verdict.body, header(span))
            for verdict, span in zip(decided, sending, strict=True)
        ]
        try:
            empty_slot = self._subjects.control(control_n + 1)
            return await store_verdicts(
                client, outgoing, empty_slot, first_time=first_time, acknowledged=self._acknowledged
            )
        finally:
            end_all(sending)

    async def _follow(self, client: Client) -> None:
        in_force = self._in_force
        async for control in newer_controls(client, in_force, self._versions, self._subjects):
            log_control(control)
            in_force = control.in_force
        if in_force.slot > self._in_force.slot and in_force.signed is not None:
            self._keyholder.follow(in_force)
        self._in_force = in_force


def _running_from(start: datetime) -> Clock:
    """Shows `start` now. No step of the machine's clock moves it."""
    begun = time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - begun)


async def _wait_for(slot: datetime, clock: Clock) -> None:
    """The loop's timers count whole milliseconds, and may come early."""
    while (left := slot - clock()) > timedelta(0):  # noqa: ASYNC110
        await asyncio.sleep(left.total_seconds())

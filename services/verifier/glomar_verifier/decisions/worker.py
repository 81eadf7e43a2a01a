"""The way of a request through the verifier, in the order in which it happens.

1. `handle_delivery`: the stream delivers a batch of requests.
2. `_decide_and_store`: the DecisionEngine opens, counts, gates and matches them, and writes verdicts.
3. `_store`: the verdicts are stored under the fence. After a newer control the batch is decided again.
4. `_hold`: requests under a hold are listed; `resume` decides them when the hold is lifted.
5. `handle_delivery` acknowledges the requests that are answered or held.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum, auto

from glomar_runtime.bus.controls import log_control, newer_controls
from glomar_runtime.bus.stream import Stored, delivery, get_by_sequence, get_by_subject, moment, stored
from glomar_runtime.health import control_status
from glomar_runtime.telemetry.spans import Spans, end_all, header
from glomar_schemas.agreement.controls import Hold, InForce
from glomar_schemas.agreement.keyholder import Keyholder
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.keys import KeyRing
from glomar_schemas.publish import Outgoing
from glomar_schemas.subjects import MAX_BATCH, Subjects, verdict_token
from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from glomar_verifier.decisions.clock import StreamClock, running_from, wait_until
from glomar_verifier.decisions.decide import DecisionEngine, WorkItem
from glomar_verifier.decisions.held_requests import HeldRequest, HeldRequests, find_unanswered
from glomar_verifier.decisions.store_verdicts import OnStored, Stale, ignore_stored, store_verdicts
from glomar_verifier.decisions.verdict_writer import SignedVerdict

log = logging.getLogger(__name__)


class Disposition(Enum):
    """What became of a request. Only an UNSETTLED one must be delivered again."""

    ANSWERED = auto()
    HELD = auto()
    UNSETTLED = auto()


class Worker:
    """Knows the controls up to some slot; the fence reports when there is a newer one."""

    def __init__(
        self,
        versions: Versions,
        subjects: Subjects,
        engine: DecisionEngine,
        keyholder: Keyholder,
        held: HeldRequests,
        spans: Spans,
        on_stored: OnStored = ignore_stored,
    ) -> None:
        self._versions = versions
        self._subjects = subjects
        self._engine = engine
        self._keyholder = keyholder
        self._held = held
        self._spans = spans
        self._on_stored = on_stored
        self._clock = StreamClock()
        self._in_force = InForce()
        # A cluster refuses a fenced batch while another is in flight. The lock is fair: delivered and resumed
        # batches alternate.
        self._lock = asyncio.Lock()

    async def start(self, client: Client) -> None:
        """Reads the controls. Raises Retryable while no agreement is in force on the stream."""
        await self._follow_controls(client)
        self._in_force.require()

    async def handle_delivery(self, client: Client, messages: Sequence[Msg], spans: Sequence[Span]) -> None:
        """Decides delivered requests and acknowledges those that are answered or held. Raises as `answer`.

        First deliveries are stored as one batch; a redelivered request may have its verdict already.
        """
        delivered = [
            (message, delivery(message).count == 1, WorkItem(stored(message), span))
            for message, span in zip(messages, spans, strict=True)
        ]
        for first_time in (True, False):
            group = [(message, item) for message, is_first, item in delivered if is_first is first_time]
            if not group:
                continue
            dispositions = await self.answer(client, [item for _, item in group], first_time=first_time)
            for (message, _), disposition in zip(group, dispositions, strict=True):
                if disposition is not Disposition.UNSETTLED:
                    await message.ack()

    async def answer(
        self, client: Client, items: Sequence[WorkItem], *, first_time: bool
    ) -> list[Disposition]:
        """What became of each request, in order. Decides again if a newer control is stored meanwhile.

        first_time: no request was delivered before. Raises Retryable, Refused, Fatal.
        """
        while True:
            known = self._in_force
            try:
                return await self._decide_and_store(client, items, known, first_time=first_time)
            except Stale:
                async with self._lock:
                    if self._in_force is known:
                        await self._follow_controls(client)

    async def _decide_and_store(
        self, client: Client, items: Sequence[WorkItem], known: InForce, *, first_time: bool
    ) -> list[Disposition]:
        newest = moment(max(item.stored.time_ns for item in items))
        now = self._clock.batch_time(datetime.now(UTC), newest)
        if now is None:
            return [Disposition.UNSETTLED] * len(items)
        clock = running_from(now)
        outcomes = dict(enumerate(self._engine.decide(items, known, clock, self._spans)))
        verdicts = {at: each for at, each in outcomes.items() if isinstance(each, SignedVerdict)}
        holds = {at: each for at, each in outcomes.items() if isinstance(each, Hold)}
        await wait_until(max((each.release_time for each in verdicts.values()), default=clock()), clock)
        parents = [items[at].span for at in verdicts]
        async with self._lock:
            is_stored = await self._store(
                client, list(verdicts.values()), parents, known.slot, first_time=first_time
            )
        dispositions = [Disposition.HELD] * len(items)
        for at, has_verdict in zip(verdicts, is_stored, strict=True):
            dispositions[at] = Disposition.ANSWERED if has_verdict else Disposition.UNSETTLED
        for at in await self._hold(client, items, holds):
            dispositions[at] = Disposition.ANSWERED
        return dispositions

    async def _store(
        self,
        client: Client,
        verdicts: Sequence[SignedVerdict],
        parents: Sequence[Span],
        control_n: int,
        *,
        first_time: bool,
    ) -> list[bool]:
        """Stores the verdicts unless control `control_n + 1` exists -> as `store_verdicts`. Raises Stale."""
        spans = [
            self._spans.send("verdict", verdict.request_id, parent)
            for verdict, parent in zip(verdicts, parents, strict=True)
        ]
        outgoing = [
            Outgoing(verdict.subject, verdict.body, header(span))
            for verdict, span in zip(verdicts, spans, strict=True)
        ]
        try:
            empty_slot = self._subjects.control(control_n + 1)
            return await store_verdicts(
                client, outgoing, empty_slot, first_time=first_time, on_stored=self._on_stored
            )
        finally:
            end_all(spans)

    async def _hold(self, client: Client, items: Sequence[WorkItem], holds: dict[int, Hold]) -> set[int]:
        """Lists the requests under a hold -> places of those that had a verdict already. Raises Unreachable.

        holds: by place in `items`. A request with a verdict from before the hold is delivered again if its
        delivery was not acknowledged.
        """
        found = await asyncio.gather(*(self._has_verdict(client, items[at].stored) for at in holds))
        answered = {at for at, has_verdict in zip(holds, found, strict=True) if has_verdict}
        held = [
            HeldRequest(items[at].stored.sequence, hold.slot, items[at].stored.time_ns)
            for at, hold in holds.items()
            if at not in answered
        ]
        if held:
            self._held.add(held)
            log.info("requests wait under a hold", extra={"count": len(held)})
        return answered

    async def _has_verdict(self, client: Client, request: Stored) -> bool:
        address = self._subjects.parse(request.subject)
        subject = self._subjects.verdict(address.agency, verdict_token(address.token, request.sequence))
        return await get_by_subject(client, self._subjects.stream, subject) is not None

    async def resume(self, client: Client) -> int:
        """Decides some requests whose hold was lifted -> how many are answered or under another hold.

        Raises as `answer`.
        """
        async with self._lock:
            # Also when nothing is held: a shredded key must be dropped before the next request comes.
            await self._follow_controls(client)
        held = self._held.resumable([hold.slot for hold in self._in_force.holds], MAX_BATCH)
        items = await self._read_again(client, held)
        if not items:
            return 0
        try:
            dispositions = await self.answer(client, items, first_time=True)
        finally:
            end_all(item.span for item in items)
        answered = [
            item.stored.sequence
            for item, disposition in zip(items, dispositions, strict=True)
            if disposition is Disposition.ANSWERED
        ]
        self._held.remove(answered)
        return len(items) - dispositions.count(Disposition.UNSETTLED)

    async def _read_again(self, client: Client, held: Sequence[HeldRequest]) -> list[WorkItem]:
        calls = (get_by_sequence(client, self._subjects.stream, request.sequence) for request in held)
        now = datetime.now(UTC)
        return [
            WorkItem(
                found,
                self._spans.process(found.subject, found.traceparent),
                now - moment(request.since_ns),
            )
            for request, found in zip(held, await asyncio.gather(*calls), strict=True)
            if found is not None
        ]

    async def rebuild_held(self, client: Client) -> None:
        """Completes a new list of held requests from the stream. Raises Unreachable."""
        if self._held.is_complete:
            return
        found = await find_unanswered(client, self._subjects)
        self._held.add_missing(found)
        self._held.mark_complete()
        if found:
            log.warning("the list of waiting requests was rebuilt", extra={"count": len(found)})

    async def _follow_controls(self, client: Client) -> None:
        in_force = self._in_force
        async for control in newer_controls(client, in_force, self._versions, self._subjects):
            log_control(control)
            in_force = control.in_force
        if in_force.slot > self._in_force.slot and in_force.signed is not None:
            self._keyholder.follow(in_force)
        self._in_force = in_force

    @property
    def ring(self) -> KeyRing:
        """The keys in force, or those of the newest agreement before any control is known."""
        return (self._in_force.signed or self._versions.newest).ring

    async def check_clock(self) -> None:
        """Raises Retryable while nothing is decided because this machine's clock lags."""
        self._clock.require_not_behind(datetime.now(UTC))

    def status(self) -> dict[str, object]:
        """For /status: what is in force, and how many requests each hold keeps."""
        by_hold = self._held.by_hold()
        waiting = {"total": sum(by_hold.values()), "by_hold": by_hold, "complete": self._held.is_complete}
        return {**control_status(self._in_force), "waiting": waiting}

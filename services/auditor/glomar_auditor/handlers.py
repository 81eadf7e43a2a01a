"""The way of a stored message: delivered, recorded in the ledger, released to its agency; then queries.

No audit, no answer: nothing is released before the ledger holds it durably.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glomar_runtime.bus.broker import Bus
from glomar_runtime.bus.stream import Stored, get_by_subject, stored
from glomar_runtime.health import control_status
from glomar_runtime.service import Stop, stop_on_error
from glomar_runtime.telemetry.spans import Spans, handled_spans, header
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Refused, Retryable
from glomar_schemas.messages import NoticesQuery, ResultPending, ResultQuery, Sealed, encode
from glomar_schemas.subjects import Subjects
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from glomar_auditor.index.follower import Follower
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.recording.consistency import ConsistencyWatch
from glomar_auditor.recording.recorder import Recorder
from glomar_auditor.releasing.holds import Holds
from glomar_auditor.releasing.notices import AgencyNotices
from glomar_auditor.releasing.recalls import Recalls
from glomar_auditor.releasing.release import ReleaseWriter, SealedRelease
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.witnesses import WitnessRounds

log = logging.getLogger(__name__)

COMPARE_EVERY_S = 1.0
"""How often stream and ledger are compared; also the longest that a lost newest message stays unrecorded."""
VIOLATIONS_SHOWN = 100
"""In /status, the newest ones; the log has all."""


@dataclass(frozen=True, kw_only=True)
class AuditorHandlers:
    """What the auditor does with each message, in the order in which it happens."""

    bus: Bus
    stop: Stop
    subjects: Subjects
    ledger: Ledger
    watch: ConsistencyWatch
    recorder: Recorder
    holds: Holds
    recalls: Recalls
    writer: ReleaseWriter
    notices: AgencyNotices
    cosigned: CosignedCheckpoint
    witnesses: WitnessRounds | None
    follower: Follower
    spans: Spans

    async def on_stored(self, messages: list[Msg]) -> None:
        """A batch of the stream is delivered: it is recorded, then released, then acknowledged."""
        with stop_on_error(self.stop):
            delivered = [stored(message) for message in messages]
            spans = {message.sequence: span for message, span in zip(delivered, handled_spans(), strict=True)}
            await self._release(await self.recorder.record(self.bus.client, delivered), spans)
            if not self.watch.may_record:
                return
            # The acknowledgement only asks for more: the ledger's size says which message comes next.
            await messages[-1].ack()

    async def _release(self, recorded: Sequence[Stored], spans: dict[int, Span]) -> None:
        """Publishes what rests on newly recorded messages. spans: of their deliveries, by sequence."""
        client = self.bus.client
        for release in await self._releases(recorded):
            span = self.spans.send("release", release.request_id, spans.get(release.verdict_sequence))
            subject = self.subjects.release(release.agency, release.request_id)
            await client.publish(subject, encode(release.sealed), headers=header(span))
            span.end()
        if self.witnesses is not None:
            self.witnesses.wake()
        for agency, notice in await self.notices.pushes(client, recorded):
            await client.publish(self.subjects.notice(agency), encode(notice))
        self.follower.offer(recorded)

    async def _releases(self, recorded: Sequence[Stored]) -> list[SealedRelease]:
        """The releases of recorded verdicts that no recall, no hold and no halt withholds."""
        await self.recalls.note(self.bus.client, recorded, self.ledger.size)
        free = await self.holds.releasable(self.bus.client, recorded)
        # From here on nothing is awaited: a hold, a recall or a halt could come in between.
        free = self.recalls.not_recalled(free)
        return [] if self.watch.is_halted else self.writer.write(free, self.holds.in_force)

    async def on_result_query(self, agency: str, message: Msg) -> None:
        """Responds with the release of one verdict, or with ResultPending."""
        with _answering("result query"):
            query = decode(message.data, ResultQuery, what="result query")
            await message.respond(encode(await self._result(agency, query.request_id)))

    async def _result(self, agency: str, request_id: str) -> Sealed | ResultPending:
        pending = ResultPending(request_id=request_id)
        if self.watch.is_halted:
            return pending
        subject = self.subjects.verdict(agency, request_id)
        verdict = await get_by_subject(self.bus.client, self.subjects.stream, subject)
        if verdict is None or verdict.sequence > self.ledger.size or not self.watch.agrees(verdict):
            return pending
        releases = await self._releases([verdict])
        return releases[0].sealed if releases else pending

    async def on_notices_query(self, agency: str, message: Msg) -> None:
        """Responds with one page of the agency's notices."""
        with _answering("notices query"):
            query = decode(message.data, NoticesQuery, what="notices query")
            # While halted there is no response: a page says that no notice before its end is missing.
            if self.watch.may_record:
                page = await self.notices.page(self.bus.client, agency, query.after)
                await message.respond(encode(page))

    async def compare_for_ever(self) -> None:
        """Compares stream and ledger each second, and records what the consumer did not deliver."""
        size = -1
        while True:
            with stop_on_error(self.stop):
                last = await self.watch.compare(self.bus.client)
                self.stop.work_halted = self.watch.is_halted
                await self.holds.follow(self.bus.client)
                is_idle, size = self.ledger.size == size, self.ledger.size
                if is_idle and self.watch.may_record:
                    await self._release(await self.recorder.catch_up(self.bus.client, last), {})
            await asyncio.sleep(COMPARE_EVERY_S)

    async def be_witnessed(self) -> None:
        """Asks the witnesses, if the policy names any."""
        if self.witnesses is not None:
            with stop_on_error(self.stop):
                await self.witnesses.run()

    def status(self) -> dict[str, object]:
        """For /status."""
        violations = self.holds.violations
        return {
            "ledger_size": self.ledger.size,
            **control_status(self.holds.in_force),
            "witnesses": {
                "cosigned_size": self.cosigned.size,
                "each": self.witnesses.status() if self.witnesses else [],
            },
            **self.watch.status(),
            "violations": {"count": len(violations), "sequences": violations[-VIOLATIONS_SHOWN:]},
        }


@contextlib.contextmanager
def _answering(query: str) -> Iterator[None]:
    """An agency's query without a response is asked again by the agency."""
    try:
        yield
    except Refused as fault:
        log.info("query refused", extra={"where": query, "fault": fault.what})
    except Retryable as fault:
        log.warning("query not answered", extra={"where": query, "fault": fault.what})

"""The auditor's application: record every message, release verdicts, tell of recalls. Built by `serve`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from faststream.asgi import AsgiFastStream
from glomar_runtime.bus.broker import Bus
from glomar_runtime.bus.stream import Stored, get_by_subject, stored
from glomar_runtime.health import control_status, routes
from glomar_runtime.service import MountedApp, Stop, background, stop_on_error
from glomar_runtime.telemetry.spans import SpanMiddleware, Spans, handled_spans, header
from glomar_schemas.agreement.keyholder import Keyholder, key_files
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.crypto.dsse import Envelope
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Refused, Retryable
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Notice, NoticesQuery, ResultPending, ResultQuery, Sealed, encode
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import format_vkey, parse_vkey
from glomar_schemas.tlog.policy import load_policy
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from glomar_auditor.index.follower import Follower
from glomar_auditor.index.record import MessageReader
from glomar_auditor.ledger import tile_server as publication
from glomar_auditor.ledger.incarnations import log_keys, require_unfinished
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.ledger.view import LedgerView, ledger_keys, open_view
from glomar_auditor.recording.consistency import Watch
from glomar_auditor.recording.recorder import Recorder
from glomar_auditor.recording.stream_origin import OriginFile
from glomar_auditor.releasing.holds import Withholding
from glomar_auditor.releasing.notices import Noticing
from glomar_auditor.releasing.recalls import Recalls
from glomar_auditor.releasing.release import Releaser
from glomar_auditor.settings import AuditorSettings
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.witnesses import Witnesses

log = logging.getLogger(__name__)

COMPARE_EVERY_S = 1.0
"""How often stream and ledger are compared; also the longest that a lost newest message stays unrecorded."""
VIOLATIONS_SHOWN = 100
"""In /status, the newest ones; the log has all."""


def build_app(settings: AuditorSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Untrusted or IntegrityError before anything is served."""
    versions = load_versions(settings.agreement, load_trust(settings.trust))
    agreement = versions.newest.agreement
    subjects = Subjects(agreement.id, settings.incarnation)
    keyholder = Keyholder(agreement.oversight, key_files(settings.sealing_key))
    signer = read_signing_key(settings.ledger_key)
    origin = subjects.origin(agreement.oversight)
    require_unfinished(settings.ledger)
    ledger = Ledger.open(settings.ledger, signer, origin)
    log_key = parse_vkey(format_vkey(origin, signer.public_key()))
    cosigned = CosignedCheckpoint(ledger, settings.ledger, log_key)
    witnesses = Witnesses(ledger, load_policy(settings.policy), cosigned) if settings.policy else None
    ring = versions.newest.ring.ledger_keys(agreement.oversight)
    predecessor = log_keys(subjects.predecessor, agreement.oversight, ring)
    watch = Watch(ledger, subjects, OriginFile(settings.ledger, subjects.stream), predecessor)
    recorder = Recorder(ledger, subjects, watch)
    withholding = Withholding(versions, subjects, keyholder)
    recalls = Recalls(subjects, withholding)
    releaser = Releaser(cosigned.receipt, subjects, keyholder.opener)
    noticing = Noticing(ledger, subjects, withholding, agreement.requesters)

    def view() -> LedgerView:
        signed = withholding.in_force.signed or versions.newest
        return open_view(settings.ledger, ledger_keys(signed, subjects))

    reading = MessageReader(subjects, keyholder.opener)
    follower = Follower(settings.index_file, origin, subjects.stream, reading, view)
    spans = Spans(subjects, "auditor")
    bus = Bus(settings, "glomar-auditor")

    @bus.durable(
        subjects,
        consumer="auditor",
        carries=Envelope,
        description="Every stored message, in stream order, into the ledger.",
    )
    async def record(messages: list[Msg]) -> None:
        with stop_on_error(stop):
            arrived = [stored(message) for message in messages]
            opened = {message.sequence: span for message, span in zip(arrived, handled_spans(), strict=True)}
            await release(await recorder.record(bus.client, arrived), opened)
            if not watch.may_record:
                return
            # Only the flow rests on it: the next message is what the ledger lacks, whatever was acknowledged.
            await messages[-1].ack()

    bus.publishes(
        subjects.template("release"),
        carries=Sealed,
        description="A verdict with its receipt, sealed to its agency.",
    )

    bus.publishes(
        subjects.template("notice"),
        carries=Notice,
        description="A control or a recall that concerns the agency, with its receipt.",
    )

    for agency in agreement.requesters:

        @bus.core(
            subjects.notices(agency),
            carries=NoticesQuery,
            description="The notices behind a stream sequence, oldest first, in pages.",
        )
        async def notices(message: Msg, agency: str = agency) -> None:
            try:
                query = decode(message.data, NoticesQuery, what="notices query")
                if not watch.may_record:
                    # A page would say that nothing is missing up to here, and the stream can't vouch for it.
                    return
                await message.respond(encode(await noticing.page(bus.client, agency, query.after)))
            except Refused as fault:
                log.info("notices query refused", extra={"fault": fault.what})
            except Retryable as fault:
                log.warning("notices query not answered", extra={"fault": fault.what})

        @bus.core(
            subjects.result(agency),
            carries=ResultQuery,
            description="The release of one verdict again, at any time; ResultPending before it is recorded.",
        )
        async def result(message: Msg, agency: str = agency) -> None:
            try:
                query = decode(message.data, ResultQuery, what="result query")
                await message.respond(encode(await released(agency, query.request_id)))
            except Refused as fault:
                log.info("result query refused", extra={"fault": fault.what})
            except Retryable as fault:
                log.warning("result query not answered", extra={"fault": fault.what})

    async def released(agency: str, request_id: str) -> Sealed | ResultPending:
        pending = ResultPending(request_id=request_id)
        if watch.halted:
            return pending
        verdict = await get_by_subject(bus.client, subjects.stream, subjects.verdict(agency, request_id))
        if verdict is not None and verdict.sequence <= ledger.size and watch.agrees(verdict):
            await recalls.note(bus.client, [], ledger.size)
            free = await withholding.releasable(bus.client, recalls.standing([verdict]))
            for found in [] if watch.halted else releaser.releases(free, withholding.in_force):
                return found.sealed
        return pending

    async def release(recorded: list[Stored], opened: dict[int, Span]) -> None:
        await recalls.note(bus.client, recorded, ledger.size)
        free = recalls.standing(await withholding.releasable(bus.client, recorded))
        for found in [] if watch.halted else releaser.releases(free, withholding.in_force):
            span = spans.send("release", found.request_id, opened.get(found.verdict_sequence))
            subject = subjects.release(found.agency, found.request_id)
            await bus.client.publish(subject, encode(found.sealed), headers=header(span))
            span.end()
        if witnesses is not None:
            witnesses.wake()
        for agency, told in await noticing.pushes(bus.client, recorded):
            await bus.client.publish(subjects.notice(agency), encode(told))
        follower.offer(recorded)

    def status() -> dict[str, object]:
        violations = withholding.violations
        return {
            "ledger_size": ledger.size,
            **control_status(withholding.in_force),
            "witnesses": {
                "cosigned_size": cosigned.size,
                "each": witnesses.status() if witnesses else [],
            },
            **watch.shown,
            "violations": {"count": len(violations), "sequences": violations[-VIOLATIONS_SHOWN:]},
        }

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            ledger.close()
            follower.close()

    app = MountedApp(
        bus,
        lifespan=lifespan,
        asgi_routes=routes(bus, subjects, agreement.oversight, status=status, checks={"stream": watch.check}),
        logger=None,
        mounts={publication.PREFIX: publication.Publication(settings.ledger)},
    )

    async def compare() -> None:
        size = -1
        while True:
            with stop_on_error(stop):
                last = await watch.compare(bus.client)
                stop.work_halted = watch.halted
                await withholding.follow(bus.client)
                idle, size = ledger.size == size, ledger.size
                if idle and watch.may_record:
                    await release(await recorder.catch_up(bus.client, last), {})
            await asyncio.sleep(COMPARE_EVERY_S)

    async def be_witnessed() -> None:
        if witnesses is not None:
            with stop_on_error(stop):
                await witnesses.run()

    background(app, compare)
    background(app, be_witnessed)
    background(app, lambda: follower.run(lambda: bus.client))
    bus.add_middleware(SpanMiddleware.of(spans))
    return app, bus

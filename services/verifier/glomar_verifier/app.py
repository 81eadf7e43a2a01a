"""The verifier's application: pull requests, decide, store one verdict each, acknowledge. For `serve`."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from faststream.asgi import AsgiFastStream
from glomar_runtime.bus import Bus
from glomar_runtime.delivery import Delivery, Stored, delivery, moment
from glomar_runtime.health import routes
from glomar_runtime.service import Stop
from glomar_runtime.telemetry import SpanMiddleware, Spans, end_all, handled_spans, traceparent
from glomar_schemas.agreement import load_agreement, load_trust
from glomar_schemas.batch import Outgoing
from glomar_schemas.controls import InForce
from glomar_schemas.envelope import Signer
from glomar_schemas.errors import Fatal, Refused, Retryable
from glomar_schemas.keys import key_id, read_sealing_key, read_secret, read_signing_key
from glomar_schemas.messages import Request, Verdict
from glomar_schemas.sealing import Opener
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from glomar_verifier.clock import Clock
from glomar_verifier.control import catch_up
from glomar_verifier.counts import Counts
from glomar_verifier.desk import Desk
from glomar_verifier.outbox import Stale, store_verdicts
from glomar_verifier.register.sqlite import open_register
from glomar_verifier.rules import load_rules
from glomar_verifier.settings import VerifierSettings
from glomar_verifier.tags import Tagger

log = logging.getLogger(__name__)


class _Work(Struct, frozen=True):
    """One delivered request, with its process span."""

    message: Msg
    delivery: Delivery
    span: Span

    @property
    def stored(self) -> Stored:
        return Stored(self.delivery.sequence, self.delivery.time_ns, self.message.subject, self.message.data)


def build_app(settings: VerifierSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Malformed or Untrusted before anything is served."""
    signed = load_agreement(settings.agreement, load_trust(settings.trust))
    signed.require_in_force(datetime.now(UTC))
    agreement = signed.agreement
    subjects = Subjects(agreement.id, settings.incarnation)
    rules = load_rules()
    sealing_key = read_sealing_key(settings.sealing_key)
    counts = Counts(settings.counts, window_days=agreement.limits.window_days)
    desk = Desk(
        signed,
        subjects,
        rules=rules,
        register=open_register(settings.register, rules),
        counts=counts,
        tagger=Tagger(read_secret(settings.tag_key), where=str(settings.tag_key)),
        opener=Opener({key_id(sealing_key.public_key()): sealing_key}),
        signer=Signer(read_signing_key(settings.signing_key)),
        version=f"glomar-verifier/{version('glomar-verifier')} {rules.label}",
    )
    bus = Bus(settings, "glomar-verifier")
    spans = Spans(subjects, "verifier")
    clock = Clock()
    in_force = InForce()

    bus.publishes(
        subjects.template("verdict"),
        carries=Verdict,
        description="The one signed verdict to each request, stored in atomic batches behind the fence.",
    )

    @bus.durable(
        subjects,
        consumer="verifier",
        carries=Request,
        description="Signed requests, their particulars sealed to the record holder.",
    )
    async def answer(messages: list[Msg]) -> None:
        work = [
            _Work(message, delivery(message), span)
            for message, span in zip(messages, handled_spans(), strict=True)
        ]
        try:
            for first_time in (True, False):
                if group := [item for item in work if (item.delivery.count == 1) is first_time]:
                    await answer_group(group, first_time=first_time)
        except Retryable as fault:
            # Not acknowledged: the stream delivers them again.
            log.warning("will be decided later", extra={"fault": fault.what, "count": len(work)})
        except Fatal as fault:
            stop.because(fault)
        except Refused as fault:
            stop.because(fault)

    async def answer_group(group: Sequence[_Work], *, first_time: bool) -> None:
        nonlocal in_force
        while True:
            now = clock.now(datetime.now(UTC), moment(max(item.delivery.time_ns for item in group)))
            decided = desk.decide(
                [item.stored for item in group], in_force.slot, now, spans, [item.span for item in group]
            )
            sending = [
                spans.send("verdict", verdict.request_id, item.span)
                for verdict, item in zip(decided, group, strict=True)
            ]
            outgoing = [
                Outgoing(verdict.subject, verdict.body, traceparent(span))
                for verdict, span in zip(decided, sending, strict=True)
            ]
            try:
                empty_slot = subjects.control(in_force.slot + 1)
                stand = await store_verdicts(bus.client, outgoing, empty_slot, first_time=first_time)
            except Stale:
                in_force = await catch_up(bus.client, in_force, signed, subjects)
                continue
            finally:
                end_all(sending)
            for item, stands in zip(group, stand, strict=True):
                if stands:
                    await item.message.ack()
            return

    app = AsgiFastStream(
        bus,
        asgi_routes=routes(bus, subjects, agreement.holder),
        logger=None,
    )

    @app.on_startup
    async def follow_controls() -> None:
        nonlocal in_force
        await bus.connect()
        in_force = await catch_up(bus.client, in_force, signed, subjects)
        if in_force.slot == 0:
            raise Retryable("no agreement has been put in force on this stream yet", where=subjects.stream)

    @app.after_shutdown
    async def close() -> None:
        counts.close()

    bus.add_middleware(SpanMiddleware.of(spans))
    return app, bus

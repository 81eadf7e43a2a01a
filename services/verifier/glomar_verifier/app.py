"""The verifier's application: pull requests, decide, store one verdict each, acknowledge. For `serve`."""

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
from faststream.asgi import AsgiFastStream
from glomar_runtime.bus.broker import Bus
from glomar_runtime.bus.stream import delivery, stored
from glomar_runtime.health import routes
from glomar_runtime.service import Stop, background, stop_on_error
from glomar_runtime.telemetry.spans import SpanMiddleware, Spans, handled_spans
from glomar_schemas.agreement.keyholder import Keyholder
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import read_secret, read_signing_key
from glomar_schemas.messages import Request, Verdict
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.inclusion_watch import InclusionStatus
from nats.aio.msg import Msg

from glomar_verifier.decisions.decide import Desk, Work
from glomar_verifier.decisions.held_requests import Waiting
from glomar_verifier.decisions.ledger_watch import open_own
from glomar_verifier.decisions.publish import unheard
from glomar_verifier.decisions.verdict_writer import Clerk
from glomar_verifier.decisions.worker import Fate, Worker
from glomar_verifier.epochs.files import EpochFiles
from glomar_verifier.holder_lists.case_roll import Rolls
from glomar_verifier.holder_lists.veto import VetoList
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.quotas.counts import Counts
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.register.open import open_place
from glomar_verifier.settings import VerifierSettings

RESUME_EVERY_S = 1.0
"""How soon after a hold was lifted its requests go on, where none waits in line already."""
REFRESH_EVERY_S = 1.0
"""How soon a register or a roll that was put in place anew is looked at."""


def build_app(settings: VerifierSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Malformed or Untrusted before anything is served."""
    versions = load_versions(settings.agreement, load_trust(settings.trust))
    versions.in_force(datetime.now(UTC))
    agreement = versions.newest.agreement
    subjects = Subjects(agreement.id, settings.incarnation)
    rules = load_rules()
    epochs = EpochFiles(settings.epochs, (settings.custodian_a, settings.custodian_b))
    # Which of them are needed, the controls say; those that are there must be sound.
    epochs.records()
    keyholder = Keyholder(agreement.holder, epochs.load)
    counts = Counts(settings.counts, window_days=agreement.limits.window_days)
    rolls = Rolls(settings.rolls, agreement.requesters)
    register = open_place(settings.register, rules)
    desk = Desk(
        versions,
        subjects,
        rules=rules,
        register=register,
        counts=counts,
        rolls=rolls,
        veto=VetoList(settings.veto),
        tagger=Tagger(read_secret(settings.tag_key), where=str(settings.tag_key)),
        opener=keyholder.opener,
        clerk=Clerk(
            subjects,
            Signer(read_signing_key(settings.signing_key)),
            f"glomar-verifier/{version('glomar-verifier')} {rules.label}",
        ),
    )
    bus = Bus(settings, "glomar-verifier")
    spans = Spans(subjects, "verifier")
    waiting = Waiting(settings.waiting)
    own = open_own(settings, versions, subjects, lambda: worker.ring)
    worker = Worker(versions, subjects, desk, keyholder, waiting, spans, own.acknowledged if own else unheard)

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
        spans_of = zip(messages, handled_spans(), strict=True)
        work = [(message, delivery(message).count, Work(stored(message), span)) for message, span in spans_of]
        with stop_on_error(stop):
            for first_time in (True, False):
                group = [(message, item) for message, count, item in work if (count == 1) is first_time]
                if group:
                    items = [item for _, item in group]
                    fates = await worker.answer(bus.client, items, first_time=first_time)
                    for (message, _), fate in zip(group, fates, strict=True):
                        if fate is not Fate.UNSETTLED:
                            await message.ack()

    async def resume() -> None:
        while True:
            resumed = 0
            with stop_on_error(stop):
                await worker.rebuild(bus.client)
                resumed = await worker.resume(bus.client)
            if not resumed:
                await asyncio.sleep(RESUME_EVERY_S)

    async def refresh() -> None:
        while True:
            await asyncio.sleep(REFRESH_EVERY_S)
            await asyncio.to_thread(rolls.refresh)
            await asyncio.to_thread(register.open_replacement)
            # Here and not in a thread: nothing may be looked up meanwhile.
            register.use_replacement()

    def status() -> dict[str, object]:
        standing = own.standing if own else InclusionStatus()
        return {**worker.status(), "ledger": msgspec.to_builtins(standing)}

    app = AsgiFastStream(
        bus,
        asgi_routes=routes(
            bus, subjects, agreement.holder, status=status, checks={"clock": worker.check_clock}
        ),
        logger=None,
    )

    @app.on_startup
    async def follow_controls() -> None:
        await bus.connect()
        await worker.start(bus.client)

    background(app, resume)
    background(app, refresh)
    if own is not None:
        background(app, own.watch)

    @app.after_shutdown
    async def close() -> None:
        counts.close()
        waiting.close()
        register.close()
        if own is not None:
            own.close()

    bus.add_middleware(SpanMiddleware.of(spans))
    return app, bus

"""Composes the verifier's service. The way of a request is in `decisions.worker`."""

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
from faststream.asgi import AsgiFastStream
from glomar_runtime.bus.broker import Bus
from glomar_runtime.health import routes
from glomar_runtime.service import Stop, background, stop_on_error
from glomar_runtime.telemetry.spans import SpanMiddleware, Spans, handled_spans
from glomar_schemas.agreement.keyholder import Keyholder
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import read_secret, read_signing_key
from glomar_schemas.messages import Request, Verdict
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.inclusion_watch import InclusionStatus
from nats.aio.msg import Msg

from glomar_verifier.decisions.decide import DecisionEngine
from glomar_verifier.decisions.held_requests import HeldRequests
from glomar_verifier.decisions.ledger_watch import VerifierLedgerWatch, open_ledger_watch
from glomar_verifier.decisions.store_verdicts import ignore_stored
from glomar_verifier.decisions.verdict_writer import VerdictWriter
from glomar_verifier.decisions.worker import Worker
from glomar_verifier.epochs.files import EpochFiles
from glomar_verifier.holder_lists.case_roll import CaseRolls
from glomar_verifier.holder_lists.veto import VetoList
from glomar_verifier.matching.rules import Rules, load_rules
from glomar_verifier.quotas.counts import Counts
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.register import LiveRegister
from glomar_verifier.register.open import open_place
from glomar_verifier.settings import VerifierSettings

RESUME_EVERY_S = 1.0
"""Pause before the next search for held requests, if the last one found none to resume."""
REFRESH_EVERY_S = 1.0
"""Pause between two checks for a new register or case roll."""


def build_app(settings: VerifierSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Malformed or Untrusted before anything is served."""
    versions = settings.load_versions()
    versions.in_force(datetime.now(UTC))
    agreement = versions.newest.agreement
    subjects = Subjects(agreement.id, settings.incarnation)
    rules = load_rules()
    keyholder = _open_epochs(settings, agreement.holder)
    counts = Counts(settings.counts, window_days=agreement.limits.window_days)
    rolls = CaseRolls(settings.rolls, agreement.requesters)
    register = open_place(settings.register, rules)
    engine = _build_engine(settings, versions, subjects, rules, keyholder, counts, rolls, register)
    bus, spans = Bus(settings, "glomar-verifier"), Spans(subjects, "verifier")
    held = HeldRequests(settings.waiting)
    watch = open_ledger_watch(settings, versions, subjects, lambda: worker.ring)
    on_stored = watch.on_stored if watch else ignore_stored
    worker = Worker(versions, subjects, engine, keyholder, held, spans, on_stored)
    _subscribe(bus, subjects, worker, stop)
    app = _http_app(bus, subjects, agreement.holder, worker, watch)

    @app.on_startup
    async def start() -> None:
        await bus.connect()
        await worker.start(bus.client)

    background(app, lambda: _resume_held_requests(bus, worker, stop))
    background(app, lambda: _refresh_lists(rolls, register))
    if watch is not None:
        background(app, watch.watch)

    @app.after_shutdown
    async def close() -> None:
        for resource in (counts, held, register, watch):
            if resource is not None:
                resource.close()

    bus.add_middleware(SpanMiddleware.of(spans))
    return app, bus


def _open_epochs(settings: VerifierSettings, holder: str) -> Keyholder:
    epochs = EpochFiles(settings.epochs, (settings.custodian_a, settings.custodian_b))
    # The controls say which keys are needed; those that exist must be readable.
    epochs.records()
    return Keyholder(holder, epochs.load)


def _build_engine(
    settings: VerifierSettings,
    versions: Versions,
    subjects: Subjects,
    rules: Rules,
    keyholder: Keyholder,
    counts: Counts,
    rolls: CaseRolls,
    register: LiveRegister,
) -> DecisionEngine:
    return DecisionEngine(
        versions,
        subjects,
        rules=rules,
        register=register,
        counts=counts,
        rolls=rolls,
        veto=VetoList(settings.veto),
        tagger=Tagger(read_secret(settings.tag_key), where=str(settings.tag_key)),
        opener=keyholder.opener,
        writer=VerdictWriter(
            subjects,
            Signer(read_signing_key(settings.signing_key)),
            f"glomar-verifier/{version('glomar-verifier')} {rules.label}",
        ),
    )


def _subscribe(bus: Bus, subjects: Subjects, worker: Worker, stop: Stop) -> None:
    bus.publishes(
        subjects.template("verdict"),
        carries=Verdict,
        description="The one signed verdict to each request, stored in atomic batches under the fence.",
    )

    @bus.durable(
        subjects,
        consumer="verifier",
        carries=Request,
        description="Signed requests, their particulars sealed to the record holder.",
    )
    async def answer(messages: list[Msg]) -> None:
        with stop_on_error(stop):
            await worker.handle_delivery(bus.client, messages, handled_spans())


def _http_app(
    bus: Bus, subjects: Subjects, holder: str, worker: Worker, watch: VerifierLedgerWatch | None
) -> AsgiFastStream:
    def status() -> dict[str, object]:
        ledger = watch.status if watch else InclusionStatus()
        return {**worker.status(), "ledger": msgspec.to_builtins(ledger)}

    health = routes(bus, subjects, holder, status=status, checks={"clock": worker.check_clock})
    return AsgiFastStream(bus, asgi_routes=health, logger=None)


async def _resume_held_requests(bus: Bus, worker: Worker, stop: Stop) -> None:
    while True:
        resumed = 0
        with stop_on_error(stop):
            await worker.rebuild_held(bus.client)
            resumed = await worker.resume(bus.client)
        if not resumed:
            await asyncio.sleep(RESUME_EVERY_S)


async def _refresh_lists(rolls: CaseRolls, register: LiveRegister) -> None:
    while True:
        await asyncio.sleep(REFRESH_EVERY_S)
        await asyncio.to_thread(rolls.refresh)
        await asyncio.to_thread(register.open_replacement)
        # On the event loop, not in a thread: no lookup may run meanwhile.
        register.use_replacement()

"""Composes the auditor from its settings: components, subscribers, routes, background tasks."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

from faststream.asgi import AsgiFastStream
from glomar_runtime.bus.broker import Bus
from glomar_runtime.health import routes
from glomar_runtime.service import MountedApp, Stop, background
from glomar_runtime.telemetry.spans import SpanMiddleware, Spans
from glomar_schemas.agreement.keyholder import Keyholder, key_files
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import Envelope
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Notice, NoticesQuery, ResultQuery, Sealed
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import format_vkey, parse_vkey
from glomar_schemas.tlog.policy import load_policy

from glomar_auditor.handlers import AuditorHandlers
from glomar_auditor.index.follower import Follower
from glomar_auditor.index.record import MessageReader
from glomar_auditor.ledger.incarnations import log_keys, require_unfinished
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.ledger.tile_server import PREFIX, TileServer
from glomar_auditor.ledger.view import LedgerView, ledger_keys, open_view
from glomar_auditor.recording.consistency import ConsistencyWatch, OriginFile
from glomar_auditor.recording.recorder import Recorder
from glomar_auditor.releasing.holds import Holds
from glomar_auditor.releasing.notices import AgencyNotices
from glomar_auditor.releasing.recalls import Recalls
from glomar_auditor.releasing.release import ReleaseWriter
from glomar_auditor.settings import AuditorSettings
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.witnesses import WitnessRounds


def build_app(settings: AuditorSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Untrusted or IntegrityError before anything is served."""
    versions = settings.load_versions()
    agreement = versions.newest.agreement
    handlers = _handlers(settings, stop, versions)
    bus, subjects = handlers.bus, handlers.subjects
    _subscribe(handlers, agreement.requesters)
    checks = {"stream": handlers.watch.check}
    app = MountedApp(
        bus,
        lifespan=partial(_closing, handlers),
        asgi_routes=routes(bus, subjects, agreement.oversight, status=handlers.status, checks=checks),
        logger=None,
        mounts={PREFIX: TileServer(settings.ledger)},
    )
    background(app, handlers.compare_for_ever)
    background(app, handlers.be_witnessed)
    background(app, lambda: handlers.follower.run(lambda: bus.client))
    bus.add_middleware(SpanMiddleware.of(handlers.spans))
    return app, bus


def _handlers(settings: AuditorSettings, stop: Stop, versions: Versions) -> AuditorHandlers:
    """The components, from the ledger up. Raises as build_app."""
    agreement, ring = versions.newest.agreement, versions.newest.ring
    subjects = Subjects(agreement.id, settings.incarnation)
    origin = subjects.origin(agreement.oversight)
    keyholder = Keyholder(agreement.oversight, key_files(settings.sealing_key))
    signer = read_signing_key(settings.ledger_key)
    require_unfinished(settings.ledger)
    ledger = Ledger.open(settings.ledger, signer, origin)
    log_key = parse_vkey(format_vkey(origin, signer.public_key()))
    cosigned = CosignedCheckpoint(ledger, settings.ledger, log_key)
    predecessor = log_keys(subjects.predecessor, agreement.oversight, ring.ledger_keys(agreement.oversight))
    watch = ConsistencyWatch(ledger, subjects, OriginFile(settings.ledger, subjects.stream), predecessor)
    holds = Holds(versions, subjects, keyholder)

    def view() -> LedgerView:
        signed = holds.in_force.signed or versions.newest
        return open_view(settings.ledger, ledger_keys(signed, subjects))

    reader = MessageReader(subjects, keyholder.opener)
    return AuditorHandlers(
        bus=Bus(settings, "glomar-auditor"),
        stop=stop,
        subjects=subjects,
        ledger=ledger,
        watch=watch,
        recorder=Recorder(ledger, subjects, watch),
        holds=holds,
        recalls=Recalls(subjects, holds),
        writer=ReleaseWriter(cosigned.receipt, subjects, keyholder.opener),
        notices=AgencyNotices(ledger, subjects, holds, agreement.requesters),
        cosigned=cosigned,
        witnesses=WitnessRounds(ledger, load_policy(settings.policy), cosigned) if settings.policy else None,
        follower=Follower(settings.index_file, origin, subjects.stream, reader, view),
        spans=Spans(subjects, "auditor"),
    )


def _subscribe(handlers: AuditorHandlers, agencies: Sequence[str]) -> None:
    bus, subjects = handlers.bus, handlers.subjects
    bus.durable(
        subjects,
        consumer="auditor",
        carries=Envelope,
        description="Every stored message, in stream order, into the ledger.",
    )(handlers.on_stored)
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
    for agency in agencies:
        bus.core(
            subjects.notices(agency),
            carries=NoticesQuery,
            description="The notices after a stream sequence, oldest first, in pages.",
        )(partial(handlers.on_notices_query, agency))
        bus.core(
            subjects.result(agency),
            carries=ResultQuery,
            description="The release of one verdict again, at any time; ResultPending before it is recorded.",
        )(partial(handlers.on_result_query, agency))


@contextlib.asynccontextmanager
async def _closing(handlers: AuditorHandlers) -> AsyncIterator[None]:
    try:
        yield
    finally:
        handlers.ledger.close()
        handlers.follower.close()

"""`glomar demo`: lawful and unlawful requests about synthetic people, then a check of every promise.

The check does not rely on what the services report: it counts verdicts in the ledger, and it fetches and
verifies the answers that it shows.
"""

import asyncio
import contextlib
import csv
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from glomar_requester.identity import Identity
from glomar_requester.verification.release import Proven
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Misconfigured, Unreachable
from msgspec import Struct
from nats.aio.client import Client

from glomar_local import ports
from glomar_local.demo import answers, hostile, population
from glomar_local.demo.ledger_count import AuditedLedger, audit
from glomar_local.demo.report import DemoReport, DemoRow
from glomar_local.layout import Layout
from glomar_local.provision.provision import System, provision
from glomar_local.system import runfile
from glomar_local.system.open_bus import connected
from glomar_local.system.process import program
from glomar_local.system.supervisor import environment, running
from glomar_local.traces.store import TraceStore
from glomar_local.traces.tree import TraceSpan, services

HOSTILE_SHARE = 50
"""One request in this many has a forged signature, and one in this many is no message."""
HOSTILE_LIMIT_S = 30.0
TRACE_LIMIT_S = 5.0
TRACE_SERVICES = 3

Say = Callable[[str], None]


class DemoPlan(Struct, frozen=True):
    """Rows of a request file, each with `truth` and `klass`, and the numbers of hostile requests."""

    rows: Sequence[dict[str, str]]
    forged: int
    malformed: int


def plan(number: int, today: date) -> DemoPlan:
    """A plan of `number` requests in all."""
    each = number // HOSTILE_SHARE or (1 if number >= 10 else 0)
    return DemoPlan(population.make_requests(number - 2 * each, today), each, each)


def _require_allowed(number: int, agreement: Agreement) -> None:
    """Raises Misconfigured above the agreement's daily limit: refusals by quota would look like faults."""
    most = agreement.limits.requests_per_day
    if most is not None and number > most:
        raise Misconfigured(
            f"the agreement allows at most {most} requests a day",
            where="--requests",
            fix=f"Give {most} or less",
        )


async def run(layout: Layout, number: int, say: Say) -> DemoReport:
    """Runs the whole demo in a data directory. Raises GlomarError if it can't run."""
    started = time.monotonic()
    with runfile.claim(layout) as lock:
        system = provision(layout, ports.free())
        _require_allowed(number, system.agreement)
        population.make_register(layout, system.agreement, None)
        population.make_rolls(layout, system.agreement)
        planned = plan(number, population.today(system.agreement))
        say(f"{population.PEOPLE} synthetic people, {number} requests about them")
        async with running(system, lock, say) as supervisor:
            say(f"bus, auditor, verifier and requester run in {layout.root}")
            return await supervisor.alongside(_ask_and_check(system, planned, started, say))


async def _ask_and_check(system: System, planned: DemoPlan, started: float, say: Say) -> DemoReport:
    identity = answers.identity_of(system)
    async with connected(system, system.agency) as bus:
        asking = time.monotonic()
        hostile_requests = hostile.make(planned.forged, planned.malformed, identity)
        rows, refused = await asyncio.gather(
            _submit(system, planned.rows), _attack(bus, hostile_requests, identity)
        )
        answering_seconds = time.monotonic() - asking
        say("answered; verifying the ledger")
        audited = await asyncio.to_thread(audit, system.layout.ledger, system.log_key, system.subjects)
        rows += [_hostile_row(each, refused.get(each.request_id)) for each in hostile_requests]
        confirm = _first(rows, "confirm")
        return DemoReport(
            rows=rows,
            audited=audited,
            refusal=await _proof(bus, identity, audited, _first(rows, "refused")),
            confirm=await _proof(bus, identity, audited, confirm),
            trace=await _trace(system, confirm.trace_id) if confirm else [],
            seconds=time.monotonic() - started,
            answering_seconds=answering_seconds,
        )


async def _submit(system: System, planned: Sequence[dict[str, str]]) -> list[DemoRow]:
    """Submits the file with the command that an agency uses."""
    layout = system.layout
    asked, answered = layout.root / "demo-requests.csv", layout.root / "demo-results.csv"
    population.write_requests(planned, asked)
    submit = await asyncio.create_subprocess_exec(
        program("glomar-requester"),
        "submit", str(asked), "--wait", "--out", str(answered), "--config", str(layout.settings("requester")),
        "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=environment(system),
    )  # fmt: skip
    try:
        code = await submit.wait()
    finally:
        if submit.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                submit.terminate()
            await submit.wait()
    if not answered.exists():
        raise Unreachable(f"glomar-requester submit gave no results (exit code {code})", where=str(asked))
    return join(planned, _read(answered))


def join(planned: Sequence[dict[str, str]], results: dict[str, dict[str, str]]) -> list[DemoRow]:
    """Joins truth and outcome by reference. A request without a result is unanswered. Pure."""
    rows = []
    for asked in planned:
        result = results.get(asked["reference"], {})
        rows.append(
            DemoRow(
                klass=asked["klass"],
                expected=asked["truth"].partition(":")[0],
                outcome=result.get("outcome", "unanswered"),
                conditions=tuple(filter(None, result.get("refusals", "").split(";"))),
                request_id=result.get("request_id", ""),
                trace_id=result.get("trace_id", ""),
            )
        )
    return rows


def _read(results: Path) -> dict[str, dict[str, str]]:
    with results.open(encoding="utf-8", newline="") as file:
        return {row["reference"]: row for row in csv.DictReader(file)}


async def _attack(
    bus: Client, hostile_requests: Sequence[hostile.HostileRequest], identity: Identity
) -> dict[str, Proven]:
    await hostile.send(bus, hostile_requests, identity)
    digests = {each.request_id: each.digest for each in hostile_requests}
    return await answers.wait_for(bus, identity, digests, HOSTILE_LIMIT_S)


def _hostile_row(sent: hostile.HostileRequest, proven: Proven | None) -> DemoRow:
    if proven is None:
        return DemoRow(sent.klass, "refused", "unanswered", request_id=sent.request_id)
    conditions = tuple(refusal.condition for refusal in proven.result.refusals)
    return DemoRow(sent.klass, "refused", proven.result.outcome, conditions, sent.request_id)


def _first(rows: Sequence[DemoRow], outcome: str) -> DemoRow | None:
    """The row of this outcome with the most failed conditions."""
    found = [row for row in rows if row.outcome == outcome]
    return max(found, key=lambda row: len(row.conditions), default=None)


async def _proof(
    bus: Client, identity: Identity, audited: AuditedLedger, row: DemoRow | None
) -> Proven | None:
    digest = audited.counted.digests.get(row.request_id) if row else None
    if row is None or digest is None:
        return None
    return await answers.fetch(bus, identity, row.request_id, digest)


async def _trace(system: System, trace_id: str) -> list[TraceSpan]:
    """The trace's spans once all services have sent theirs, or those that arrived within the time limit."""
    store = TraceStore(system.layout.traces)
    deadline = time.monotonic() + TRACE_LIMIT_S
    try:
        while True:
            spans = store.spans(trace_id) if trace_id else []
            if len(services(spans)) >= TRACE_SERVICES or time.monotonic() > deadline:
                return spans
            await asyncio.sleep(answers.POLL_S)
    finally:
        store.close()

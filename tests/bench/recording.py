"""A real auditor and nats-server with entries at a fixed rate: what is recorded, and when receipts arrive.

Half of the entries are requests, half are verdicts, sealed and signed as the verifier does. Sending does not
wait for answers, so late receipts count in full.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from glomar_local import ports
from glomar_local.demo.answers import identity_of
from glomar_local.demo.ledger_count import audit
from glomar_local.layout import Layout
from glomar_local.provision.credentials import OPERATOR
from glomar_local.provision.provision import System, provision
from glomar_local.system.open_bus import connected
from glomar_requester.ask import RequestRecord
from glomar_requester.outgoing.compose import new_request_id
from glomar_requester.verification.release import open_release, verify_release
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Answer, Tags
from glomar_schemas.publish import Outgoing, store_atomically
from glomar_verifier.decisions.open_request import RequestRef
from glomar_verifier.decisions.verdict_writer import VerdictDraft, VerdictWriter
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.bench.figures import Cost, Failed
from tests.bench.processes import Meter
from tests.support.service_processes import BUS, Processes

REQUEST_BYTES = 3_250
"""The size of the product's requests (docs/performance.md)."""
TICK_S = 0.01
IN_FLIGHT = 20
CHECK_ONE_OF = 100
DRAIN_LIMIT_S = 120.0


class Recording(Struct, frozen=True):
    """offered: entries a second to store; waits_ms: from the stream's acknowledgement of an entry to its
    receipt at the agency, sorted; behind: entries not yet recorded when the last one was stored."""

    offered: int
    entries: int
    stored_s: float
    recorded_s: float
    behind: int
    waits_ms: list[float]
    costs: list[Cost]
    others: float


async def measure(rate: int, seconds: float, directory: Path) -> Recording:
    """Raises Failed if a receipt is missing or wrong, or the ledger does not verify afterwards."""
    system = provision(Layout(directory / "glomar"), ports.free())
    with Processes(system) as running:
        await asyncio.to_thread(running.start_bus)
        running.start("auditor")
        await asyncio.to_thread(running.until_ready, "auditor")
        found = await _Sender(system, running).run(rate, seconds)
        running.stop("auditor")
    audited = audit(system.layout.ledger, system.log_key, system.subjects)
    if (
        audited.report is None
        or audited.report.size != found.entries + 1
        or not audited.counted.is_one_to_one
    ):
        raise Failed(f"the ledger is not what was stored: {audited.fault or audited.report}")
    return found


class _Sender:
    def __init__(self, system: System, running: Processes) -> None:
        self._system, self._running = system, running
        self._identity = identity_of(system)
        signed, agency = system.signed, system.agency
        holder = signed.agreement.holder
        signer = Signer(read_signing_key(system.layout.private_key(holder, "sign")))
        self._writer = VerdictWriter(system.subjects, signer, "bench")
        self._in_force = InForce(slot=1, signed=signed)
        self._agency = agency
        self._filler = os.urandom(REQUEST_BYTES)
        self._digests: dict[str, str] = {}
        self._acknowledged: dict[str, float] = {}
        self._arrived: dict[str, float] = {}
        self._to_check: list[tuple[str, bytes]] = []
        self._last_stored = 0.0

    async def run(self, rate: int, seconds: float) -> Recording:
        system = self._system
        meter = Meter({"auditor": self._running.pid("auditor"), "nats-server": self._running.pid(BUS)})
        async with connected(system, OPERATOR) as operator, connected(system, self._agency) as agency:
            await agency.subscribe(system.subjects.release(self._agency), cb=self._on_release)
            await agency.flush()
            # Warm-up: connections, caches, first tiles.
            await self._send(operator, 200, 1.0)
            await self._all_released()
            self._acknowledged.clear()
            self._arrived.clear()
            warm = self._size()
            meter.start()
            started = time.perf_counter()
            await self._send(operator, rate, seconds)
            stored_s, entries = self._last_stored - started, 2 * len(self._acknowledged)
            behind = warm + entries - self._size()
            await self._all_released()
            recorded_s = max(self._arrived.values()) - started
            costs, others = await meter.read(entries)
        waits = sorted((at - self._acknowledged[key]) * 1000 for key, at in self._arrived.items())
        for request_id, body in self._to_check:
            self._check(request_id, body)
        total = warm + entries - 1
        return Recording(rate, total, stored_s, recorded_s, behind, waits, costs, others)

    async def _send(self, operator: Client, rate: int, seconds: float) -> None:
        """A batch each tick, also while earlier batches are being stored."""
        started, sent, permits = time.perf_counter(), 0, asyncio.Semaphore(IN_FLIGHT)
        async with asyncio.TaskGroup() as storing:
            while (now := time.perf_counter() - started) < seconds:
                due = int(now * rate / 2) - sent
                if due:
                    pairs = list(self._pairs(min(due, 100)))
                    sent += len(pairs)
                    await permits.acquire()
                    storing.create_task(self._store(operator, pairs, permits))
                await asyncio.sleep(max(0.0, TICK_S - (time.perf_counter() - started - now)))

    def _pairs(self, number: int) -> Iterator[tuple[str, list[Outgoing]]]:
        """Request id -> a request and the verdict on it."""
        now = datetime.now(UTC)
        answer = Answer(outcome="deny", record_consulted=True, salt=os.urandom(16))
        drafts, requests = [], []
        for _ in range(number):
            request_id = new_request_id(int(now.timestamp() * 1000), os.urandom(10))
            body = request_id.encode() + self._filler[len(request_id) :]
            digest = self._digests[request_id] = hashlib.sha256(body).hexdigest()
            requests.append(Outgoing(self._system.subjects.request(self._agency, request_id), body, {}))
            drafts.append(VerdictDraft(RequestRef(self._agency, request_id, digest, 1), Tags(), answer))
        verdicts = self._writer.write(drafts, self._in_force, now, now)
        for request, verdict in zip(requests, verdicts, strict=True):
            yield verdict.request_id, [request, Outgoing(verdict.subject, verdict.body, {})]

    async def _store(
        self, operator: Client, pairs: list[tuple[str, list[Outgoing]]], permits: asyncio.Semaphore
    ) -> None:
        try:
            await store_atomically(operator, [message for _, both in pairs for message in both])
        finally:
            permits.release()
        self._last_stored = time.perf_counter()
        for request_id, _ in pairs:
            self._acknowledged[request_id] = self._last_stored

    async def _on_release(self, message: Msg) -> None:
        request_id = message.subject.rpartition(".")[2]
        self._arrived[request_id] = time.perf_counter()
        if len(self._arrived) % CHECK_ONE_OF == 0:
            self._to_check.append((request_id, message.data))

    async def _all_released(self) -> None:
        deadline = time.perf_counter() + DRAIN_LIMIT_S
        while len(self._arrived) < len(self._acknowledged):
            if time.perf_counter() > deadline:
                missing = len(self._acknowledged) - len(self._arrived)
                raise Failed(f"{missing} of {len(self._acknowledged)} receipts did not come")
            await asyncio.sleep(0.005)

    def _size(self) -> int:
        return int((self._system.layout.ledger / "checkpoint").read_text(encoding="utf-8").split("\n")[1])

    def _check(self, request_id: str, body: bytes) -> None:
        """Verifies the release as the requester does. Raises IntegrityError."""
        release = open_release(body, request_id, self._identity)
        if release is None:
            raise Failed("a release without a verdict")
        day = datetime.now(UTC) + timedelta(days=1)
        record = RequestRecord(request_id, "", "", b"", self._digests[request_id], "", day)
        verify_release(release, record, self._identity)

"""The contents of stream, ledger and client, read independently, and every contradiction between them.

The stream is read through the JetStream API as the bus operator, without any service.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from glomar_auditor.ledger.fsck import verify
from glomar_local.demo.answers import fetch, identity_of
from glomar_local.demo.ledger_count import read
from glomar_local.provision.credentials import OPERATOR
from glomar_local.provision.provision import System
from glomar_local.system.open_bus import connected
from glomar_runtime.bus.stream import time_ns
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import parse_vkey
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

RECORDED_LIMIT_S = 180.0
READ_AT_ONCE = 1_000
FETCHED_AGAIN = 25

Results = Sequence[Mapping[str, str]]


class Evidence(Struct, frozen=True):
    """stored: the stream's messages; leaves: the ledger's; results: the client's file; truths: reference ->
    the right outcome."""

    stored: Sequence[Leaf]
    leaves: Sequence[Leaf]
    results: Results
    truths: Mapping[str, str]


def contradictions(found: Evidence, subjects: Subjects) -> list[str]:
    """Everything that contradicts the guarantees; empty if nothing does. Pure."""
    return [
        *_stream_contradictions(found, subjects),
        *_ledger_contradictions(found),
        *_client_contradictions(found, subjects),
    ]


def _stream_contradictions(found: Evidence, subjects: Subjects) -> Iterator[str]:
    if [leaf.sequence for leaf in found.stored] != list(range(1, len(found.stored) + 1)):
        yield "the stream's sequences have gaps or repeat"
    requests = Counter(request_id for request_id, _ in _of_kind(found, subjects, "request"))
    verdicts = Counter(request_id for request_id, _ in _of_kind(found, subjects, "verdict"))
    if requests.total() != len(found.truths):
        yield f"{len(found.truths)} rows were sent as {requests.total()} requests"
    for request_id in requests | verdicts:
        if (requests[request_id], verdicts[request_id]) != (1, 1):
            yield f"{requests[request_id]} requests {request_id} have {verdicts[request_id]} verdicts"


def _ledger_contradictions(found: Evidence) -> Iterator[str]:
    if [leaf.sequence for leaf in found.leaves] != list(range(1, len(found.leaves) + 1)):
        yield "the ledger's sequences have gaps or repeat"
    if len(found.leaves) != len(found.stored):
        yield f"the ledger has {len(found.leaves)} leaves, the stream {len(found.stored)} messages"
    for leaf, message in zip(found.leaves, found.stored, strict=False):
        if leaf != message:
            yield f"leaf {leaf.sequence} is not the stream's message"


def _client_contradictions(found: Evidence, subjects: Subjects) -> Iterator[str]:
    if sorted(row["reference"] for row in found.results) != sorted(found.truths):
        yield f"{len(found.truths)} rows sent, {len(found.results)} results: not one for each"
    verdicts = dict(_of_kind(found, subjects, "verdict"))
    for row in found.results:
        reference, outcome = row["reference"], row["outcome"]
        if outcome != found.truths.get(reference):
            yield f"{reference} was answered {outcome}, not {found.truths.get(reference)}"
        if row["receipt_ok"] != "true":
            yield f"{reference} has no receipt that holds"
        if row["sequence"] != str(verdicts.get(row["request_id"])):
            yield f"{reference} names another sequence than its verdict's"


def _of_kind(found: Evidence, subjects: Subjects, kind: str) -> list[tuple[str, int]]:
    """(request id, sequence) of every request or verdict in the stream."""
    addresses = ((subjects.parse(leaf.subject), leaf.sequence) for leaf in found.stored)
    return [(address.token, sequence) for address, sequence in addresses if address.kind == kind]


async def gather(system: System, results: Results, truths: Mapping[str, str]) -> Evidence:
    """Verifies the ledger once it has the whole stream, then reads everything. Raises IntegrityError."""
    async with connected(system, OPERATOR, limit_s=RECORDED_LIMIT_S) as admin:
        await _until_recorded(admin, system)
        stored = await stream_messages(admin, system.subjects)
    ledger = system.layout.ledger
    report = verify(ledger, parse_vkey((ledger / "log.vkey").read_text()))
    return Evidence(stored, list(read(ledger, report.size)), results, truths)


async def stream_messages(admin: Client, subjects: Subjects) -> list[Leaf]:
    """Every message, as the leaf that the ledger must have for it."""
    last, found = await last_sequence(admin, subjects), list[Leaf]()
    while len(found) < last:
        found += await _read_some(admin, subjects, len(found) + 1)
    return found


async def _read_some(admin: Client, subjects: Subjects, first: int) -> list[Leaf]:
    """From `first` on, as many as the server sends at once."""
    subscription = await admin.subscribe(inbox := admin.new_inbox())
    query = json.dumps({"seq": first, "batch": READ_AT_ONCE}).encode()
    await admin.publish(f"$JS.API.DIRECT.GET.{subjects.stream}", query, reply=inbox)
    found = []
    while (message := await subscription.next_msg(timeout=5)).headers and "Status" not in message.headers:
        found.append(_leaf(message))
    await subscription.unsubscribe()
    assert found, f"the stream sends nothing from {first} on"
    return found


def _leaf(message: Msg) -> Leaf:
    headers = message.headers or {}
    sequence, at = int(headers["Nats-Sequence"]), time_ns(headers["Nats-Time-Stamp"])
    return Leaf(sequence, at, headers["Nats-Subject"], hashlib.sha256(message.data).digest())


async def last_sequence(admin: Client, subjects: Subjects) -> int:
    reply = await admin.request(f"$JS.API.STREAM.INFO.{subjects.stream}", timeout=5)
    return int(json.loads(reply.data)["state"]["last_seq"])


async def _until_recorded(admin: Client, system: System) -> None:
    deadline = asyncio.get_running_loop().time() + RECORDED_LIMIT_S
    while (size := ledger_size(system)) != (last := await last_sequence(admin, system.subjects)):
        assert asyncio.get_running_loop().time() < deadline, f"{size} of {last} messages are in the ledger"
        await asyncio.sleep(0.05)


def ledger_size(system: System) -> int:
    """From the published checkpoint."""
    checkpoint = system.layout.ledger / "checkpoint"
    return int(checkpoint.read_text().split("\n")[1]) if checkpoint.exists() else 0


async def fetch_some_again(system: System, found: Evidence) -> int:
    """Fetches some answers from the auditor and verifies them, without the client and its store.

    Returns how many came and agree with the client's results.
    """
    digests = {leaf.subject: leaf.body_sha256.hex() for leaf in found.stored}
    sample = found.results[:: max(1, len(found.results) // FETCHED_AGAIN)][:FETCHED_AGAIN]
    identity, agree = identity_of(system), 0
    async with connected(system, system.agency) as bus:
        for row in sample:
            digest = digests[system.subjects.request(system.agency, row["request_id"])]
            proven = await fetch(bus, identity, row["request_id"], digest)
            agree += proven is not None and proven.result.outcome == row["outcome"]
    return agree


def require_consistent(system: System, results: Results, truths: Mapping[str, str]) -> None:
    """Everything that must hold after a run, whichever process was killed during it."""
    found = asyncio.run(gather(system, results, truths))
    wrong = contradictions(found, system.subjects)
    assert not wrong, f"{len(wrong)} contradictions, the first: {wrong[:5]}"
    assert asyncio.run(fetch_some_again(system, found)) == min(FETCHED_AGAIN, len(results))

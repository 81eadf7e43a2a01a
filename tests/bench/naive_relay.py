"""The peer: a relay that an engineer writes with nats-py in an afternoon. No safeguards; the same durability.

    python -m tests.bench.naive_relay relay URL            answers, in place of verifier and auditor
    python -m tests.bench.naive_relay requester URL ROWS   sends requests, by the commands on its stdin

One stream on the same nats-server with the same sync; JSON; pipelined durable publishes, where a request is
acknowledged after its verdict is stored; a durable pull consumer; verdicts are read from the stream.
"""

import asyncio
import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, PubAck, StorageType, StreamConfig

from tests.bench.commands import serve_commands

STREAM, CONSUMER = "RELAY", "relay"
WINDOW = 2000
"""Requests without a verdict; the product's window is as large."""
UNACKNOWLEDGED = 1000
BATCH = 100
FETCH_S = 0.05


async def relay(url: str) -> None:
    """Pull, decide by a field, publish the verdict durably, acknowledge."""
    streams = (await nats.connect(url)).jetstream(publish_async_max_pending=UNACKNOWLEDGED)
    await streams.add_stream(
        StreamConfig(name=STREAM, subjects=["request.*", "verdict.*"], storage=StorageType.FILE)
    )
    consumer = ConsumerConfig(
        durable_name=CONSUMER,
        ack_policy=AckPolicy.EXPLICIT,
        filter_subject="request.*",
        max_ack_pending=10_000,
    )
    await streams.add_consumer(STREAM, consumer)
    requests = await streams.pull_subscribe_bind(CONSUMER, stream=STREAM)
    print("ready", flush=True)
    while True:
        try:
            arrived = await requests.fetch(BATCH, timeout=FETCH_S)
        except (NatsTimeoutError, TimeoutError):
            continue
        stored = []
        for message in arrived:
            request = json.loads(message.data)
            verdict = {
                "id": request["id"],
                "reference": request["reference"],
                "outcome": "confirm" if request["first_name"] else "deny",
                "decided_at": datetime.now(UTC).isoformat(),
                "officer_id": request["officer_id"],
                "statute": request["statute"],
            }
            subject = f"verdict.{request['id']}"
            stored.append(await streams.publish_async(subject, json.dumps(verdict).encode()))
        await asyncio.gather(*stored)
        for message in arrived:
            await message.ack()


class Requester:
    """Publishes requests, receives verdicts in stream order."""

    def __init__(self, client: Client, rows: list[dict[str, str]]) -> None:
        self._streams = client.jetstream(publish_async_max_pending=UNACKNOWLEDGED)
        self._rows = rows
        self._pending: dict[str, asyncio.Future[int]] = {}

    async def start(self) -> None:
        await self._streams.subscribe("verdict.*", stream=STREAM, cb=self._on_verdict, ordered_consumer=True)

    async def ask(self, number: int) -> int:
        stored, answered = await self._publish(number)
        await stored
        return await answered

    async def ask_all(self, numbers: range) -> int:
        window = asyncio.Semaphore(WINDOW)
        acknowledged, answers = [], []
        for number in numbers:
            await window.acquire()
            stored, answered = await self._publish(number)
            answered.add_done_callback(lambda _: window.release())
            acknowledged.append(stored)
            answers.append(answered)
        await asyncio.gather(*acknowledged)
        return sum(await asyncio.gather(*answers))

    async def _publish(self, number: int) -> tuple["asyncio.Future[PubAck]", "asyncio.Future[int]"]:
        request_id = str(uuid.uuid4())
        request = {"id": request_id, **self._rows[number], "issued_at": time.time()}
        answered = self._pending[request_id] = asyncio.get_running_loop().create_future()
        subject = f"request.{request_id}"
        return await self._streams.publish_async(subject, json.dumps(request).encode()), answered

    async def _on_verdict(self, message: Msg) -> None:
        verdict = json.loads(message.data)
        pending = self._pending.pop(verdict["id"])
        pending.set_result(int(verdict["outcome"] not in ("confirm", "deny")))


async def requester(url: str, rows: list[dict[str, str]]) -> None:
    used = Requester(await nats.connect(url), rows)
    await used.start()
    await serve_commands(used)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The columns that a system would send: the filled ones, and those that the relay reads."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    unsent = ("truth", "klass")
    return [
        {"first_name": "", **{name: text for name, text in row.items() if text and name not in unsent}}
        for row in rows
    ]


if __name__ == "__main__":
    role, url, *rest = sys.argv[1:]
    uvloop.run(relay(url) if role == "relay" else requester(url, read_rows(Path(rest[0]))))

"""What the server says of a stored message that it delivers or hands out. Called by verifier and auditor.

Facts come from the acknowledgement subject or the API's JSON, never from headers, which a sender can forge.
"""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from glomar_schemas.errors import IntegrityError, Unreachable
from glomar_schemas.subjects import TRACEPARENT
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from glomar_runtime.bus.connection import API_PREFIX, plain_subject

TIMEOUT_S = 5.0
NOT_FOUND = 10037
NO_STREAM = 10059
_NANO = 1_000_000_000
_TRACEPARENT = re.compile(rb"\r\ntraceparent:([^\r\n]*)")
_FRACTION = re.compile(r"\.(\d{1,9})")


class Delivery(Struct, frozen=True):
    """sequence: in the stream; time_ns: stream time, ns since the Unix epoch; count: 1 for the first time."""

    sequence: int
    time_ns: int
    count: int


class Stored(Struct, frozen=True):
    """A message as the stream holds it."""

    sequence: int
    time_ns: int
    subject: str
    body: bytes
    traceparent: str = ""
    """A hint that the sender chose; no evidence."""


class StreamState(Struct, frozen=True):
    """created: RFC 3339; a stream made anew has another one. config: as the server reports it.

    lost: how many of the sequences up to the last the stream does not hold.
    """

    created: str
    last_sequence: int
    lost: int
    config: dict[str, object]


def delivery(message: Msg) -> Delivery:
    """From the reply subject `$JS.ACK.…` (NATS ADR-15), with or without domain and account."""
    tokens = message.reply.split(".")
    offset = 0 if len(tokens) == 9 else 2
    return Delivery(int(tokens[5 + offset]), int(tokens[7 + offset]), int(tokens[4 + offset]))


def stored(message: Msg) -> Stored:
    """A delivered message as the stream holds it."""
    facts = delivery(message)
    hint = (message.headers or {}).get(TRACEPARENT, "")
    return Stored(facts.sequence, facts.time_ns, message.subject, message.data, hint)


def moment(time_ns: int) -> datetime:
    """Stream time as a datetime, to the microsecond."""
    return datetime.fromtimestamp(time_ns // _NANO, UTC).replace(microsecond=time_ns % _NANO // 1000)


async def get_by_sequence(client: Client, stream: str, sequence: int) -> Stored | None:
    """None: the stream no longer holds it, or never did. Raises Unreachable."""
    return await _get(client, stream, {"seq": sequence})


async def get_by_subject(client: Client, stream: str, subject: str) -> Stored | None:
    """The one message of a write-once subject. None if there is none yet. Raises Unreachable."""
    return await _get(client, stream, {"last_by_subj": subject})


async def next_by_subject(client: Client, stream: str, subject: str, sequence: int) -> Stored | None:
    """The first message from that sequence on whose subject fits, wildcards allowed. Raises Unreachable."""
    return await _get(client, stream, {"seq": sequence, "next_by_subj": subject})


async def walk(client: Client, stream: str, subject: str, after: int = 0) -> AsyncIterator[Stored]:
    """Every message behind that sequence whose subject fits, in order. Raises Unreachable."""
    while (found := await next_by_subject(client, stream, subject, after + 1)) is not None:
        yield found
        after = found.sequence


async def stream_state(client: Client, stream: str) -> StreamState:
    """Raises Unreachable; IntegrityError when there is no such stream."""
    answer = await _stream_info(client, stream, b"")
    state = answer["state"]
    return StreamState(
        answer["created"], state["last_seq"], state["last_seq"] - state["messages"], answer["config"]
    )


async def lost_sequences(client: Client, stream: str) -> list[int]:
    """Those up to the last that the stream itself says it does not hold, in order. Raises as stream_state."""
    state = (await _stream_info(client, stream, b'{"deleted_details":true}'))["state"]
    # Of an empty stream the first sequence is the one after the last.
    return [*range(1, state["first_seq"]), *state.get("deleted", ())]


async def _stream_info(client: Client, stream: str, query: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await _call(client, f"{API_PREFIX}.STREAM.INFO.{stream}", query))
    if answer.get("error", {}).get("err_code") == NO_STREAM:
        raise IntegrityError("the stream is gone", where=stream, fix="Restore it, or open a new incarnation")
    if "error" in answer:
        raise Unreachable("the stream can't be looked at", where=stream)
    return answer


async def delivered_up_to(client: Client, stream: str, consumer: str) -> int:
    """The sequence behind which a durable consumer has delivered nothing yet. Raises Unreachable."""
    answer = json.loads(await _call(client, f"{API_PREFIX}.CONSUMER.INFO.{stream}.{consumer}", b""))
    if "error" in answer:
        raise Unreachable("the consumer can't be looked at", where=f"{stream}.{consumer}")
    return int(answer["delivered"]["stream_seq"])


class _Message(Struct):
    subject: str
    seq: int
    time: str
    data: bytes = b""
    hdrs: bytes = b""


class _Error(Struct):
    err_code: int = 0


class _Answer(Struct):
    message: _Message | None = None
    error: _Error | None = None


async def _get(client: Client, stream: str, query: dict[str, int | str]) -> Stored | None:
    raw = await _call(client, f"{API_PREFIX}.STREAM.MSG.GET.{stream}", json.dumps(query).encode())
    answer = msgspec.json.decode(raw, type=_Answer)
    if answer.message is None:
        if answer.error is not None and answer.error.err_code == NOT_FOUND:
            return None
        raise Unreachable("the stream did not hand out a message", where=stream)
    found = answer.message
    # The last of several, as in a message that is delivered.
    hints = _TRACEPARENT.findall(found.hdrs)
    return Stored(
        found.seq,
        time_ns(found.time),
        plain_subject(found.subject.encode()),
        found.data,
        hints[-1].strip().decode("ascii", "replace") if hints else "",
    )


def time_ns(text: str) -> int:
    """RFC 3339 with up to nine fraction digits -> ns since the Unix epoch."""
    fraction = _FRACTION.search(text)
    whole = datetime.fromisoformat(_FRACTION.sub("", text))
    return int(whole.timestamp()) * _NANO + (int(fraction[1].ljust(9, "0")) if fraction else 0)


async def _call(client: Client, subject: str, body: bytes) -> bytes:
    try:
        reply = await client.request(subject, body, timeout=TIMEOUT_S)
    except TimeoutError:
        raise Unreachable("the stream does not answer", where=subject) from None
    data: bytes = reply.data
    return data

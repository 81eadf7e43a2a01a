"""Stores messages in the stream: one, or many in an atomic batch (one fsync).

It needs only `publish` and `request` of a NATS connection, so a light client needs nothing else.
It never sends `Nats-Msg-Id`: the server de-duplicates by it across all subjects and accounts of a stream, so
the message of another party could suppress ours. Write-once subjects prevent duplicates instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

import msgspec
from msgspec import Struct

from glomar_schemas.errors import IntegrityError, Retryable, TimedOut
from glomar_schemas.subjects import (
    BATCH_COMMIT,
    BATCH_ID,
    BATCH_SEQUENCE,
    EXPECTED_LAST_SEQUENCE,
    EXPECTED_SEQUENCE,
    EXPECTED_SEQUENCE_SUBJECT,
)

SUBJECT_TAKEN = 10077
"""Server error code: the write-once subject already has a message."""
FENCE_STALE = 10071
"""Server error code: the control slot that had to be empty is filled."""
FENCE_BUSY = 10164
"""Server error code: another fenced publish is in flight on a cluster."""

ACK_TIMEOUT_S = 5.0


class Connection(Protocol):
    """The methods used of nats-py's client."""

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None: ...

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 - nats-py's signature
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Any: ...


class Outgoing(Struct, frozen=True):
    """One message to store."""

    subject: str
    body: bytes
    headers: Mapping[str, str]


class NotStored(Retryable):
    """The stream refused. Branch on `err_code`, the server's code, never on nats-py's exception class."""

    def __init__(self, err_code: int, where: str) -> None:
        super().__init__(f"the stream did not store it (server error {err_code})", where=where)
        self.err_code = err_code


class _Fault(Struct):
    code: int = 0
    err_code: int = 0


class _PubAck(Struct):
    stream: str = ""
    seq: int = 0
    count: int = 1
    duplicate: bool = False
    error: _Fault | None = None


async def store(
    connection: Connection, message: Outgoing, *, empty_slot: str | None = None, first: bool = False
) -> int:
    """Stores one message -> its stream sequence. The message is durable when this returns.

    empty_slot: the control subject that must still be empty (the fence). first: only if the stream is empty.
    Raises NotStored, TimedOut (the message may be stored or not), Unreachable.
    """
    headers = {**message.headers, **_fence(empty_slot)}
    if first:
        headers[EXPECTED_LAST_SEQUENCE] = "0"
    return await _commit(connection, message.subject, message.body, headers, expected_count=1)


async def store_atomically(
    connection: Connection, messages: Sequence[Outgoing], *, empty_slot: str | None = None
) -> list[int]:
    """Stores all messages or none -> their sequences, in order. At most MAX_BATCH. Raises as `store`."""
    if len(messages) == 1:
        return [await store(connection, messages[0], empty_slot=empty_slot)]
    batch_id = uuid4().hex
    fence = _fence(empty_slot)
    for number, message in enumerate(messages, start=1):
        headers = {**message.headers, **fence, BATCH_ID: batch_id, BATCH_SEQUENCE: str(number)}
        fence = {}
        if number < len(messages):
            await connection.publish(message.subject, message.body, headers=headers)
    headers[BATCH_COMMIT] = "1"
    last = await _commit(connection, message.subject, message.body, headers, expected_count=len(messages))
    return list(range(last - len(messages) + 1, last + 1))


def connection_attempts(url: str) -> list[list[str]]:
    """One server, or the nodes of a cluster separated by commas -> the servers of each attempt to connect.

    Each server is the first of one attempt: nats-py gives up its first connection when the first server does
    not answer.
    """
    servers = url.split(",")
    return [servers[first:] + servers[:first] for first in range(len(servers))]


def _fence(empty_slot: str | None) -> dict[str, str]:
    if empty_slot is None:
        return {}
    return {EXPECTED_SEQUENCE: "0", EXPECTED_SEQUENCE_SUBJECT: empty_slot}


async def _commit(
    connection: Connection, subject: str, body: bytes, headers: dict[str, str], *, expected_count: int
) -> int:
    try:
        reply = await connection.request(subject, body, timeout=ACK_TIMEOUT_S, headers=headers)
    except TimeoutError:
        raise TimedOut("the stream did not acknowledge in time", where="publish") from None
    ack = msgspec.json.decode(reply.data, type=_PubAck)
    if ack.error is not None:
        raise NotStored(ack.error.err_code, where="publish")
    if ack.duplicate or ack.count != expected_count or not ack.seq:
        raise IntegrityError("the stream's acknowledgement does not fit what was published", where="publish")
    return ack.seq

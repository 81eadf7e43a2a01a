"""Publishes requests and acks to the stream: a batch atomically, or else one by one.

Requests are write-once by subject, so sending the same bytes again is safe: the stream refuses them, and the
stored message is then compared.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from glomar_schemas.errors import Refused, TimedOut, Unreachable
from glomar_schemas.publish import (
    ACK_TIMEOUT_S,
    SUBJECT_TAKEN,
    Connection,
    NotStored,
    Outgoing,
    store,
    store_atomically,
)
from glomar_schemas.subjects import TRACEPARENT
from nats.errors import Error as NatsError

from glomar_requester.ask import Prepared
from glomar_requester.identity import Identity
from glomar_requester.store.records import Certified, Published

API_PREFIX = "BUS.API"
"""Where the JetStream API of account BUS appears in an agency's own account."""
SINGLES_IN_FLIGHT = 32


class Conflict(Refused):
    """Another request already has this id or key; this one was not sent."""


async def publish(connection: Connection, identity: Identity, batch: Sequence[Prepared]) -> list[Published]:
    """At most MAX_BATCH requests -> their sequences, once they are durable in the stream.

    Raises Unreachable, TimedOut or NotStored; some may then be stored: send the same batch again.
    """
    messages = [
        Outgoing(
            identity.subjects.request(identity.agency, prepared.request.request_id),
            prepared.body,
            {TRACEPARENT: prepared.request.traceparent},
        )
        for prepared in batch
    ]
    with _bus_errors():
        try:
            sequences: Sequence[int | None] = await store_atomically(connection, messages)
        except NotStored:
            # One subject in use refuses the whole batch, and so does a server with too many open batches.
            sequences = await _one_by_one(connection, identity, messages)
    return [
        Published(prepared.request.request_id, sequence)
        for prepared, sequence in zip(batch, sequences, strict=True)
    ]


async def _one_by_one(
    connection: Connection, identity: Identity, messages: Sequence[Outgoing]
) -> list[int | None]:
    limit = asyncio.Semaphore(SINGLES_IN_FLIGHT)

    async def one(message: Outgoing) -> int | None:
        async with limit:
            try:
                return await store(connection, message)
            except NotStored as refusal:
                if refusal.err_code != SUBJECT_TAKEN:
                    raise
                return await _already_stored(connection, identity, message)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(message)) for message in messages]
    return [task.result() for task in tasks]


async def publish_acks(
    connection: Connection, identity: Identity, acks: Sequence[Certified]
) -> list[int | None]:
    """Returns once the stream holds an ack of each, durably: its sequence, or None if it already had one.

    Raises as `publish`.
    """
    limit = asyncio.Semaphore(SINGLES_IN_FLIGHT)

    async def one(ack: Certified) -> int | None:
        message = Outgoing(identity.subjects.ack(identity.agency, ack.request_id), ack.ack, {})
        async with limit:
            try:
                return await store(connection, message)
            except NotStored as refusal:
                # Only this agency can have published it; the first ack is final, and a second says the same.
                if refusal.err_code != SUBJECT_TAKEN:
                    raise
                return None

    with _bus_errors():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(ack)) for ack in acks]
    return [task.result() for task in tasks]


async def _already_stored(connection: Connection, identity: Identity, message: Outgoing) -> int | None:
    """The sequence if the stream holds these very bytes; None if it holds others."""
    subject = f"{API_PREFIX}.DIRECT.GET.{identity.subjects.stream}.{message.subject}"
    reply = await connection.request(subject, b"", timeout=ACK_TIMEOUT_S)
    sequence = (reply.headers or {}).get("Nats-Sequence", "")
    if not sequence.isdigit():
        raise Unreachable("the stream did not return the stored message", where="publish")
    return int(sequence) if reply.data == message.body else None


@contextmanager
def _bus_errors() -> Iterator[None]:
    """Translates nats-py's errors, also in a group, into Glomar's."""
    try:
        yield
    except TimeoutError:
        raise TimedOut("the bus did not answer in time", where="publish") from None
    except NatsError as error:
        raise Unreachable(f"the bus is away ({type(error).__name__})", where="publish") from None
    except ExceptionGroup as group:
        with _bus_errors():
            raise group.exceptions[0] from None

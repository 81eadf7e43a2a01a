"""Putting requests and acks into the stream: all of a batch at once, or one by one. Called by the client.

Requests are write-once by subject, so sending the same bytes again does no harm: the stream refuses them,
and what it already holds is then compared.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from glomar_schemas.errors import Refused, TimedOut, Unreachable
from glomar_schemas.publish import (
    ACK_TIMEOUT_S,
    SLOT_TAKEN,
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
    """Something else is already asked under this id or key; it was not sent."""


async def publish(connection: Connection, identity: Identity, batch: Sequence[Prepared]) -> list[Published]:
    """At most MAX_BATCH requests -> where the stream has them, durably.

    Raises Unreachable, TimedOut or NotStored; some may then be stored, and the batch is to be sent again.
    """
    messages = [
        Outgoing(
            identity.subjects.request(identity.agency, prepared.asked.request_id),
            prepared.body,
            {TRACEPARENT: prepared.asked.traceparent},
        )
        for prepared in batch
    ]
    with _bus_errors():
        try:
            sequences: Sequence[int | None] = await store_atomically(connection, messages)
        except NotStored:
            # One taken slot refuses the whole batch, and so does a server with too many batches open.
            sequences = await _one_by_one(connection, identity, messages)
    return [
        Published(prepared.asked.request_id, sequence)
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
                if refusal.err_code != SLOT_TAKEN:
                    raise
                return await _already_stored(connection, identity, message)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(message)) for message in messages]
    return [task.result() for task in tasks]


async def publish_acks(
    connection: Connection, identity: Identity, acks: Sequence[Certified]
) -> list[int | None]:
    """Returns once the stream has an ack of each, durably: where, or None if it had one before.

    Raises as `publish`.
    """
    limit = asyncio.Semaphore(SINGLES_IN_FLIGHT)

    async def one(ack: Certified) -> int | None:
        message = Outgoing(identity.subjects.ack(identity.agency, ack.request_id), ack.ack, {})
        async with limit:
            try:
                return await store(connection, message)
            except NotStored as refusal:
                # Only this agency can have filled it: an ack stands, and a second one would say the same.
                if refusal.err_code != SLOT_TAKEN:
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
        raise Unreachable("the stream did not hand out what it holds", where="publish")
    return int(sequence) if reply.data == message.body else None


@contextmanager
def _bus_errors() -> Iterator[None]:
    """nats-py's errors, also several at once, as ours."""
    try:
        yield
    except TimeoutError:
        raise TimedOut("the bus did not answer in time", where="publish") from None
    except NatsError as error:
        raise Unreachable(f"the bus is away ({type(error).__name__})", where="publish") from None
    except ExceptionGroup as group:
        with _bus_errors():
            raise group.exceptions[0] from None

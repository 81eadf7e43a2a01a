"""Fills an index from the messages of the stream, each compared with the ledger."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import islice

from glomar_runtime.bus.stream import Stored, get_by_sequence
from glomar_runtime.cli import Advance
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.leaf import Leaf
from nats.aio.client import Client

from glomar_auditor.index.database import Index
from glomar_auditor.index.record import GAP, Check, IndexRecord, MessageReader
from glomar_auditor.ledger.ledger import stored_leaf
from glomar_auditor.ledger.view import LedgerView

IN_FLIGHT = 100


async def fill(
    index: Index,
    reader: MessageReader,
    client: Client,
    stream: str,
    view: LedgerView,
    *,
    check: Check | None = None,
    advance: Advance = lambda done, total: None,
) -> None:
    """Adds records until the index has all of the view. Another process may fill the same file meanwhile.

    Raises IntegrityError if stream and ledger differ, Unreachable, Damaged, Misconfigured.
    """
    while (size := index.size) < view.size:
        async for batch in messages(client, stream, view, size):
            if not await asyncio.to_thread(index.add, read_batch(reader, batch, size, check)):
                break
            size += len(batch)
            advance(size, view.size)


def read_batch(
    reader: MessageReader, batch: Sequence[Stored | None], after: int, check: Check | None = None
) -> list[IndexRecord]:
    """The records of the messages after that sequence."""
    return [
        reader.read(stored, check) if stored is not None else IndexRecord(sequence=sequence, kind=GAP)
        for sequence, stored in enumerate(batch, after + 1)
    ]


async def messages(
    client: Client, stream: str, view: LedgerView, after: int = 0
) -> AsyncIterator[list[Stored | None]]:
    """The messages after that sequence, in order and in batches; None where the ledger has a gap.

    Raises IntegrityError if a message is not the one that the ledger recorded, or, with after=0, if the
    ledger is not the one that was signed; Unreachable.
    """
    leaves = view.leaves(after)
    sequence = after + 1
    while batch := list(islice(leaves, IN_FLIGHT)):
        calls = (fetch(client, stream, number, leaf) for number, leaf in enumerate(batch, sequence))
        yield list(await asyncio.gather(*calls))
        sequence += len(batch)


async def fetch(client: Client, stream: str, sequence: int, leaf: Leaf | None) -> Stored | None:
    """Raises IntegrityError unless the stream holds the message of that leaf; Unreachable."""
    if leaf is None:
        return None
    stored = await get_by_sequence(client, stream, sequence)
    if stored is None or stored_leaf(stored) != leaf:
        what = "the stream no longer holds it" if stored is None else "the stream holds another message"
        raise IntegrityError(
            f"sequence {sequence}: {what} than the ledger" if stored else f"sequence {sequence}: {what}",
            where=stream,
            fix="Keep stream and ledger as evidence; a message counts only if both hold the same",
        )
    return stored

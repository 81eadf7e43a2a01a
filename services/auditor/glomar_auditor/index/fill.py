"""Fills an index from the messages of the stream, each compared with the ledger."""

import asyncio
from collections.abc import Sequence

from glomar_runtime.bus.stream import Stored
from glomar_runtime.cli import Advance
from nats.aio.client import Client

from glomar_auditor.index.database import Index
from glomar_auditor.index.record import GAP, Check, IndexRecord, MessageReader
from glomar_auditor.index.stream_messages import messages
from glomar_auditor.ledger.view import LedgerView


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

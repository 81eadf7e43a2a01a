"""Brings an index up to a ledger: from the messages themselves, each checked. Called by `rebuild-index`,
by reports, which fill one of their own, and by the follower for what it has missed."""

import asyncio
from collections.abc import Sequence

from glomar_runtime.bus.stream import Stored
from glomar_runtime.cli import Advance
from nats.aio.client import Client

from glomar_auditor.index.database import Index
from glomar_auditor.index.record import GAP, Judge, Reading, Record
from glomar_auditor.index.stream_messages import messages
from glomar_auditor.ledger.view import LedgerView


async def fill(
    index: Index,
    reading: Reading,
    client: Client,
    stream: str,
    view: LedgerView,
    *,
    judge: Judge | None = None,
    advance: Advance = lambda done, total: None,
) -> None:
    """Until the index has all of the view. Another process may fill the same file meanwhile.

    Raises IntegrityError if stream and ledger differ, Unreachable, Damaged, Misconfigured.
    """
    while (size := index.size) < view.size:
        async for batch in messages(client, stream, view, size):
            if not await asyncio.to_thread(index.add, read_batch(reading, batch, size, judge)):
                break
            size += len(batch)
            advance(size, view.size)


def read_batch(
    reading: Reading, batch: Sequence[Stored | None], after: int, judge: Judge | None = None
) -> list[Record]:
    """The records of the messages behind that sequence."""
    return [
        reading.read(stored, judge) if stored is not None else Record(sequence=sequence, kind=GAP)
        for sequence, stored in enumerate(batch, after + 1)
    ]

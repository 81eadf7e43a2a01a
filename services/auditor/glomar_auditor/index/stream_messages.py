"""Reads the messages that a ledger has recorded, and compares each with its leaf."""

import asyncio
from collections.abc import AsyncIterator
from itertools import islice

from glomar_runtime.bus.stream import Stored, get_by_sequence
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.leaf import Leaf
from nats.aio.client import Client

from glomar_auditor.ledger.view import LedgerView
from glomar_auditor.releasing.release import stored_leaf

IN_FLIGHT = 100


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

"""Fills an index from the messages of the stream, each compared with the ledger, and checks signatures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Any

from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored, get_by_sequence, moment
from glomar_runtime.cli import Advance
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.errors import IntegrityError, Refused
from glomar_schemas.messages import Ack, Recall, Request, Verdict
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf
from nats.aio.client import Client

from glomar_auditor.index.database import Index
from glomar_auditor.index.record import GAP, Check, IndexRecord, MessageReader
from glomar_auditor.ledger.ledger import stored_leaf
from glomar_auditor.ledger.view import LedgerView

IN_FLIGHT = 100
_KINDS: dict[str, type[Any]] = {"request": Request, "verdict": Verdict, "recall": Recall, "ack": Ack}


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


class SignatureCheck:
    """Checks stored messages by the keys in force at their sequence; a control is added to the history."""

    def __init__(self, history: ControlHistory, subjects: Subjects) -> None:
        self._history = history
        self._subjects = subjects

    def fault(self, stored: Stored) -> str:
        """Why a message does not count; "" if it does. Raises as `ControlHistory.add`."""
        address = self._subjects.parse(stored.subject)
        if address.kind == "control":
            self._history.add(stored)
            return ""
        signed = self._history.before(stored.sequence).signed
        if signed is None:
            return "no agreement was in force"
        party = signed.agreement.holder if address.kind in ("verdict", "recall") else address.agency
        try:
            _, envelope = open_envelope(stored.body, _KINDS[address.kind], stored.subject)
            require_signer(envelope, party, signed.ring, moment(stored.time_ns))
        except Refused as fault:
            return fault.what
        return ""

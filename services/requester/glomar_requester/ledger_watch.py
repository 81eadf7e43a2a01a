"""Watches the published ledger: does it hold every message of this agency that the stream took, unaltered?

The messages to look for are written in the same transactions as the rest of the store.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

from glomar_schemas.tlog.inclusion_tables import Database, InclusionTables, Write
from glomar_schemas.tlog.inclusion_watch import InclusionStatus, InclusionWatch, Publication, own_message
from glomar_schemas.tlog.note import Checkpoint

from glomar_requester.ask import Prepared
from glomar_requester.store.group_commit import GroupCommit
from glomar_requester.store.records import Certified, Published
from glomar_requester.verification.notice import AgencyState
from glomar_requester.verification.release import VerifiedRelease

T = TypeVar("T")


class LedgerWatch:
    """Does nothing if `ledger` is None."""

    def __init__(self, store: GroupCommit, state: AgencyState, ledger: Publication | None) -> None:
        self._store, self._state = store, state
        identity = state.identity
        origin = identity.subjects.origin(identity.signed.agreement.oversight)
        self._tables = InclusionTables(origin, self._write, self._read)
        self._watch = InclusionWatch(ledger, self._open_checkpoint, self._tables) if ledger else None

    @property
    def status(self) -> InclusionStatus:
        return self._watch.status if self._watch else InclusionStatus()

    def record_requests(self, published: Sequence[Published], batch: Sequence[Prepared]) -> list[Write]:
        """To be written together with `published`: those of the batch that the stream took."""
        identity = self._state.identity
        return self._record(
            (
                one.sequence,
                identity.subjects.request(identity.agency, one.request_id),
                prepared.request.digest,
            )
            for one, prepared in zip(published, batch, strict=True)
        )

    def record_acks(self, sequences: Sequence[int | None], acks: Sequence[Certified]) -> list[Write]:
        """The same for certificates of destruction. None: the stream already had one, its place unknown."""
        identity = self._state.identity
        return self._record(
            (sequence, identity.subjects.ack(identity.agency, each.request_id), sha256(each.ack).hexdigest())
            for sequence, each in zip(sequences, acks, strict=True)
        )

    def observe_receipt(self, release: VerifiedRelease) -> None:
        """The published ledger must be consistent with the checkpoint of every verified receipt."""
        if self._watch is not None:
            _, _, note = release.receipt.partition("\n\n")
            self._watch.observe_checkpoint(note, release.checkpoint.size)

    async def watch_forever(self) -> None:
        """A command that ends earlier leaves it to the next command or to the service."""
        while self._watch is not None:
            await asyncio.sleep(self._watch.ledger.every_s)
            await self._watch.check(datetime.now(UTC), asyncio.to_thread)

    def _record(self, stored: Iterable[tuple[int | None, str, str]]) -> list[Write]:
        """(sequence, subject, SHA-256 of the body in hex) of each."""
        if self._watch is None:
            return []
        own = [
            own_message(sequence, subject, bytes.fromhex(digest))
            for sequence, subject, digest in stored
            if sequence
        ]
        return [self._tables.insert(own)]

    def _open_checkpoint(self, note: str) -> Checkpoint:
        """Under the keys that are in force at the time of the check."""
        return self._state.identity.open_checkpoint(note)

    async def _write(self, write: Write) -> None:
        await self._store.write([write])

    async def _read(self, query: Callable[[Database], T]) -> T:
        return await self._store.read(lambda store: store.query(query))

"""The agency's watch over the ledger: is all that the stream took from it there, as it was sent?

Called by the client. What is to be looked for is written in the same transactions as the rest of the store.
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
from glomar_requester.store.group_commit import Commits
from glomar_requester.store.records import Certified, Published
from glomar_requester.verification import notice
from glomar_requester.verification.release import Proven

T = TypeVar("T")


class OwnRequests:
    """Does nothing where no ledger is named."""

    def __init__(self, commits: Commits, known: notice.Standing, ledger: Publication | None) -> None:
        self._commits, self._known = commits, known
        identity = known.identity
        origin = identity.subjects.origin(identity.signed.agreement.oversight)
        self._tables = InclusionTables(origin, self._write, self._read)
        self._watch = InclusionWatch(ledger, self._opened, self._tables) if ledger else None

    @property
    def standing(self) -> InclusionStatus:
        return self._watch.status if self._watch else InclusionStatus()

    def requests(self, published: Sequence[Published], batch: Sequence[Prepared]) -> list[Write]:
        """To be written beside `published`: those of the batch that the stream took."""
        identity = self._known.identity
        return self._written(
            (one.sequence, identity.subjects.request(identity.agency, one.request_id), prepared.asked.digest)
            for one, prepared in zip(published, batch, strict=True)
        )

    def acks(self, sequences: Sequence[int | None], acks: Sequence[Certified]) -> list[Write]:
        """The same for certificates of destruction; None: the stream had it before, no one knows where."""
        identity = self._known.identity
        return self._written(
            (sequence, identity.subjects.ack(identity.agency, each.request_id), sha256(each.ack).hexdigest())
            for sequence, each in zip(sequences, acks, strict=True)
        )

    def heard(self, proven: Proven) -> None:
        """A receipt was believed; the published ledger must have its checkpoint in its past, too."""
        if self._watch is not None:
            _, _, note = proven.receipt.partition("\n\n")
            self._watch.observe_checkpoint(note, proven.checkpoint.size)

    async def watch(self) -> None:
        """For ever; a command that is over sooner leaves it to the next one, or to the service."""
        while self._watch is not None:
            await asyncio.sleep(self._watch.ledger.every_s)
            await self._watch.check(datetime.now(UTC), asyncio.to_thread)

    def _written(self, stored: Iterable[tuple[int | None, str, str]]) -> list[Write]:
        """(sequence, subject, SHA-256 of the body in hex) of each."""
        if self._watch is None:
            return []
        own = [
            own_message(sequence, subject, bytes.fromhex(digest))
            for sequence, subject, digest in stored
            if sequence
        ]
        return [self._tables.insert(own)]

    def _opened(self, note: str) -> Checkpoint:
        """Under the keys that are in force by then."""
        return self._known.identity.open_checkpoint(note)

    async def _write(self, write: Write) -> None:
        await self._commits.durable([write])

    async def _read(self, query: Callable[[Database], T]) -> T:
        return await self._commits.read(lambda store: store.query(query))

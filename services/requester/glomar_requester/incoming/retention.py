"""Destroys answers that were recalled or have expired, and then certifies it to the ledger. For the client.

Each step starts from what the store says, so that a crash between two of them changes nothing: the bytes are
gone before the certificate is signed, and that is stored before it is published.
"""

import asyncio
import logging
from functools import partial

from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.errors import GlomarError, IntegrityError, Retryable
from glomar_schemas.messages import Ack
from glomar_schemas.publish import Connection

from glomar_requester.bus.publish import publish_acks
from glomar_requester.incoming.receiver import Clock
from glomar_requester.ledger_watch import OwnRequests
from glomar_requester.store.group_commit import Commits
from glomar_requester.store.records import Acknowledged, Certified, Dated, Entry, Withdrawn
from glomar_requester.store.store import Store
from glomar_requester.verification.notice import Standing
from glomar_requester.verification.release import verify

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 5.0
PAGE = 500


class Destroyer:
    def __init__(
        self, connection: Connection, standing: Standing, commits: Commits, clock: Clock, own: OwnRequests
    ) -> None:
        self._connection = connection
        self._standing = standing
        self._commits = commits
        self._clock = clock
        self._own = own
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to destroy."""
        self._wake.set()

    async def sweep_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.sweep()
            except Retryable as fault:
                log.info("destroyed answers are not certified yet", extra={"fault": fault.what})
            except GlomarError as fault:
                log.error("answers can't be destroyed", extra={"fault": fault.what})
            try:
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def sweep(self) -> None:
        """All that is due, up to acks that the stream has. Raises Retryable."""
        await self._date()
        await self._expire()
        await self._certify()
        await self._publish()

    async def _date(self) -> None:
        """Answers that a store of version 1 holds do not say when they expire."""
        last: list[Entry] = []
        while found := await self._commits.read(partial(Store.undated, limit=PAGE)):
            if found == last:
                return
            last = found
            await self._commits.durable([dated for entry in found if (dated := self._dated(entry))])

    def _dated(self, entry: Entry) -> Dated | None:
        request_id, identity = entry.asked.request_id, self._standing.identity
        try:
            release = identity.vault.unlock(request_id, entry.release or b"")
            return Dated(request_id, verify(release, entry.asked, identity).kept_until)
        except IntegrityError as fault:
            # It is handed out to nobody, and said to whoever asks for it.
            log.error("a stored answer can't be read", extra={"fault": fault.what})
            return None

    async def _expire(self) -> None:
        now = self._clock()
        while found := await self._commits.read(partial(Store.expired, now=now, limit=PAGE)):
            await self._commits.durable([Withdrawn(request_id, "expiry") for request_id in found])

    async def _certify(self) -> None:
        while found := await self._commits.read(partial(Store.uncertified, limit=PAGE)):
            await self._commits.read(Store.scrub)
            await self._commits.durable([self._certificate(each) for each in found])

    def _certificate(self, withdrawn: Withdrawn) -> Certified:
        identity = self._standing.identity
        ack = Ack(
            request_id=withdrawn.request_id,
            subject=identity.subjects.ack(identity.agency, withdrawn.request_id),
            agreement=identity.subjects.agreement,
            agency=identity.agency,
            cause=withdrawn.cause,
            destroyed_at=self._clock(),
            certified_by=f"glomar-requester of {identity.agency}",
        )
        return Certified(withdrawn.request_id, seal_envelope(ack, [identity.signer]))

    async def _publish(self) -> None:
        while found := await self._commits.read(partial(Store.unacknowledged, limit=PAGE)):
            sequences = await publish_acks(self._connection, self._standing.identity, found)
            stored = [Acknowledged(each.request_id) for each in found]
            await self._commits.durable([*stored, *self._own.acks(sequences, found)])

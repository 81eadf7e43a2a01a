"""Destroys recalled and expired answers, and publishes a certificate of destruction for each to the ledger.

Each step starts from the store, so a crash between two steps changes nothing. An answer's bytes are destroyed
before its certificate is signed, and the certificate is stored before it is published.
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
from glomar_requester.ledger_watch import LedgerWatch
from glomar_requester.store.group_commit import GroupCommit
from glomar_requester.store.records import Acknowledged, Certified, ExpirySet, StoredRequest, Withdrawn
from glomar_requester.store.store import Store
from glomar_requester.verification.notice import AgencyState
from glomar_requester.verification.release import verify_release

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 5.0
PAGE = 500


class RetentionSweep:
    def __init__(
        self,
        connection: Connection,
        state: AgencyState,
        store: GroupCommit,
        clock: Clock,
        ledger_watch: LedgerWatch,
    ) -> None:
        self._connection = connection
        self._state = state
        self._store = store
        self._clock = clock
        self._ledger_watch = ledger_watch
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to destroy: sweep at once."""
        self._wake.set()

    async def sweep_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.sweep()
            except Retryable as fault:
                log.info("certificates of destruction are not published yet", extra={"fault": fault.what})
            except GlomarError as fault:
                log.error("answers can't be destroyed", extra={"fault": fault.what})
            try:
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def sweep(self) -> None:
        """Everything that is due, up to acks that the stream holds. Raises Retryable."""
        await self._set_expiry()
        await self._withdraw_expired()
        await self._certify_destruction()
        await self._publish_certificates()

    async def _set_expiry(self) -> None:
        """For answers that a store of version 1 holds: it has no expiry."""
        last: list[StoredRequest] = []
        while found := await self._store.read(partial(Store.without_expiry, limit=PAGE)):
            if found == last:
                return
            last = found
            await self._store.write([expiry for entry in found if (expiry := self._expiry(entry))])

    def _expiry(self, entry: StoredRequest) -> ExpirySet | None:
        request_id, identity = entry.request.request_id, self._state.identity
        try:
            release = identity.vault.unlock(request_id, entry.release or b"")
            return ExpirySet(request_id, verify_release(release, entry.request, identity).retain_until)
        except IntegrityError as fault:
            # It is never handed out: every request for it raises this error.
            log.error("a stored answer failed verification", extra={"fault": fault.what})
            return None

    async def _withdraw_expired(self) -> None:
        now = self._clock()
        while found := await self._store.read(partial(Store.expired, now=now, limit=PAGE)):
            await self._store.write([Withdrawn(request_id, "expiry") for request_id in found])

    async def _certify_destruction(self) -> None:
        while found := await self._store.read(partial(Store.uncertified, limit=PAGE)):
            await self._store.read(Store.scrub)
            await self._store.write([self._certificate(each) for each in found])

    def _certificate(self, withdrawn: Withdrawn) -> Certified:
        identity = self._state.identity
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

    async def _publish_certificates(self) -> None:
        while found := await self._store.read(partial(Store.unacknowledged, limit=PAGE)):
            sequences = await publish_acks(self._connection, self._state.identity, found)
            stored = [Acknowledged(each.request_id) for each in found]
            await self._store.write([*stored, *self._ledger_watch.record_acks(sequences, found)])

"""The audit loop: every message of the stream, in order, into the ledger, then releases. Called by the app.

The ledger owns the cursor. What the feed repeats is skipped and what it left out is fetched by sequence, so
no acknowledgement state can be lost, and a start after a crash is nothing special.
"""

import asyncio
import logging
from collections.abc import Sequence

from glomar_runtime.delivery import Stored, get_by_sequence, stream_state
from glomar_schemas.errors import IntegrityError, Refused
from glomar_schemas.messages import Sealed
from glomar_schemas.sealing import Sealer
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.client import Client

from glomar_auditor.release import Releaser, stored_leaf
from glomar_auditor.sequencer import Ledger

log = logging.getLogger(__name__)

FETCHES_IN_FLIGHT = 100


class Outgoing(Struct, frozen=True):
    """A release ready to be pushed to its agency."""

    agency: str
    request_id: str
    sealed: Sealed
    verdict_sequence: int


class Recorder:
    """Appends to the one ledger; the only caller of `Ledger.append`."""

    def __init__(self, ledger: Ledger, subjects: Subjects, releaser: Releaser) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._releaser = releaser
        self._one_at_a_time = asyncio.Lock()

    async def record(self, client: Client, arrived: Sequence[Stored]) -> list[Outgoing]:
        """Makes the messages, and any before them that are missing, durable. Returns what may be released.

        Raises IntegrityError (the stream lost or changed something), Fatal (storage), Unreachable.
        """
        async with self._one_at_a_time:
            recorded = self._ledger.size
            fresh = {message.sequence: message for message in arrived if message.sequence > recorded}
            missing = set(range(recorded + 1, max(fresh, default=recorded) + 1)) - fresh.keys()
            found = [*fresh.values(), *await self._fetch(client, sorted(missing))]
            found.sort(key=lambda message: message.sequence)
            self._ledger.append([stored_leaf(message) for message in found])
            return self.releases(found)

    async def compare(self, client: Client, *, catch_up: bool) -> list[Outgoing]:
        """Raises IntegrityError if the stream is shorter than the ledger.

        catch_up: records what the feed did not bring, after a start or when it lost the newest messages.
        """
        recorded = self._ledger.size
        state = await stream_state(client, self._subjects.stream)
        if state.last_sequence < recorded:
            raise IntegrityError(
                f"the stream ends at {state.last_sequence}, the ledger at {recorded}",
                where=self._subjects.stream,
                fix="The stream lost messages. Nothing is released until it is restored",
            )
        released: list[Outgoing] = []
        while catch_up and self._ledger.size < state.last_sequence:
            first = self._ledger.size + 1
            wanted = range(first, min(state.last_sequence, first + FETCHES_IN_FLIGHT - 1) + 1)
            released += await self.record(client, await self._fetch(client, wanted))
        return released

    def releases(self, messages: Sequence[Stored]) -> list[Outgoing]:
        """The verdicts among recorded messages, sealed to their agencies with one key a batch."""
        sealers: dict[str, Sealer] = {}
        outgoing = []
        for message in messages:
            try:
                address = self._subjects.parse(message.subject)
                if address.kind != "verdict":
                    continue
                if address.agency not in sealers:
                    sealers[address.agency] = self._releaser.sealer(address.agency, message.time_ns)
                receipt = self._ledger.receipt(message.sequence - 1)
                sealed = self._releaser.release(message, receipt, sealers[address.agency])
            except Refused as fault:
                # It stays recorded as what it is; an answer that its holder did not sign is never handed on.
                log.error("withheld", extra={"sequence": message.sequence, "fault": fault.what})
                continue
            outgoing.append(Outgoing(address.agency, address.token, sealed, message.sequence))
        return outgoing

    async def _fetch(self, client: Client, sequences: Sequence[int]) -> list[Stored]:
        found: list[Stored] = []
        for start in range(0, len(sequences), FETCHES_IN_FLIGHT):
            some = sequences[start : start + FETCHES_IN_FLIGHT]
            calls = (get_by_sequence(client, self._subjects.stream, sequence) for sequence in some)
            for sequence, stored in zip(some, await asyncio.gather(*calls), strict=True):
                if stored is None:
                    raise IntegrityError(
                        f"the stream no longer holds sequence {sequence}",
                        where=self._subjects.stream,
                        fix="Something was removed before it was recorded. Nothing more is released",
                    )
                found.append(stored)
        return found

"""The audit loop: every message of the stream, in order, into the ledger, then releases. Called by the app.

The ledger owns the cursor. What the feed repeats is skipped and what it left out is fetched by sequence, so
no acknowledgement state can be lost, and a start after a crash is nothing special.
"""

import asyncio
from collections.abc import Sequence

from glomar_runtime.delivery import Stored, get_by_sequence, stream_state
from glomar_schemas.errors import IntegrityError
from glomar_schemas.subjects import Subjects
from nats.aio.client import Client

from glomar_auditor.release import stored_leaf
from glomar_auditor.sequencer import Ledger

FETCHES_IN_FLIGHT = 100


class Recorder:
    """Appends to the one ledger; the only caller of `Ledger.append`."""

    def __init__(self, ledger: Ledger, subjects: Subjects) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._one_at_a_time = asyncio.Lock()

    async def record(self, client: Client, arrived: Sequence[Stored]) -> list[Stored]:
        """Makes the messages, and any that are missing before them, durable -> what was recorded, in order.

        Raises IntegrityError (the stream lost or changed something), Fatal (storage), Unreachable.
        """
        async with self._one_at_a_time:
            recorded = self._ledger.size
            fresh = {message.sequence: message for message in arrived if message.sequence > recorded}
            missing = set(range(recorded + 1, max(fresh, default=recorded) + 1)) - fresh.keys()
            found = [*fresh.values(), *await self._fetch(client, sorted(missing))]
            found.sort(key=lambda message: message.sequence)
            self._ledger.append([stored_leaf(message) for message in found])
            return found

    async def compare(self, client: Client, *, catch_up: bool) -> list[Stored]:
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
        added: list[Stored] = []
        while catch_up and self._ledger.size < state.last_sequence:
            first = self._ledger.size + 1
            wanted = range(first, min(state.last_sequence, first + FETCHES_IN_FLIGHT - 1) + 1)
            added += await self.record(client, await self._fetch(client, wanted))
        return added

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

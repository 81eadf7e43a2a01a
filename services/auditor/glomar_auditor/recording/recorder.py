"""Records every message of the stream, in order, in the ledger.

The ledger owns the cursor: repeated deliveries are skipped, and missing messages are fetched by sequence. So
no acknowledgement state can be lost, and a start after a crash takes the same path.
"""

import asyncio
import logging
from collections.abc import Sequence

from glomar_runtime.bus.stream import Stored, get_by_sequence, lost_sequences, next_by_subject
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Gap
from nats.aio.client import Client
from opentelemetry import metrics

from glomar_auditor.ledger.ledger import Ledger, stored_leaf
from glomar_auditor.recording.consistency import ConsistencyWatch
from glomar_auditor.recording.contradictions import GAP_ATTEMPTS, is_gap, unreadable

log = logging.getLogger(__name__)

FETCHES_IN_FLIGHT = 100


class Recorder:
    """The only caller of `Ledger.append`."""

    def __init__(self, ledger: Ledger, subjects: Subjects, watch: ConsistencyWatch) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._watch = watch
        self._one_at_a_time = asyncio.Lock()
        self._missing_since, self._attempts = 0, 0
        self._gaps = metrics.get_meter("glomar_auditor").create_counter(
            "glomar.ledger.gaps", description="sequences that the stream lost before they were recorded"
        )

    async def record(self, client: Client, delivered: Sequence[Stored]) -> list[Stored]:
        """Records the messages, and those missing before them, durably -> what was recorded, in order.

        Stops before a message that the stream does not return. Raises Fatal (storage), Unreachable.
        """
        async with self._one_at_a_time:
            recorded = self._ledger.size
            known = [message for message in delivered if message.sequence <= recorded]
            # First and last are enough: sequences given to other messages are so from some point on.
            repeated = [*known[:1], *known[-1:]]
            if not await self._watch.settled(client) or not all(map(self._watch.agrees, repeated)):
                return []
            fresh = {message.sequence: message for message in delivered if message.sequence > recorded}
            missing = set(range(recorded + 1, max(fresh, default=recorded) + 1)) - fresh.keys()
            fresh |= {message.sequence: message for message in await self._fetch(client, sorted(missing))}
            # Again, since the connection may be new by now. From here on nothing is awaited.
            if not await self._watch.settled(client):
                return []
            found: list[Stored] = []
            while (message := fresh.get(recorded + len(found) + 1)) is not None:
                found.append(message)
            self._ledger.append([stored_leaf(message) for message in found])
            return found

    async def catch_up(self, client: Client, last: int) -> list[Stored]:
        """Records what was not delivered, up to sequence `last` or a message that the stream does not return.

        Raises as record.
        """
        added: list[Stored] = []
        while (size := self._ledger.size) < last:
            wanted = range(size + 1, min(last, size + FETCHES_IN_FLIGHT) + 1)
            added += await self.record(client, await self._fetch(client, wanted))
            if self._ledger.size == size:
                if self._watch.may_record:
                    await self._give_up(client, size + 1)
                break
        return added

    async def _give_up(self, client: Client, first: int) -> None:
        """Records what is missing from `first` on as gaps, once no message can be stored there any more."""
        following = await next_by_subject(client, self._subjects.stream, ">", first)
        if following is None or following.sequence == first:
            # Without a later message the server could still give the sequence to another.
            self._attempts = 0
            return
        missing = range(first, following.sequence)
        self._attempts = self._attempts + 1 if self._missing_since == first else 1
        self._missing_since = first
        log.warning("the stream does not return a message", extra={"sequence": first, "count": len(missing)})
        lost = await lost_sequences(client, self._subjects.stream)
        async with self._one_at_a_time:
            if not await self._watch.settled(client) or self._ledger.size != first - 1:
                return
            if is_gap(missing, lost, self._attempts):
                self._ledger.append([Gap(sequence) for sequence in missing])
                self._gaps.add(len(missing))
                log.error(
                    "gap: the stream lost messages before they were recorded",
                    extra={"sequence": first, "count": len(missing)},
                )
            elif self._attempts >= GAP_ATTEMPTS:
                self._watch.halt(unreadable(first))

    async def _fetch(self, client: Client, sequences: Sequence[int]) -> list[Stored]:
        """The messages that the stream returns, in order."""
        found: list[Stored] = []
        for start in range(0, len(sequences), FETCHES_IN_FLIGHT):
            some = sequences[start : start + FETCHES_IN_FLIGHT]
            calls = (get_by_sequence(client, self._subjects.stream, sequence) for sequence in some)
            found += [stored for stored in await asyncio.gather(*calls) if stored is not None]
        return found

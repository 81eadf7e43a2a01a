"""The audit loop: every message of the stream, in order, into the ledger, then releases. Called by the app.

The ledger owns the cursor. What the feed repeats is skipped and what it left out is fetched by sequence, so
no acknowledgement state can be lost, and a start after a crash is nothing special.
"""

import asyncio
import logging
from collections.abc import Sequence

from glomar_runtime.bus.stream import Stored, get_by_sequence, lost_sequences, next_by_subject
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Gap
from nats.aio.client import Client
from opentelemetry import metrics

from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.recording.consistency import Watch
from glomar_auditor.recording.contradictions import GAP_LOOKS, is_gap, unreadable
from glomar_auditor.releasing.release import stored_leaf

log = logging.getLogger(__name__)

FETCHES_IN_FLIGHT = 100


class Recorder:
    """Appends to the one ledger; the only caller of `Ledger.append`."""

    def __init__(self, ledger: Ledger, subjects: Subjects, watch: Watch) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._watch = watch
        self._one_at_a_time = asyncio.Lock()
        self._absent, self._looks = 0, 0
        self._gaps = metrics.get_meter("glomar_auditor").create_counter(
            "glomar.ledger.gaps", description="sequences that the stream lost before they were recorded"
        )

    async def record(self, client: Client, arrived: Sequence[Stored]) -> list[Stored]:
        """Makes the messages, and any that are missing before them, durable -> what was recorded, in order.

        Stops before a message that the stream does not hand out. Raises Fatal (storage), Unreachable.
        """
        async with self._one_at_a_time:
            recorded = self._ledger.size
            known = [message for message in arrived if message.sequence <= recorded]
            # The first and the last: sequences that were given to others are so from some point on.
            repeated = [*known[:1], *known[-1:]]
            if not await self._watch.settled(client) or not all(map(self._watch.agrees, repeated)):
                return []
            fresh = {message.sequence: message for message in arrived if message.sequence > recorded}
            missing = set(range(recorded + 1, max(fresh, default=recorded) + 1)) - fresh.keys()
            fresh |= {message.sequence: message for message in await self._fetch(client, sorted(missing))}
            # Again, since the connection may be another by now; nothing is awaited from here on.
            if not await self._watch.settled(client):
                return []
            found: list[Stored] = []
            while (message := fresh.get(recorded + len(found) + 1)) is not None:
                found.append(message)
            self._ledger.append([stored_leaf(message) for message in found])
            return found

    async def catch_up(self, client: Client, last: int) -> list[Stored]:
        """Records what the feed did not bring, up to sequence `last` or a message that is not handed out.

        Called after a start, and when the feed lost the newest messages. Raises as record.
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
        """Records what is missing from `first` on as gaps, once no message can come there any more."""
        behind = await next_by_subject(client, self._subjects.stream, ">", first)
        if behind is None or behind.sequence == first:
            # With no message behind it the server could still give the sequence to another.
            self._looks = 0
            return
        missing = range(first, behind.sequence)
        self._looks = self._looks + 1 if self._absent == first else 1
        self._absent = first
        log.warning("not handed out", extra={"sequence": first, "count": len(missing)})
        lost = await lost_sequences(client, self._subjects.stream)
        async with self._one_at_a_time:
            if not await self._watch.settled(client) or self._ledger.size != first - 1:
                return
            if is_gap(missing, lost, self._looks):
                self._ledger.append([Gap(sequence) for sequence in missing])
                self._gaps.add(len(missing))
                log.error(
                    "gap: the stream lost messages before they were recorded",
                    extra={"sequence": first, "count": len(missing)},
                )
            elif self._looks >= GAP_LOOKS:
                self._watch.halt(unreadable(first))

    async def _fetch(self, client: Client, sequences: Sequence[int]) -> list[Stored]:
        """Those that the stream hands out."""
        found: list[Stored] = []
        for start in range(0, len(sequences), FETCHES_IN_FLIGHT):
            some = sequences[start : start + FETCHES_IN_FLIGHT]
            calls = (get_by_sequence(client, self._subjects.stream, sequence) for sequence in some)
            found += [stored for stored in await asyncio.gather(*calls) if stored is not None]
        return found

"""Compares stream and ledger for as long as the auditor runs, and halts releases when they differ.

Called by the app: each second, and before anything is recorded on a new connection. A halt ends with the
process: whoever starts it again has looked, and everything is compared anew.
"""

import asyncio
import logging
import random
from collections.abc import Sequence

import msgspec
from glomar_runtime.bus.stream import Stored, StreamState, get_by_sequence, lost_sequences, stream_state
from glomar_runtime.bus.topology import differing, retired_config, stream_config
from glomar_schemas.errors import IntegrityError
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Gap
from glomar_schemas.tlog.note import VerifierKey
from nats.aio.client import Client
from opentelemetry import metrics

from glomar_auditor.ledger.incarnations import is_opening
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.recording import contradictions as comparison
from glomar_auditor.recording.contradictions import Contradiction
from glomar_auditor.recording.stream_origin import OriginFile
from glomar_auditor.releasing.release import stored_leaf

log = logging.getLogger(__name__)

FIRST_SPOT_CHECKS = 64
SPOT_CHECKS = 4
"""Older messages, chosen at random, that each comparison reads besides the newest."""


class Watch:
    """The one judge of whether anything may be recorded or released."""

    def __init__(
        self,
        ledger: Ledger,
        subjects: Subjects,
        origin: OriginFile,
        predecessor: Sequence[VerifierKey] = (),
    ) -> None:
        """predecessor: the keys of the ledger of the incarnation before; none for the first."""
        self._ledger = ledger
        self._subjects = subjects
        self._origin = origin
        self._predecessor = predecessor
        self._is_opened = not predecessor
        self._halted: Contradiction | None = None
        self._gaps: set[int] = set()
        self._connection = -1
        self._one_at_a_time = asyncio.Lock()
        self._metric = metrics.get_meter("glomar_auditor").create_gauge(
            "glomar.ledger.halted", description="1 while releases are halted, 0 otherwise"
        )
        self._metric.set(0)

    @property
    def halted(self) -> bool:
        """Nothing is released."""
        return self._halted is not None

    @property
    def may_record(self) -> bool:
        return self._halted is None or self._halted.may_record

    @property
    def shown(self) -> dict[str, object]:
        """For /status: the halt, if there is one, and how many sequences the stream does not hold."""
        return {
            "halted": msgspec.structs.asdict(self._halted) if self._halted else None,
            "gaps": len(self._gaps),
        }

    async def check(self) -> None:
        """For readiness. Raises IntegrityError while halted."""
        if self._halted is not None:
            raise IntegrityError(f"releases are halted: {self._halted.what}", fix=self._halted.fix)

    async def settled(self, client: Client) -> bool:
        """Whether what this connection brings may be recorded.

        A server that was started again may have lost messages and give out their sequences anew, so nothing
        of a new connection is taken before a comparison. Raises Unreachable.
        """
        if not self._is_same(client):
            await self.compare(client)
        return self.may_record

    async def compare(self, client: Client) -> int:
        """Compares what can be -> the last sequence of the stream. Raises Unreachable."""
        async with self._one_at_a_time:
            connection = client.stats["reconnects"]
            if not self.may_record:
                return self._ledger.size
            size = self._ledger.size
            try:
                state = await stream_state(client, self._subjects.stream)
            except IntegrityError:
                self.halt(comparison.gone(size))
                return size
            if (found := await self._contradiction(client, state, size)) is not None:
                self.halt(found)
            if self.may_record:
                self._connection = connection
            return state.last_sequence

    def agrees(self, stored: Stored) -> bool:
        """Whether the ledger recorded this very message under its sequence. Halts if it recorded another."""
        recorded = self._ledger.leaf(stored.sequence - 1)
        found = comparison.of_message(stored.sequence, recorded, stored_leaf(stored))
        if found is not None:
            self.halt(found)
        return found is None and not isinstance(recorded, Gap)

    def halt(self, found: Contradiction) -> None:
        """The first contradiction counts, unless a later one forbids more."""
        if self._halted is not None and (found.may_record or not self._halted.may_record):
            return
        self._halted = found
        self._metric.set(1)
        log.error(
            "releases are halted",
            extra={
                "where": found.kind,
                "sequence": found.since,
                "fault": f"{found.what}. {found.meaning}. {found.fix}",
            },
        )

    async def _contradiction(self, client: Client, state: StreamState, size: int) -> Contradiction | None:
        made = self._origin.created or state.created
        found = (
            comparison.of_state(state.created, state.last_sequence, made=made, size=size)
            or await self._unopened(client, state)
            or await self._missing(client, state, size)
            or await self._differing(client, size)
        )
        if found is None and not self._origin.created:
            self._origin.note(state.created)
        return found or comparison.of_settings(self._other_settings(state), size)

    async def _unopened(self, client: Client, state: StreamState) -> Contradiction | None:
        """Nothing is recorded of a new incarnation that does not rest on the one before."""
        if self._is_opened or state.last_sequence == 0:
            return None
        first = await get_by_sequence(client, self._subjects.stream, 1)
        self._is_opened = first is not None and is_opening(first, self._subjects, self._predecessor)
        return None if self._is_opened else comparison.unopened()

    def _other_settings(self, state: StreamState) -> list[str]:
        demanded = (retired_config if state.config.get("sealed") else stream_config)(self._subjects)
        # How many nodes keep a copy is the operator's to change.
        del demanded["num_replicas"]
        return differing(demanded, state.config)

    async def _missing(self, client: Client, state: StreamState, size: int) -> Contradiction | None:
        """Whether the stream says itself that it lost what the ledger recorded."""
        if state.lost == len(self._gaps) and self._is_same(client):
            return None
        lost = [each for each in await lost_sequences(client, self._subjects.stream) if each <= size]
        unexplained = [each for each in lost if each not in self._gaps and not self._is_gap(each)]
        if unexplained:
            return comparison.of_lost(unexplained)
        self._gaps = set(lost)
        return None

    async def _differing(self, client: Client, size: int) -> Contradiction | None:
        """Reads the newest recorded message and some others."""
        if size == 0:
            return None
        number = SPOT_CHECKS if self._is_same(client) else FIRST_SPOT_CHECKS
        others = random.sample(range(1, size + 1), min(number, size))
        chosen = sorted({*others, size})
        looks = await asyncio.gather(*(self._look(client, each) for each in chosen))
        wrong = [found for found in looks if found is not None]
        if not wrong:
            return None
        return await self._first(client, wrong[0])

    async def _first(self, client: Client, found: Contradiction) -> Contradiction:
        """Where it begins: the one before agrees."""
        agrees = 0
        while found.since - agrees > 1:
            middle = (agrees + found.since) // 2
            earlier = await self._look(client, middle)
            if earlier is None:
                agrees = middle
            else:
                found = earlier
        return found

    async def _look(self, client: Client, sequence: int) -> Contradiction | None:
        recorded = self._ledger.leaf(sequence - 1)
        if isinstance(recorded, Gap):
            return None
        stored = await get_by_sequence(client, self._subjects.stream, sequence)
        return comparison.of_message(sequence, recorded, stored_leaf(stored) if stored else None)

    def _is_gap(self, sequence: int) -> bool:
        return isinstance(self._ledger.leaf(sequence - 1), Gap)

    def _is_same(self, client: Client) -> bool:
        """Whether a comparison was finished on this connection."""
        return bool(self._connection == client.stats["reconnects"])

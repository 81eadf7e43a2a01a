"""Compares stream and ledger while the auditor runs, and halts releases when they differ.

A halt lasts until the process ends. After the next start everything is compared again.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
from glomar_runtime.bus.stream import Stored, StreamState, get_by_sequence, lost_sequences, stream_state
from glomar_runtime.bus.topology import differing, retired_config, stream_config
from glomar_schemas.errors import IntegrityError
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Gap
from glomar_schemas.tlog.note import VerifierKey
from nats.aio.client import Client
from opentelemetry import metrics

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.incarnations import is_opening
from glomar_auditor.ledger.ledger import Ledger, stored_leaf
from glomar_auditor.recording import contradictions
from glomar_auditor.recording.contradictions import Contradiction

log = logging.getLogger(__name__)

FIRST_SPOT_CHECKS = 64
SPOT_CHECKS = 4
"""Older messages, chosen at random, that a comparison reads besides the newest; more on a new connection."""


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    stream: str
    created: str


class OriginFile:
    """`stream.json` in the ledger's directory: when the recorded stream was created.

    A stream that was deleted and created again has the same name and starts again at sequence 1. The caller
    holds the ledger's lock.
    """

    def __init__(self, directory: Path, stream: str, disk: Disk | None = None) -> None:
        """Raises IntegrityError for a file that is malformed or names another stream."""
        self._path = directory / "stream.json"
        self._stream = stream
        self._disk = disk or Disk()
        self.created = self._read()
        """RFC 3339; "" before the first comparison without a contradiction."""

    def note(self, created: str) -> None:
        """Durably. Raises OSError."""
        content = msgspec.json.encode(_Origin(1, self._stream, created))
        self._disk.replace_durably(self._path, content + b"\n")
        self.created = created

    def _read(self) -> str:
        if not self._path.exists():
            return ""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_Origin)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        if found is None or found.stream != self._stream:
            raise IntegrityError(
                "malformed, or of another stream",
                where=str(self._path),
                fix="Restore it from a copy of the ledger's directory",
            )
        return found.created


class ConsistencyWatch:
    """Decides whether anything may be recorded or released."""

    def __init__(
        self,
        ledger: Ledger,
        subjects: Subjects,
        origin: OriginFile,
        predecessor: Sequence[VerifierKey] = (),
    ) -> None:
        """predecessor: the keys of the previous incarnation's ledger; none for the first incarnation."""
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
    def is_halted(self) -> bool:
        """While true, nothing is released."""
        return self._halted is not None

    @property
    def may_record(self) -> bool:
        return self._halted is None or self._halted.may_record

    def status(self) -> dict[str, object]:
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
        """Whether messages of this connection may be recorded. Raises Unreachable.

        A restarted server may have lost messages and may give their sequences to others. So on a new
        connection a comparison comes first.
        """
        if not self._is_compared(client):
            await self.compare(client)
        return self.may_record

    async def compare(self, client: Client) -> int:
        """Compares stream and ledger, and halts if they differ -> the stream's last sequence.

        Raises Unreachable.
        """
        async with self._one_at_a_time:
            connection = client.stats["reconnects"]
            if not self.may_record:
                return self._ledger.size
            size = self._ledger.size
            try:
                state = await stream_state(client, self._subjects.stream)
            except IntegrityError:
                self.halt(contradictions.gone(size))
                return size
            if (found := await self._contradiction(client, state, size)) is not None:
                self.halt(found)
            if self.may_record:
                self._connection = connection
            return state.last_sequence

    def agrees(self, stored: Stored) -> bool:
        """Whether the ledger recorded this message under its sequence. Halts if it recorded another."""
        recorded = self._ledger.leaf(stored.sequence - 1)
        found = contradictions.of_message(stored.sequence, recorded, stored_leaf(stored))
        if found is not None:
            self.halt(found)
        return found is None and not isinstance(recorded, Gap)

    def halt(self, found: Contradiction) -> None:
        """Keeps the first contradiction, unless a later one forbids more."""
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
        created = self._origin.created or state.created
        found = (
            contradictions.of_state(state.created, state.last_sequence, ledger_created=created, size=size)
            or await self._unopened(client, state)
            or await self._missing(client, state, size)
            or await self._differing(client, size)
        )
        if found is None and not self._origin.created:
            self._origin.note(state.created)
        return found or contradictions.of_settings(self._other_settings(state), size)

    async def _unopened(self, client: Client, state: StreamState) -> Contradiction | None:
        """A new incarnation is recorded only if its first message is the previous final checkpoint."""
        if self._is_opened or state.last_sequence == 0:
            return None
        first = await get_by_sequence(client, self._subjects.stream, 1)
        self._is_opened = first is not None and is_opening(first, self._subjects, self._predecessor)
        return None if self._is_opened else contradictions.unopened()

    def _other_settings(self, state: StreamState) -> list[str]:
        required = (retired_config if state.config.get("sealed") else stream_config)(self._subjects)
        # The operator may change the number of replicas.
        del required["num_replicas"]
        return differing(required, state.config)

    async def _missing(self, client: Client, state: StreamState, size: int) -> Contradiction | None:
        """Whether the stream reports recorded sequences as lost."""
        if state.lost == len(self._gaps) and self._is_compared(client):
            return None
        lost = [each for each in await lost_sequences(client, self._subjects.stream) if each <= size]
        unexplained = [each for each in lost if each not in self._gaps and not self._is_gap(each)]
        if unexplained:
            return contradictions.of_lost(unexplained)
        self._gaps = set(lost)
        return None

    async def _differing(self, client: Client, size: int) -> Contradiction | None:
        """Reads the newest recorded message and some older ones."""
        if size == 0:
            return None
        number = SPOT_CHECKS if self._is_compared(client) else FIRST_SPOT_CHECKS
        others = random.sample(range(1, size + 1), min(number, size))
        chosen = sorted({*others, size})
        checked = await asyncio.gather(*(self._check_message(client, each) for each in chosen))
        wrong = [found for found in checked if found is not None]
        if not wrong:
            return None
        return await self._first(client, wrong[0])

    async def _first(self, client: Client, found: Contradiction) -> Contradiction:
        """Searches for a sequence that differs while the one before it agrees."""
        agrees = 0
        while found.since - agrees > 1:
            middle = (agrees + found.since) // 2
            earlier = await self._check_message(client, middle)
            if earlier is None:
                agrees = middle
            else:
                found = earlier
        return found

    async def _check_message(self, client: Client, sequence: int) -> Contradiction | None:
        recorded = self._ledger.leaf(sequence - 1)
        if isinstance(recorded, Gap):
            return None
        stored = await get_by_sequence(client, self._subjects.stream, sequence)
        return contradictions.of_message(sequence, recorded, stored_leaf(stored) if stored else None)

    def _is_gap(self, sequence: int) -> bool:
        return isinstance(self._ledger.leaf(sequence - 1), Gap)

    def _is_compared(self, client: Client) -> bool:
        """Whether a comparison has passed on this connection."""
        return bool(self._connection == client.stats["reconnects"])

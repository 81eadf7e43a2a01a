"""Checks that a publisher's own messages are in the published ledger, unchanged.

A publisher records an `OwnMessage` for each message that the stream has acknowledged, and runs
`InclusionWatch.check` at intervals. The check detects an auditor that omits or changes one of these messages,
or that shows two histories.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from typing import Any, Final, Literal, Protocol

import msgspec
from msgspec import Struct

from glomar_schemas.errors import GlomarError, IntegrityError
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.client import Forked, OpenNote, PublishedLog, Source, source
from glomar_schemas.tlog.tree import TILE_WIDTH

log = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 10.0
STALLED_S: Final = 60.0
"""How long a ledger may lack a message without growing before its state is `behind`."""
SHOWN: Final = 100
"""The largest number of absent sequences in a status, and of log lines in one check."""

_PAGE: Final = 5_000
_TIME_CHARS: Final = len('1970-01-01T00:00:00.000000000Z"}')
"""A leaf ends in the stream time, which an acknowledgement does not contain."""


class OwnMessage(Struct, frozen=True, gc=False):
    """A message that the stream has acknowledged. digest: SHA-256 of its leaf without the time, 32 B."""

    sequence: int
    digest: bytes


class InclusionStatus(Struct, frozen=True):
    """What a publisher knows about the ledger, in a form ready for JSON.

    state: `off` (no ledger_url); `ok`; `unchecked` (it can't be read now; `checked_at` is the last check that
    worked); `behind` (it does not grow and lacks newer messages); `alert` (a message is absent, or the ledger
    was rewritten).
    size: its entries at `checked_at`. absent: how many of our messages it lacks. absent_sequences: the first
    of them.
    """

    state: Literal["off", "ok", "unchecked", "behind", "alert"] = "off"
    size: int = 0
    checked_at: datetime | None = None
    absent: int = 0
    absent_sequences: tuple[int, ...] = ()
    fault: str = ""


class InclusionStore(Protocol):
    """What a publisher stores about one ledger, durable across restarts. Each method raises Retryable."""

    async def checkpoints(self) -> tuple[str, str]:
        """The note of the largest checkpoint so far, and of one that contradicts it; "" for none."""
        ...

    async def save_checkpoint(self, note: str, size: int) -> None: ...

    async def save_contradiction(self, note: str) -> None:
        """note: contradicts the saved checkpoint. It is evidence: the first one is never replaced."""
        ...

    async def unconfirmed(self, after: int, through: int, limit: int) -> list[OwnMessage]:
        """The messages with after < sequence <= through that were not confirmed, in order."""
        ...

    async def confirm(self, found: Sequence[OwnMessage]) -> None:
        """Marks messages as found in the ledger."""
        ...


def own_message(sequence: int, subject: str, body_sha256: bytes) -> OwnMessage:
    """body_sha256: 32 B. Raises Malformed."""
    return OwnMessage(sequence, _digest(leaves.encode(leaves.Leaf(sequence, 0, subject, body_sha256))))


def absent(published: PublishedLog, own: Iterable[OwnMessage]) -> list[int]:
    """The sequences whose entry in the ledger is not the one of our message.

    own: in order, none past the end of the log. Reads each bundle once. Raises Unreachable, IntegrityError.
    """
    missing = []
    for index, group in groupby(own, lambda message: (message.sequence - 1) // TILE_WIDTH):
        entries = published.bundle(index)
        for message in group:
            if _digest(entries[(message.sequence - 1) % TILE_WIDTH]) != message.digest:
                missing.append(message.sequence)
    return missing


class Publication(Struct, frozen=True):
    """Where a ledger is published, URL or directory, and the seconds between two checks."""

    where: str
    every_s: float = CHECK_EVERY_S


class InclusionWatch:
    """Checks one ledger for one publisher. status: the result of the last check."""

    def __init__(self, ledger: Publication, open_note: OpenNote, store: InclusionStore) -> None:
        self.ledger = ledger
        self._open_note, self._store = open_note, store
        self._logged: set[int] = set()
        self._observed = ""
        self._observed_size = 0
        self._grown_at: datetime | None = None
        self.status = InclusionStatus("unchecked", fault="it was not checked yet")

    def observe_checkpoint(self, note: str, size: int) -> None:
        """note: a checkpoint from a receipt. The next check requires that the published log extends it."""
        if size > self._observed_size:
            self._observed, self._observed_size = note, size

    async def check(self, now: datetime, in_thread: Callable[..., Awaitable[Any]]) -> InclusionStatus:
        """Reads the published ledger, updates `status` and logs changes. in_thread: asyncio.to_thread.

        Raises no GlomarError: a fault becomes part of the status.
        """
        before = self.status
        try:
            self.status = await self._check(now, in_thread)
        except IntegrityError as fault:
            self.status = msgspec.structs.replace(before, state="alert", fault=str(fault))
        except GlomarError as fault:
            # Such a fault proves nothing, so it does not clear an alert.
            state = "alert" if before.state == "alert" else "unchecked"
            self.status = msgspec.structs.replace(before, state=state, fault=str(fault))
        _log_change(before, self.status)
        return self.status

    async def _check(self, now: datetime, in_thread: Callable[..., Awaitable[Any]]) -> InclusionStatus:
        last, contradiction = await self._store.checkpoints()
        if contradiction:
            raise Forked("the ledger was rewritten; both checkpoints are stored", (last, contradiction))
        with source(self.ledger.where) as files:
            try:
                published: PublishedLog = await in_thread(self._read, files, last)
            except Forked as fork:
                await self._store.save_contradiction(fork.notes[1])
                raise
            await self._store.save_checkpoint(published.note, published.size)
            await self._compare_observed(published, in_thread)
            missing: list[int] = []
            after = 0
            while page := await self._store.unconfirmed(after, published.size, _PAGE):
                page_missing = await in_thread(absent, published, page)
                missing += page_missing
                lost = set(page_missing)
                await self._store.confirm([message for message in page if message.sequence not in lost])
                after = page[-1].sequence
        self._log_absent(missing)
        later = await self._store.unconfirmed(published.size, leaves.MAX_SEQUENCE, 1)
        return self._status(now, published.size, missing, bool(later))

    async def _compare_observed(
        self, published: PublishedLog, in_thread: Callable[..., Awaitable[Any]]
    ) -> None:
        if not self._observed or self._observed_size > published.size:
            return
        note, self._observed = self._observed, ""
        try:
            await in_thread(published.require_extends, note, self._open_note)
        except Forked:
            await self._store.save_contradiction(note)
            raise

    def _read(self, files: Source, last: str) -> PublishedLog:
        published = PublishedLog.read(files, self._open_note)
        if last:
            published.require_extends(last, self._open_note)
        return published

    def _status(self, now: datetime, size: int, missing: Sequence[int], has_later: bool) -> InclusionStatus:
        """has_later: the stream has acknowledged a message past the end of the ledger."""
        if self._grown_at is None or size > self.status.size or not has_later:
            self._grown_at = now
        status = InclusionStatus("ok", size, now, len(missing), tuple(missing[:SHOWN]))
        if missing:
            fault = "the ledger holds other entries in the place of messages that the stream took from us"
            return msgspec.structs.replace(status, state="alert", fault=fault)
        if (now - self._grown_at).total_seconds() > STALLED_S:
            fault = f"the ledger does not grow beyond {size}, and the stream took later messages from us"
            return msgspec.structs.replace(status, state="behind", fault=fault)
        return status

    def _log_absent(self, missing: Sequence[int]) -> None:
        new = [sequence for sequence in missing if sequence not in self._logged]
        self._logged.update(new)
        for sequence in new[:SHOWN]:
            log.error("the ledger lacks a message of ours", extra={"sequence": sequence})


def _digest(entry: bytes) -> bytes:
    return sha256(entry[:-_TIME_CHARS]).digest()


def _log_change(before: InclusionStatus, after: InclusionStatus) -> None:
    """One line when the state changes; absent messages have lines of their own."""
    extra = {"fault": after.fault, "count": after.absent}
    if after.state == before.state and (after.state != "alert" or after.fault == before.fault):
        return
    match after.state:
        case "alert":
            log.error("the ledger is not to be trusted", extra=extra)
        case "behind":
            log.warning("the ledger does not grow", extra=extra)
        case "unchecked":
            log.warning("the ledger can't be checked", extra=extra)
        case _:
            log.info("the ledger is checked")

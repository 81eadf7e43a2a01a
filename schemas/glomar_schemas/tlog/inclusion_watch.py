"""Are a publisher's own messages in the ledger, as it sent them? What it notes of each, and the comparison.

Called by requester and verifier: `noted` when the stream has acknowledged, `OwnMessages.look` from time to
time. An auditor that leaves out or changes a message, or shows two histories, is caught by whoever sent it.
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
from glomar_schemas.tlog.client import Forked, Opened, PublishedLog, Source, source
from glomar_schemas.tlog.tree import TILE_WIDTH

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 10.0
STALLED_S: Final = 60.0
"""How long a ledger may stand still while it lacks a message, before that is said."""
SHOWN: Final = 100
"""Sequences in a standing, the oldest ones."""

_PAGE: Final = 5_000
_TIME_CHARS: Final = len('1970-01-01T00:00:00.000000000Z"}')
"""A leaf ends in the stream's time, which an acknowledgement does not say."""


class Noted(Struct, frozen=True, gc=False):
    """A message that the stream has acknowledged. digest: SHA-256 of its leaf without the time, 32 B."""

    sequence: int
    digest: bytes


class Standing(Struct, frozen=True):
    """What a publisher can say of the ledger, ready for JSON.

    state: `off` (no ledger_url); `ok`; `unchecked` (it can't be read now; `checked_at` says since when);
    `behind` (it stands still and lacks newer messages); `alert` (a message is absent, or it was rewritten).
    size: its entries at `checked_at`. absent_sequences: the oldest of them.
    """

    state: Literal["off", "ok", "unchecked", "behind", "alert"] = "off"
    size: int = 0
    checked_at: datetime | None = None
    absent: int = 0
    absent_sequences: tuple[int, ...] = ()
    fault: str = ""


class Memory(Protocol):
    """What a publisher keeps about one ledger over restarts. Each raises Retryable."""

    async def kept(self) -> tuple[str, str]:
        """The note of the largest checkpoint so far, and of one that contradicts it; "" for none."""
        ...

    async def keep(self, note: str, size: int) -> None: ...

    async def accuse(self, note: str) -> None:
        """A checkpoint that contradicts the one kept. It is evidence: the first one stays for ever."""
        ...

    async def unseen(self, after: int, through: int, limit: int) -> list[Noted]:
        """The noted ones with after < sequence <= through that are not forgotten, in order."""
        ...

    async def forget(self, seen: Sequence[Noted]) -> None:
        """They were seen in the ledger."""
        ...


def noted(sequence: int, subject: str, body_sha256: bytes) -> Noted:
    return Noted(sequence, _digest(leaves.encode(leaves.Leaf(sequence, 0, subject, body_sha256))))


def absent(published: PublishedLog, own: Iterable[Noted]) -> list[int]:
    """The sequences, of those up to the log's end and in order, in whose place it has something else.

    Reads each bundle once. Raises Unreachable, IntegrityError.
    """
    missing = []
    for index, group in groupby(own, lambda each: (each.sequence - 1) // TILE_WIDTH):
        entries = published.bundle(index)
        for each in group:
            if _digest(entries[(each.sequence - 1) % TILE_WIDTH]) != each.digest:
                missing.append(each.sequence)
    return missing


class Publication(Struct, frozen=True):
    """Where a ledger is published, URL or directory, and how often to look at it."""

    where: str
    every_s: float = LOOK_EVERY_S


class OwnMessages:
    """One publisher's watch over one ledger. standing: as of the last look."""

    def __init__(self, ledger: Publication, opened: Opened, memory: Memory) -> None:
        self.ledger = ledger
        self._opened, self._memory = opened, memory
        self._told: set[int] = set()
        self._heard = ""
        self._heard_size = 0
        self._grown_at: datetime | None = None
        self.standing = Standing("unchecked", fault="it was not looked at yet")

    def heard(self, note: str, size: int) -> None:
        """A checkpoint that a receipt rests on: it must belong to the history that is published."""
        if size > self._heard_size:
            self._heard, self._heard_size = note, size

    async def look(self, now: datetime, in_thread: Callable[..., Awaitable[Any]]) -> Standing:
        """Reads the ledger as it is now; what it finds goes to the log too. in_thread: asyncio.to_thread.

        Raises nothing of ours: what went wrong is in the standing.
        """
        before = self.standing
        try:
            self.standing = await self._look(now, in_thread)
        except IntegrityError as fault:
            self.standing = msgspec.structs.replace(before, state="alert", fault=str(fault))
        except GlomarError as fault:
            # No proof of anything: an alert that stands is not taken back by it.
            state = "alert" if before.state == "alert" else "unchecked"
            self.standing = msgspec.structs.replace(before, state=state, fault=str(fault))
        _tell(before, self.standing)
        return self.standing

    async def _look(self, now: datetime, in_thread: Callable[..., Awaitable[Any]]) -> Standing:
        last, accusing = await self._memory.kept()
        if accusing:
            raise Forked("the ledger was rewritten; both checkpoints are kept", (last, accusing))
        with source(self.ledger.where) as files:
            try:
                published: PublishedLog = await in_thread(self._read, files, last)
            except Forked as fork:
                await self._memory.accuse(fork.notes[1])
                raise
            await self._memory.keep(published.note, published.size)
            await self._compare_heard(published, in_thread)
            missing: list[int] = []
            after = 0
            while page := await self._memory.unseen(after, published.size, _PAGE):
                found = await in_thread(absent, published, page)
                missing += found
                lost = set(found)
                await self._memory.forget([each for each in page if each.sequence not in lost])
                after = page[-1].sequence
        self._tell_absent(missing)
        waiting = await self._memory.unseen(published.size, leaves.MAX_SEQUENCE, 1)
        return self._standing(now, published.size, missing, bool(waiting))

    async def _compare_heard(self, published: PublishedLog, in_thread: Callable[..., Awaitable[Any]]) -> None:
        if not self._heard or self._heard_size > published.size:
            return
        note, self._heard = self._heard, ""
        try:
            await in_thread(published.require_extends, note, self._opened)
        except Forked:
            await self._memory.accuse(note)
            raise

    def _read(self, files: Source, last: str) -> PublishedLog:
        published = PublishedLog.read(files, self._opened)
        if last:
            published.require_extends(last, self._opened)
        return published

    def _standing(self, now: datetime, size: int, missing: Sequence[int], waiting: bool) -> Standing:
        if self._grown_at is None or size > self.standing.size or not waiting:
            self._grown_at = now
        found = Standing("ok", size, now, len(missing), tuple(missing[:SHOWN]))
        if missing:
            fault = "the ledger has something else in the place of messages that the stream took from us"
            return msgspec.structs.replace(found, state="alert", fault=fault)
        if (now - self._grown_at).total_seconds() > STALLED_S:
            fault = f"the ledger does not grow beyond {size}, and the stream took later messages from us"
            return msgspec.structs.replace(found, state="behind", fault=fault)
        return found

    def _tell_absent(self, missing: Sequence[int]) -> None:
        fresh = [sequence for sequence in missing if sequence not in self._told]
        self._told.update(fresh)
        for sequence in fresh[:SHOWN]:
            log.error("the ledger lacks a message of ours", extra={"sequence": sequence})


def _digest(entry: bytes) -> bytes:
    return sha256(entry[:-_TIME_CHARS]).digest()


def _tell(before: Standing, after: Standing) -> None:
    """When the state changes; each absent message is told by itself."""
    extra = {"fault": after.fault, "count": after.absent}
    if after.state == before.state and (after.state != "alert" or after.fault == before.fault):
        return
    match after.state:
        case "alert":
            log.error("the ledger is not to be trusted", extra=extra)
        case "behind":
            log.warning("the ledger stands still", extra=extra)
        case "unchecked":
            log.warning("the ledger can't be checked", extra=extra)
        case _:
            log.info("the ledger is checked")

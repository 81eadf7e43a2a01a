"""Checks that the messages which the stream stored for the verifier are in the ledger.

Notes that are not written yet are lost with the process. Such a message is not checked; nothing else depends
on it.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from glomar_schemas.agreement.versions import Versions
from glomar_schemas.errors import Misconfigured, Retryable
from glomar_schemas.keys import KeyRing
from glomar_schemas.publish import Outgoing
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.client import OpenNote, signed_by
from glomar_schemas.tlog.inclusion_tables import TABLES, Database, InclusionTables, Write
from glomar_schemas.tlog.inclusion_watch import InclusionStatus, InclusionWatch, Publication, own_message
from glomar_schemas.tlog.note import Checkpoint, format_vkey, parse_vkey

from glomar_verifier.settings import VerifierSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

WRITE_EVERY_S = 1.0
BUSY_S = 10.0


class VerifierLedgerWatch:
    """One file for one verifier; the recall commands may share it."""

    def __init__(self, path: Path, ledger: Publication, origin: str, open_note: OpenNote) -> None:
        """Raises Misconfigured."""
        try:
            self._database = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=BUSY_S
            )
            # NORMAL: no commit waits for the disk, and a power cut may lose the notes of the last second.
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *TABLES):
                self._database.execute(statement)
        except sqlite3.Error:
            raise Misconfigured("the list of own messages can't be opened", where=str(path)) from None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-watch")
        self._stored: list[tuple[int, Outgoing]] = []
        self._tables = InclusionTables(origin, self._write, self._read)
        self._watch = InclusionWatch(ledger, open_note, self._tables)

    @property
    def status(self) -> InclusionStatus:
        return self._watch.status

    def on_stored(self, sequences: Sequence[int], messages: Sequence[Outgoing]) -> None:
        """Notes messages that the stream has stored. Cheap: they are hashed and written later."""
        self._stored.extend(zip(sequences, messages, strict=True))

    async def flush(self) -> None:
        """Writes the notes. Raises Retryable: they are kept for the next attempt."""
        notes, self._stored = self._stored, []
        try:
            await self._in_thread(lambda: self._write_notes(notes))
        except Retryable:
            self._stored = notes + self._stored
            raise

    async def watch(self) -> None:
        """Writes notes and compares them with the ledger until it is cancelled."""
        every_s = self._watch.ledger.every_s
        clock = asyncio.get_running_loop().time
        checked_at = clock()
        while True:
            await asyncio.sleep(min(WRITE_EVERY_S, every_s))
            try:
                await self.flush()
            except Retryable as fault:
                log.warning("own messages are not noted", extra={"fault": fault.what})
            if clock() - checked_at >= every_s:
                await self._watch.check(datetime.now(UTC), asyncio.to_thread)
                checked_at = clock()

    def close(self) -> None:
        """Writes the notes that are left."""
        self._thread.shutdown()
        try:
            self._write_notes(self._stored)
        except sqlite3.Error as error:
            log.warning("own messages are not noted", extra={"error_type": type(error).__name__})
        self._database.close()

    def _write_notes(self, stored: Sequence[tuple[int, Outgoing]]) -> None:
        if stored:
            own = [
                own_message(sequence, each.subject, sha256(each.body).digest()) for sequence, each in stored
            ]
            self._transact(self._tables.insert(own))

    def _transact(self, write: Write) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            write(self._database)

    async def _write(self, write: Write) -> None:
        await self._in_thread(lambda: self._transact(write))

    async def _read(self, query: Callable[[Database], T]) -> T:
        return await self._in_thread(lambda: query(self._database))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except sqlite3.Error as error:
            raise Retryable(f"the list of own messages fails ({type(error).__name__})") from None


def open_ledger_watch(
    settings: VerifierSettings, versions: Versions, subjects: Subjects, ring: Callable[[], KeyRing]
) -> VerifierLedgerWatch | None:
    """None if no ledger_url is set. ring: returns the keys in force. Raises Misconfigured."""
    if settings.ledger_url is None:
        return None
    if settings.own_messages is None:
        raise Misconfigured("missing, but ledger_url is set", where="own_messages", fix="Name a file")
    oversight = versions.newest.agreement.oversight
    origin = subjects.origin(oversight)

    def open_note(note: str) -> Checkpoint:
        keys = ring().ledger_keys(oversight)
        return signed_by(parse_vkey(format_vkey(origin, key)) for key in keys)(note)

    ledger = Publication(settings.ledger_url, settings.ledger_every_s)
    return VerifierLedgerWatch(settings.own_messages, ledger, origin, open_note)

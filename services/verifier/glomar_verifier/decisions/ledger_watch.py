"""The verifier's watch over the ledger: which messages the stream took from it, and are they all there?

Called by the app, and by the recall commands for what they publish. What waits here to be written is lost
with the process: such a message is then not looked for, and nothing else depends on it.
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


class OwnVerdicts:
    """One file for one verifier; the recall command may share it."""

    def __init__(self, path: Path, ledger: Publication, origin: str, opened: OpenNote) -> None:
        """Raises Misconfigured."""
        try:
            self._database = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=BUSY_S
            )
            # NORMAL: a power cut may take the last second's, and no commit waits for the disk.
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *TABLES):
                self._database.execute(statement)
        except sqlite3.Error:
            raise Misconfigured("the list of own messages can't be opened", where=str(path)) from None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="own-verdicts")
        self._stored: list[tuple[int, Outgoing]] = []
        self._tables = InclusionTables(origin, self._write, self._read)
        self._watch = InclusionWatch(ledger, opened, self._tables)

    @property
    def standing(self) -> InclusionStatus:
        return self._watch.status

    def acknowledged(self, sequences: Sequence[int], messages: Sequence[Outgoing]) -> None:
        """The stream has acknowledged them. Costs nothing now: they are hashed and written later."""
        self._stored.extend(zip(sequences, messages, strict=True))

    async def flush(self) -> None:
        """Writes down what was stored. Raises Retryable: it is kept for the next time."""
        taken, self._stored = self._stored, []
        try:
            await self._in_thread(lambda: self._note(taken))
        except Retryable:
            self._stored = taken + self._stored
            raise

    async def watch(self) -> None:
        """For ever."""
        every_s = self._watch.ledger.every_s
        clock = asyncio.get_running_loop().time
        looked_at = clock()
        while True:
            await asyncio.sleep(min(WRITE_EVERY_S, every_s))
            try:
                await self.flush()
            except Retryable as fault:
                log.warning("own messages are not written down", extra={"fault": fault.what})
            if clock() - looked_at >= every_s:
                await self._watch.check(datetime.now(UTC), asyncio.to_thread)
                looked_at = clock()

    def close(self) -> None:
        """Writes down what is left."""
        self._thread.shutdown()
        try:
            self._note(self._stored)
        except sqlite3.Error as error:
            log.warning("own messages are not written down", extra={"error_type": type(error).__name__})
        self._database.close()

    def _note(self, stored: Sequence[tuple[int, Outgoing]]) -> None:
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

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise Retryable(f"the list of own messages fails ({type(error).__name__})") from None


def open_own(
    settings: VerifierSettings, versions: Versions, subjects: Subjects, ring: Callable[[], KeyRing]
) -> OwnVerdicts | None:
    """None where no ledger_url is set. ring: the keys in force, at any time. Raises Misconfigured."""
    if settings.ledger_url is None:
        return None
    if settings.own_messages is None:
        raise Misconfigured("missing, but ledger_url is set", where="own_messages", fix="Name a file")
    oversight = versions.newest.agreement.oversight
    origin = subjects.origin(oversight)

    def opened(note: str) -> Checkpoint:
        keys = ring().ledger_keys(oversight)
        return signed_by(parse_vkey(format_vkey(origin, key)) for key in keys)(note)

    ledger = Publication(settings.ledger_url, settings.ledger_every_s)
    return OwnVerdicts(settings.own_messages, ledger, origin, opened)

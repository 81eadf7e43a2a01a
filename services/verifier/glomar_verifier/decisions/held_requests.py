"""The durable list of requests that a hold covers, and how to rebuild it from the stream.

A request on the list is acknowledged, so that it does not block others. A lost list can be rebuilt: it holds
the requests that have no verdict.
"""

import asyncio
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from glomar_runtime.bus.stream import Stored, delivered_up_to, get_by_sequence
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.subjects import Subjects, verdict_token
from msgspec import Struct
from nats.aio.client import Client

NO_HOLD = 0
"""No control has this slot. Such a request is resumed at once; a hold that covers it is found then."""
READ_AT_ONCE = 200

_COMPLETE = 1
"""SQLite's user_version once no held request can be missing."""

# Triggers keep the counts in `tally`: counting and finding what can be resumed never scan the list.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    sequence INTEGER PRIMARY KEY,
    hold INTEGER NOT NULL,
    since_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_hold ON waiting (hold, sequence);
CREATE TABLE IF NOT EXISTS tally (hold INTEGER PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
DELETE FROM tally;
INSERT INTO tally SELECT hold, count(*) FROM waiting GROUP BY hold;
CREATE TRIGGER IF NOT EXISTS come AFTER INSERT ON waiting BEGIN
    INSERT INTO tally VALUES (new.hold, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON waiting BEGIN
    UPDATE tally SET number = number - 1 WHERE hold = old.hold;
END;
CREATE TRIGGER IF NOT EXISTS moved AFTER UPDATE OF hold ON waiting BEGIN
    UPDATE tally SET number = number - 1 WHERE hold = old.hold;
    INSERT INTO tally VALUES (new.hold, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
"""


class HeldRequest(Struct, frozen=True):
    """sequence: of the request; hold: slot of the hold; since_ns: ns since the Unix epoch."""

    sequence: int
    hold: int
    since_ns: int


class HeldRequests:
    """One file for one process. What `add` was given is durable when it returns."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        except sqlite3.Error:
            raise Misconfigured("the list of waiting requests can't be opened", where=str(path)) from None

    @property
    def is_complete(self) -> bool:
        """False for a new file: requests held under an earlier file must first be found in the stream."""
        [version] = self._database.execute("PRAGMA user_version").fetchone()
        return int(version) == _COMPLETE

    def mark_complete(self) -> None:
        self._database.execute(f"PRAGMA user_version = {_COMPLETE}")

    def add(self, held: Iterable[HeldRequest]) -> None:
        """A request that is listed already gets the new hold and keeps its `since_ns`."""
        self._write(
            "INSERT INTO waiting VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hold = excluded.hold", held
        )

    def add_missing(self, held: Iterable[HeldRequest]) -> None:
        """A request that is listed already stays as it is."""
        self._write("INSERT INTO waiting VALUES (?, ?, ?) ON CONFLICT DO NOTHING", held)

    def resumable(self, holds_in_force: Collection[int], limit: int) -> list[HeldRequest]:
        """The oldest requests whose hold is not in force any more."""
        found: list[HeldRequest] = []
        for hold in self.by_hold().keys() - set(holds_in_force):
            rows = self._database.execute(
                "SELECT sequence, hold, since_ns FROM waiting WHERE hold = ? ORDER BY sequence LIMIT ?",
                (hold, limit),
            )
            found += [HeldRequest(*row) for row in rows]
        return sorted(found, key=lambda request: request.sequence)[:limit]

    def by_hold(self) -> dict[int, int]:
        """Slot of the hold -> number of requests under it, at least one each."""
        return dict(self._database.execute("SELECT hold, number FROM tally WHERE number > 0 ORDER BY hold"))

    def remove(self, sequences: Iterable[int]) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM waiting WHERE sequence = ?", [(n,) for n in sequences])

    def __len__(self) -> int:
        return sum(self.by_hold().values())

    def close(self) -> None:
        self._database.close()

    def _write(self, statement: str, held: Iterable[HeldRequest]) -> None:
        rows = [(request.sequence, request.hold, request.since_ns) for request in held]
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(statement, rows)


async def find_unanswered(client: Client, subjects: Subjects) -> list[HeldRequest]:
    """Requests that were delivered at least once, so may have been acknowledged, and have no verdict.

    Raises Unreachable.
    """
    last = await delivered_up_to(client, subjects.stream, "verifier")
    unanswered: dict[tuple[str, str], HeldRequest] = {}
    for first in range(1, last + 1, READ_AT_ONCE):
        sequences = range(first, min(last, first + READ_AT_ONCE - 1) + 1)
        calls = (get_by_sequence(client, subjects.stream, sequence) for sequence in sequences)
        for stored in await asyncio.gather(*calls):
            if stored is not None:
                _update(unanswered, stored, subjects)
    return list(unanswered.values())


def _update(unanswered: dict[tuple[str, str], HeldRequest], stored: Stored, subjects: Subjects) -> None:
    """Adds a request, removes one that has a verdict. Key: agency and last token of the verdict's subject."""
    try:
        address = subjects.parse(stored.subject)
    except Malformed:
        return
    if address.kind == "request":
        key = (address.agency, verdict_token(address.token, stored.sequence))
        unanswered[key] = HeldRequest(stored.sequence, NO_HOLD, stored.time_ns)
    elif address.kind == "verdict":
        unanswered.pop((address.agency, address.token), None)

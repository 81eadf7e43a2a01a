"""How often was this asked before? Two counts in the verifier's own SQLite file, one transaction a batch.
Called by the verifier's app with every batch that it pulls, before the gate.

Whoever asks again for a request that was counted gets the numbers of the first time, so that a redelivered
request is decided the same. The file holds digests and keyed tags, never a name, a reason or a case id.
"""

import sqlite3
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

from glomar_schemas.errors import IntegrityError, Misconfigured, Retryable
from glomar_schemas.messages import Tags
from msgspec import Struct

from glomar_verifier.facts import Counted

_VERSION = 1
"""Of the tables, as `PRAGMA user_version` below."""
_DAY_NS = 86_400 * 10**9

# FULL: a power cut must not forget what a verdict already rested on. A checkpoint writes pages all over the
# file, so it comes once in 40 MB of log and not, as by default, in 4.
_DURABILITY = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 10000;
"""

# A `series` is one reason or one officer of an agency, its `member` a person or a case. The triggers keep
# the number of members, since an officer's cases are too many to be counted anew for every request.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS asked (
    agency TEXT, request_id TEXT, digest BLOB, at_ns INTEGER, people INTEGER, cases INTEGER,
    PRIMARY KEY (agency, request_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_by_age ON asked (at_ns);
CREATE TABLE IF NOT EXISTS seen (
    series INTEGER, member INTEGER, at_ns INTEGER, PRIMARY KEY (series, member)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_by_age ON seen (at_ns);
CREATE TABLE IF NOT EXISTS tally (series INTEGER PRIMARY KEY, members INTEGER);
CREATE TRIGGER IF NOT EXISTS member_came AFTER INSERT ON seen BEGIN
    INSERT INTO tally VALUES (new.series, 1) ON CONFLICT DO UPDATE SET members = members + 1;
END;
CREATE TRIGGER IF NOT EXISTS member_went AFTER DELETE ON seen BEGIN
    UPDATE tally SET members = members - 1 WHERE series = old.series;
    DELETE FROM tally WHERE series = old.series AND members = 0;
END;
PRAGMA user_version = 1;
COMMIT;
"""


class Ask(Struct, frozen=True, kw_only=True):
    """One request, as the counts know it."""

    agency: str
    request_id: str
    digest: str
    """SHA-256 of the request's body, in hex."""
    officer: str
    tags: Tags
    at_ns: int
    """Its own stream time, ns since the Unix epoch."""


class Counts:
    """The file, open. Several workers of one machine may share it; one thread at a time for each object."""

    def __init__(self, path: Path, *, window_days: int, busy_timeout_s: float = 5.0) -> None:
        """Opens or creates the file (mode 0600). busy_timeout_s: how long to wait for another worker.

        Raises Misconfigured.
        """
        self._window_ns = window_days * _DAY_NS
        try:
            path.touch(mode=0o600)
            self._db = _open(path, busy_timeout_s)
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(f"counts can't be opened ({error})", where=str(path)) from None

    def close(self) -> None:
        self._db.close()

    def observe_batch(self, items: list[Ask]) -> list[Counted]:
        """Counts each request once, in the order given and as of its own stream time; durable on return.

        Raises Retryable (locked, disk full), and then nothing of the batch was counted; IntegrityError when
        the file is damaged.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            counted = [self._observe(item) for item in items]
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Retryable(f"requests can't be counted ({error})", where="counts") from None
        except sqlite3.DatabaseError as error:
            raise IntegrityError(f"damaged ({error})", where="counts") from None
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return counted

    def _observe(self, ask: Ask) -> Counted:
        digest = bytes.fromhex(ask.digest)
        self._forget_until(ask.at_ns - self._window_ns)
        before = self._db.execute(
            "SELECT people, cases, digest FROM asked WHERE agency = ? AND request_id = ?",
            (ask.agency, ask.request_id),
        ).fetchone()
        if before is not None:
            people, cases, first_digest = before
            return _counted(people, cases, id_reused=first_digest != digest)
        reason = _key("reason", ask.agency, ask.tags.reason)
        officer = _key("officer", ask.agency, ask.officer)
        people = self._see(reason, _key(ask.tags.person), ask.at_ns)
        # The person belongs to the case: one case id for a million people is a million cases.
        cases = self._see(officer, _key(ask.tags.case, ask.tags.person), ask.at_ns)
        self._db.execute(
            "INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?)",
            (ask.agency, ask.request_id, digest, ask.at_ns, people, cases),
        )
        return _counted(people, cases, id_reused=False)

    def _see(self, series: int, member: int, at_ns: int) -> int:
        """The members of the series within the window, this one included."""
        self._db.execute(
            "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = max(at_ns, excluded.at_ns)",
            (series, member, at_ns),
        )
        tally = self._db.execute("SELECT members FROM tally WHERE series = ?", (series,))
        return int(tally.fetchone()[0])

    def _forget_until(self, at_ns: int) -> None:
        self._db.execute("DELETE FROM seen WHERE at_ns <= ?", (at_ns,))
        self._db.execute("DELETE FROM asked WHERE at_ns <= ?", (at_ns,))


def _open(path: Path, timeout_s: float) -> sqlite3.Connection:
    with ExitStack() as on_failure:
        db = sqlite3.connect(path, isolation_level=None, timeout=timeout_s, check_same_thread=False)
        on_failure.callback(db.close)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise Misconfigured(f"counts of version {version}, not {_VERSION}", where=str(path))
        db.executescript(_DURABILITY)
        db.executescript(_SCHEMA)
        on_failure.pop_all()
    return db


def _key(*parts: str) -> int:
    """64 bits that stand for the parts, since SQLite is fastest by integers; NUL occurs in none of them."""
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _counted(people: int, cases: int, *, id_reused: bool) -> Counted:
    return Counted(people_with_same_reason=people, open_cases_of_officer=cases, id_reused=id_reused)

"""Counts requests and lookups in the verifier's own SQLite file, one transaction for each step of a batch.

`observe_batch` before the gate, `observe_lookups` after the register was read, `sync` before a verdict that
depends on them is stored. A redelivered request gets the counts of its first delivery, so that it is decided
the same. The file holds digests and keyed tags; never a name, an address, a reason, a case or a register id.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from glomar_schemas.errors import IntegrityError, Misconfigured, Retryable
from glomar_schemas.messages import Tags
from msgspec import Struct
from msgspec.structs import astuple

from glomar_verifier.policy.facts import Counted
from glomar_verifier.quotas import lookup_history
from glomar_verifier.quotas.counters import SeriesCounters, key
from glomar_verifier.quotas.hidden_names import DatedName, NameKeys, RecordedName

_VERSION = 3
"""Version of the tables; `PRAGMA user_version` below."""
_DAY_NS = 86_400 * 10**9

# NORMAL: a commit does not sync; `sync` does, once for both transactions of a batch. A checkpoint writes
# pages all over the file, so it happens once in 40 MB of log and not, as by default, in 4.
_DURABILITY = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 10000;
"""

# `asked`: one row for each request, with the counts that it got. `seen`: a `series` is one reason, officer,
# name or address of an agency, its `member` a person, a case or an address. `tally`: number of members or
# requests of a series, since an officer's are too many to count each time. `looked`: see `lookup_history`.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS asked (
    agency TEXT, request_id TEXT, digest BLOB, at_ns INTEGER, officer INTEGER, matter INTEGER, day INTEGER,
    numbers BLOB, addresses INTEGER, PRIMARY KEY (agency, request_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_by_age ON asked (at_ns);
CREATE TABLE IF NOT EXISTS seen (
    series INTEGER, member INTEGER, at_ns INTEGER, PRIMARY KEY (series, member)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_by_age ON seen (at_ns);
CREATE TABLE IF NOT EXISTS tally (series INTEGER PRIMARY KEY, members INTEGER);
CREATE TABLE IF NOT EXISTS looked (
    part INTEGER, address INTEGER, name BLOB, at_ns INTEGER, PRIMARY KEY (part, address, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS looked_by_age ON looked (at_ns);
PRAGMA user_version = 3;
COMMIT;
"""


class Attempt(Struct, frozen=True, kw_only=True):
    """One request, as the counts see it."""

    agency: str
    request_id: str
    digest: str
    """SHA-256 of the request's body, in hex."""
    officer: str
    tags: Tags
    address: str
    """Its tag; blank unless it names a house or a box."""
    day: str
    """The calendar day of its stream time, in the agreement's time zone."""
    at_ns: int
    """Stream time, ns since the Unix epoch."""


class Lookup(Struct, frozen=True, kw_only=True):
    """A request for which the register was read.

    requested: the name in the request. recorded: the register's names of the person whom it found; empty if
    it found none. address: its tag. at_ns: stream time.
    """

    agency: str
    request_id: str
    requested: NameKeys[DatedName]
    recorded: NameKeys[RecordedName]
    address: str
    at_ns: int


class Counts:
    """The open file. Several processes of one machine may share it; one thread at a time for each object."""

    def __init__(self, path: Path, *, window_days: int, busy_timeout_s: float = 5.0) -> None:
        """Opens or creates the file (mode 0600). busy_timeout_s: how long to wait for another process.

        Raises Misconfigured.
        """
        self._window_ns = window_days * _DAY_NS
        try:
            path.touch(mode=0o600)
            self._db = _open(path, busy_timeout_s)
            # SQLite's locks are on the main file, so opening the log here releases none.
            self._log = os.open(path.with_name(f"{path.name}-wal"), os.O_RDONLY)
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(f"counts can't be opened ({error})", where=str(path)) from None

    def close(self) -> None:
        os.close(self._log)
        self._db.close()

    def sync(self) -> None:
        """All counts are durable when this returns. Raises OSError: then no verdict may be stored."""
        os.fdatasync(self._log)

    def observe_batch(self, attempts: Sequence[Attempt]) -> list[Counted]:
        """Counts each request once, in the given order, at its own stream time.

        Raises Retryable (locked, disk full): nothing of the batch was counted. Raises IntegrityError if the
        file is damaged.
        """
        keyed = [(attempt, _keys(attempt)) for attempt in attempts]
        with self._transaction():
            counters = SeriesCounters(self._db, (series for _, keys in keyed for series in keys.series))
            counted = [self._observe(attempt, keys, counters) for attempt, keys in keyed]
            counters.write()
        return counted

    def observe_lookups(self, lookups: Sequence[Lookup]) -> list[int]:
        """For each, at how many distinct addresses the agency had the recorded person looked up in the
        window, this one included, under any of the person's names. Zero if there is no such person.

        Raises as `observe_batch`.
        """
        if not lookups:
            return []
        with self._transaction():
            oldest = min(lookup.at_ns for lookup in lookups) - self._window_ns
            self._db.execute("DELETE FROM looked WHERE at_ns <= ?", (oldest,))
            return [self._observe_lookup(lookup) for lookup in lookups]

    def _observe(self, attempt: Attempt, keys: "_Keys", counters: SeriesCounters) -> Counted:
        digest, at_ns = bytes.fromhex(attempt.digest), attempt.at_ns
        counters.expire(at_ns - self._window_ns)
        earlier = self._db.execute(
            "SELECT numbers, digest FROM asked WHERE agency = ? AND request_id = ?",
            (attempt.agency, attempt.request_id),
        ).fetchone()
        if earlier is not None:
            numbers, first_digest = earlier
            return Counted(**_NUMBERS.decode(numbers), id_reused=first_digest != digest)
        numbers = {
            "people_with_same_reason": counters.add_member(keys.reason, keys.person, at_ns),
            "open_cases_of_officer": counters.add_member(keys.cases, keys.case, at_ns),
            # A request without an address adds none.
            "addresses_of_name": counters.add_member(keys.name, keys.address, at_ns)
            if attempt.address
            else counters.add(keys.name, 0),
            "people_at_address": counters.add_member(keys.place, keys.person, at_ns)
            if attempt.address
            else 0,
            "requests_of_officer": counters.add(keys.of_officer, 1),
            "requests_in_case": counters.add(keys.of_case, 1),
            "requests_of_day": counters.add(keys.of_day, 1),
        }
        of_requests = keys.of_officer, keys.of_case, keys.of_day
        self._db.execute(
            "INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (attempt.agency, attempt.request_id, digest, at_ns, *of_requests, _ENCODER.encode(numbers)),
        )
        return Counted(**numbers, id_reused=False)

    def _observe_lookup(self, lookup: Lookup) -> int:
        of_request = (lookup.agency, lookup.request_id)
        earlier = self._db.execute(
            "SELECT addresses FROM asked WHERE agency = ? AND request_id = ?", of_request
        ).fetchone()
        if earlier is not None and earlier[0] is not None:
            return int(earlier[0])
        lookup_history.add(self._db, lookup.requested, key(lookup.address), lookup.at_ns)
        after_ns = lookup.at_ns - self._window_ns
        addresses = lookup_history.count_addresses(self._db, lookup.recorded, after_ns)
        self._db.execute(
            "UPDATE asked SET addresses = ? WHERE agency = ? AND request_id = ?", (addresses, *of_request)
        )
        return addresses

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing. Raises Retryable, IntegrityError."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Retryable(f"requests can't be counted ({error})", where="counts") from None
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            raise IntegrityError(f"damaged ({error})", where="counts") from None
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


_ENCODER = msgspec.msgpack.Encoder()
_NUMBERS = msgspec.msgpack.Decoder(dict[str, int])


class _Keys(Struct, frozen=True):
    """The table keys of one request: the members, then the series to which they belong."""

    person: int
    case: int
    address: int
    reason: int
    cases: int
    name: int
    place: int
    of_officer: int
    of_case: int
    of_day: int

    @property
    def series(self) -> tuple[int, ...]:
        return astuple(self)[3:]


def _keys(attempt: Attempt) -> _Keys:
    """Each series is of one agency, so that another agency's requests do not count."""
    agency, tags = attempt.agency, attempt.tags
    return _Keys(
        person=key(tags.person),
        # The person belongs to the case: one case id for a million people is a million cases.
        case=key(tags.case, tags.person),
        address=key(attempt.address),
        reason=key("reason", agency, tags.reason),
        cases=key("officer", agency, attempt.officer),
        name=key("name", agency, tags.person),
        place=key("address", agency, attempt.address),
        of_officer=key("requests", agency, "officer", attempt.officer),
        of_case=key("requests", agency, "case", tags.case),
        of_day=key("requests", agency, "day", attempt.day),
    )


def _open(path: Path, timeout_s: float) -> sqlite3.Connection:
    with ExitStack() as on_failure:
        db = sqlite3.connect(path, isolation_level=None, timeout=timeout_s, check_same_thread=False)
        on_failure.callback(db.close)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise Misconfigured(
                f"counts of version {version}, not {_VERSION}",
                where=str(path),
                fix="Move the file away: quotas are then counted from the beginning",
            )
        db.executescript(_DURABILITY)
        db.executescript(_SCHEMA)
        on_failure.pop_all()
    return db

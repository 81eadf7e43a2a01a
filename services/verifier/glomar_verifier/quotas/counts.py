"""How often was this asked before? The verifier's own SQLite file, one transaction for each step of a batch.
Called by the desk: `observe_batch` before the gate, `observe_lookups` after the register was read, and `sync`
before anything that rests on them leaves.

Whoever asks again for a request that was counted gets the numbers of the first time, so that a redelivered
request is decided the same. The file holds digests and keyed tags, never a name, an address, a reason, a case
or a register's id.
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

from glomar_verifier.decisions.disclosure import DatedName, Likeness
from glomar_verifier.policy.facts import Counted
from glomar_verifier.quotas import lookup_history as looked
from glomar_verifier.quotas.counters import Tally, key
from glomar_verifier.quotas.dated_names import KnownName

_VERSION = 3
"""Of the tables, as `PRAGMA user_version` below."""
_DAY_NS = 86_400 * 10**9

# NORMAL: no transaction is synced by itself, `sync` does that once for both of a batch. A checkpoint writes
# pages all over the file, so it comes once in 40 MB of log and not, as by default, in 4.
_DURABILITY = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 10000;
"""

# `asked`: one row a request, with what it was told. `seen`: a `series` is one reason, officer, name or
# address of an agency, its `member` a person, a case or an address. `tally`: how many members or requests a
# series has, since an officer's are too many to be counted anew each time. `looked`: which addresses were
# looked up under which names; a row for each part of a name by which it may be found again.
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


class Ask(Struct, frozen=True, kw_only=True):
    """One request, as the counts know it."""

    agency: str
    request_id: str
    digest: str
    """SHA-256 of the request's body, in hex."""
    officer: str
    tags: Tags
    address: str
    """Its tag; blank where none was named that a house could have."""
    day: str
    """The calendar day of its stream time, in the agreement's time zone."""
    at_ns: int
    """Its own stream time, ns since the Unix epoch."""


class Lookup(Struct, frozen=True, kw_only=True):
    """A request that came as far as the register: which name and address, and under which names the register
    has the person whom it would confirm; under none where it would not."""

    agency: str
    request_id: str
    asked: Likeness[DatedName]
    meant: Likeness[KnownName]
    address: str
    at_ns: int


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
            # SQLite's locks are on the file itself; its log may be opened beside it.
            self._log = os.open(path.with_name(f"{path.name}-wal"), os.O_RDONLY)
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(f"counts can't be opened ({error})", where=str(path)) from None

    def close(self) -> None:
        os.close(self._log)
        self._db.close()

    def sync(self) -> None:
        """From here on a power cut can't forget what was counted. Raises OSError: then nothing may leave."""
        os.fdatasync(self._log)

    def observe_batch(self, items: Sequence[Ask]) -> list[Counted]:
        """Counts each request once, in the order given and as of its own stream time.

        Raises Retryable (locked, disk full), and then nothing of the batch was counted; IntegrityError when
        the file is damaged.
        """
        keyed = [(item, _keys(item)) for item in items]
        with self._transaction():
            tally = Tally(self._db, (series for _, keys in keyed for series in keys.series))
            counted = [self._observe(item, keys, tally) for item, keys in keyed]
            tally.write()
        return counted

    def observe_lookups(self, items: Sequence[Lookup]) -> list[int]:
        """For each, at how many addresses the agency had the person looked up who is meant, this one included
        and under whatever name: within the window, each once. Zero where nobody is meant.

        Raises as `observe_batch`.
        """
        if not items:
            return []
        with self._transaction():
            oldest = min(item.at_ns for item in items) - self._window_ns
            self._db.execute("DELETE FROM looked WHERE at_ns <= ?", (oldest,))
            return [self._look(item) for item in items]

    def _observe(self, ask: Ask, keys: "_Keys", tally: Tally) -> Counted:
        digest = bytes.fromhex(ask.digest)
        tally.forget_until(ask.at_ns - self._window_ns)
        before = self._db.execute(
            "SELECT numbers, digest FROM asked WHERE agency = ? AND request_id = ?",
            (ask.agency, ask.request_id),
        ).fetchone()
        if before is not None:
            numbers, first_digest = before
            return Counted(**_NUMBERS.decode(numbers), id_reused=first_digest != digest)
        numbers = {
            "people_with_same_reason": tally.see(keys.reason, keys.person, ask.at_ns),
            "open_cases_of_officer": tally.see(keys.cases, keys.case, ask.at_ns),
            # Without an address there is none to be counted.
            "addresses_of_name": tally.see(keys.name, keys.address, ask.at_ns)
            if ask.address
            else tally.add(keys.name, 0),
            "people_at_address": tally.see(keys.place, keys.person, ask.at_ns) if ask.address else 0,
            "requests_of_officer": tally.add(keys.of_officer, 1),
            "requests_in_case": tally.add(keys.of_case, 1),
            "requests_of_day": tally.add(keys.of_day, 1),
        }
        of_requests = keys.of_officer, keys.of_case, keys.of_day
        self._db.execute(
            "INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (ask.agency, ask.request_id, digest, ask.at_ns, *of_requests, _ENCODER.encode(numbers)),
        )
        return Counted(**numbers, id_reused=False)

    def _look(self, lookup: Lookup) -> int:
        of_request = (lookup.agency, lookup.request_id)
        before = self._db.execute(
            "SELECT addresses FROM asked WHERE agency = ? AND request_id = ?", of_request
        ).fetchone()
        if before is not None and before[0] is not None:
            return int(before[0])
        looked.add(self._db, lookup.asked, key(lookup.address), lookup.at_ns)
        addresses = looked.addresses_of(self._db, lookup.meant, lookup.at_ns - self._window_ns)
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
    """What stands in the tables for one request: the members, then the series that they belong to."""

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


def _keys(ask: Ask) -> _Keys:
    """Of one agency each, so that no other's questions count."""
    agency, tags = ask.agency, ask.tags
    return _Keys(
        person=key(tags.person),
        # The person belongs to the case: one case id for a million people is a million cases.
        case=key(tags.case, tags.person),
        address=key(ask.address),
        reason=key("reason", agency, tags.reason),
        cases=key("officer", agency, ask.officer),
        name=key("name", agency, tags.person),
        place=key("address", agency, ask.address),
        of_officer=key("requests", agency, "officer", ask.officer),
        of_case=key("requests", agency, "case", tags.case),
        of_day=key("requests", agency, "day", ask.day),
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

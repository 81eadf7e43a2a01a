"""The store: durable in one step, the same after a crash, closed to others."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from glomar_requester.store import schema
from glomar_requester.store.records import (
    Acknowledged,
    Answered,
    Certified,
    ExpirySet,
    Notified,
    NotifiedThrough,
    Published,
    StoredRequest,
    Withdrawn,
)
from glomar_requester.store.store import Store, _row
from glomar_requester.store.vault import Vault
from glomar_schemas.errors import IntegrityError, Misconfigured, Retryable

from tests.support import samples
from tests.unit.requester import world

REQUESTS = world.prepared(*(world.an_ask(number) for number in range(5)))
IDS = [prepared.request.request_id for prepared in REQUESTS]
[KEYED] = world.prepared(world.an_ask(9), key="file:2", first=9)
[RIVAL] = world.prepared(world.an_ask(9), key="file:2", first=10)
LAST = "f" * 36
LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store.db")
    yield made
    made.close()


def entry(store: Store, request_id: str) -> StoredRequest:
    found = store.find(request_id)
    assert found is not None
    return found


def test_what_was_prepared_is_found_as_it_was(store: Store) -> None:
    store.write(REQUESTS)
    found = entry(store, IDS[3])
    assert found == StoredRequest(REQUESTS[3].request, unsent=REQUESTS[3].body)


def test_a_request_leaves_the_outbox_once_the_stream_has_it(store: Store) -> None:
    store.write(REQUESTS)
    store.write([Published(IDS[0], 17)])
    assert entry(store, IDS[0]) == StoredRequest(REQUESTS[0].request, published=Published(IDS[0], 17))
    assert [p.request.request_id for p in store.unfinished("", LAST, 10)] == IDS[1:]


def test_a_conflict_leaves_the_outbox_too(store: Store) -> None:
    store.write(REQUESTS)
    store.write([Published(IDS[0], None)])
    assert entry(store, IDS[0]).published == Published(IDS[0], None)
    assert len(store.unfinished("", LAST, 10)) == 4


def test_an_answer_may_come_before_the_acknowledgement(store: Store) -> None:
    store.write(REQUESTS)
    store.write([Answered(IDS[0], b"release")])
    assert entry(store, IDS[0]).release == b"release"
    assert entry(store, IDS[0]).unsent is not None


def test_an_answer_is_never_replaced(store: Store) -> None:
    store.write([*REQUESTS, Answered(IDS[0], b"first")])
    store.write([Answered(IDS[0], b"second")])
    assert entry(store, IDS[0]).release == b"first"


def test_the_unfinished_come_oldest_first_and_in_pages(store: Store) -> None:
    store.write(REQUESTS)
    assert [p.request.request_id for p in store.unfinished("", LAST, 2)] == IDS[:2]
    assert [p.request.request_id for p in store.unfinished(IDS[1], LAST, 2)] == IDS[2:4]
    assert [p.request.request_id for p in store.unfinished("", IDS[2], 10)] == IDS[:2]


def test_the_same_bytes_are_sent_again(store: Store) -> None:
    store.write(REQUESTS)
    assert [p.body for p in store.unfinished("", LAST, 10)] == [p.body for p in REQUESTS]


def test_a_key_finds_the_request_sent_with_it(store: Store) -> None:
    store.write([*REQUESTS, KEYED])
    assert store.by_keys(["file:1", "file:2"]) == {"file:2": StoredRequest(KEYED.request, unsent=KEYED.body)}
    assert store.by_keys([]) == {}


def test_a_key_is_used_once_and_a_refused_change_leaves_nothing(store: Store) -> None:
    store.write([KEYED])
    with pytest.raises(Retryable):
        store.write([*REQUESTS, RIVAL])
    assert store.find(IDS[0]) is None


def test_what_a_killed_process_committed_is_there(tmp_path: Path) -> None:
    """The child is killed as soon as `write` has returned, without closing anything."""
    path = tmp_path / "store.db"
    code = (
        "import os, signal, sys; from pathlib import Path; from glomar_requester.store.store import *;"
        "from tests.unit.requester.store import test_store as t;"
        f"s = Store(Path({str(path)!r})); s.write([t.KEYED]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[4], check=False)
    assert done.returncode == -9
    store = Store(path)
    # The child made a request of its own: what it wrote is known by its key.
    found = store.by_keys(["file:2"])["file:2"]
    assert found.unsent is not None
    store.close()


def test_two_processes_may_share_the_file(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "store.db"), Store(tmp_path / "store.db")
    first.write([KEYED])
    second.write([Published(KEYED.request.request_id, 1)])
    assert entry(first, KEYED.request.request_id).published is not None
    first.close()
    second.close()


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Store(tmp_path / "store.db").close()
    finally:
        os.umask(old)
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


def test_a_commit_waits_for_the_disk(store: Store) -> None:
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("content", [b"this is no database, however long it may be" * 20])
def test_another_file_is_not_taken_for_a_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(Misconfigured):
        Store(path)
    assert path.read_bytes() == content


def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(Misconfigured, match="another version"):
        Store(path)


def test_a_store_of_version_1_is_migrated_and_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = sqlite3.connect(path)
    database.executescript(schema._FROM_NOTHING + ";PRAGMA user_version = 1")
    database.execute("INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _row(KEYED))
    database.execute("INSERT INTO published VALUES (?, 4)", [KEYED.request.request_id])
    database.execute("INSERT INTO answered VALUES (?, ?)", [KEYED.request.request_id, b"release"])
    database.commit()
    database.close()

    store = Store(path)
    known = entry(store, KEYED.request.request_id)
    assert known == StoredRequest(
        KEYED.request, published=Published(KEYED.request.request_id, 4), release=b"release"
    )
    # Its expiry is not known until the client decrypts the answer.
    assert store.without_expiry(10) == [known]
    assert (store.notified_through(), store.controls(), store.expired(LATER, 10)) == (0, [], [])
    store.write([ExpirySet(KEYED.request.request_id, LATER)])
    assert (store.without_expiry(10), store.expired(LATER, 10)) == ([], [KEYED.request.request_id])
    store.close()


def test_a_withdrawn_answer_is_deleted_and_never_comes_back(store: Store) -> None:
    store.write([*REQUESTS, Answered(IDS[0], b"release", LATER), Withdrawn(IDS[0], "recall")])
    store.write([Answered(IDS[0], b"again", LATER)])
    found = entry(store, IDS[0])
    assert (found.release, found.withdrawn) == (None, "recall")


def test_what_was_withdrawn_for_one_cause_is_not_for_another(store: Store) -> None:
    store.write([*REQUESTS, Withdrawn(IDS[0], "expiry"), Withdrawn(IDS[0], "recall")])
    assert store.uncertified(10) == [Withdrawn(IDS[0], "expiry")]


def test_an_unknown_request_is_not_withdrawn(store: Store) -> None:
    store.write([Withdrawn(IDS[0], "recall")])
    assert store.uncertified(10) == []


def test_the_first_certificate_stays_until_it_is_acknowledged(store: Store) -> None:
    store.write([*REQUESTS, Withdrawn(IDS[0], "recall")])
    store.write([Certified(IDS[0], b"first")])
    store.write([Certified(IDS[0], b"second")])
    assert (store.uncertified(10), store.unacknowledged(10)) == ([], [Certified(IDS[0], b"first")])
    store.write([Acknowledged(IDS[0])])
    assert store.unacknowledged(10) == []


def test_scrubbing_leaves_no_byte_of_a_deleted_answer_in_any_file(tmp_path: Path) -> None:
    answer = os.urandom(20_000)
    pieces = [answer[start : start + 32] for start in range(0, 19_000, 100)]

    def held() -> int:
        return sum(piece in path.read_bytes() for path in tmp_path.iterdir() for piece in pieces)

    store, other = Store(tmp_path / "store.db"), Store(tmp_path / "store.db")
    store.write([*REQUESTS, Answered(IDS[0], answer, LATER)])
    assert other.find(IDS[0]) is not None and held()
    store.write([Withdrawn(IDS[0], "recall")])
    store.scrub()
    assert held() == 0
    store.close()
    other.close()


def test_scrubbing_waits_for_a_reader(store: Store, tmp_path: Path) -> None:
    store.write([*REQUESTS, Answered(IDS[0], b"x" * 9000, LATER)])
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM answered").fetchall()
    store.write([Withdrawn(IDS[0], "recall")])
    store._db.execute("PRAGMA busy_timeout = 10")
    with pytest.raises(Retryable, match="another process"):
        store.scrub()
    reader.close()
    store.scrub()


def test_recalls_are_counted_in_the_order_in_which_they_came(store: Store) -> None:
    recalls = [
        Notified(sequence, b"notice", request_id, "other", LATER)
        for sequence, request_id in ((70, IDS[1]), (50, IDS[0]), (60, "of another client"))
    ]
    store.write([*REQUESTS, *recalls, Notified(40, b"control")])
    found = store.recalls(0, 10)
    assert [each.request_id for each in found] == [IDS[1], IDS[0]]
    assert store.recalls(found[0].number, 10) == found[1:]
    assert store.controls() == [b"control"]


def test_what_is_known_through_never_goes_back(store: Store) -> None:
    store.write([NotifiedThrough(9)])
    store.write([NotifiedThrough(7)])
    assert store.notified_through() == 9


def test_an_answer_at_rest_opens_for_its_request_alone() -> None:
    vault = Vault(samples.sealing_key(samples.REQUESTER))
    locked = vault.lock("one", b"confirm")
    assert vault.unlock("one", locked) == b"confirm"
    assert b"confirm" not in locked
    for request_id, blob in (("two", locked), ("one", locked[:-1] + bytes([locked[-1] ^ 1])), ("one", b"")):
        with pytest.raises(IntegrityError):
            vault.unlock(request_id, blob)


def test_an_answer_at_rest_opens_with_the_agencys_key_alone() -> None:
    locked = Vault(samples.sealing_key(samples.REQUESTER)).lock("one", b"confirm")
    with pytest.raises(IntegrityError):
        Vault(samples.sealing_key(samples.HOLDER)).unlock("one", locked)


def test_a_fingerprint_tells_asks_apart_and_is_keyed() -> None:
    mine, other = (Vault(samples.sealing_key(party)) for party in (samples.REQUESTER, samples.HOLDER))
    assert mine.fingerprint(b"a") == mine.fingerprint(b"a")
    assert mine.fingerprint(b"a") != mine.fingerprint(b"b")
    assert mine.fingerprint(b"a") != other.fingerprint(b"a")


def test_a_vault_of_several_keys_reads_what_one_of_them_wrote() -> None:
    old, new = (samples.sealing_key(name) for name in (samples.REQUESTER, "next"))
    locked, fingerprint = Vault(old).lock("one", b"confirm"), Vault(old).fingerprint(b"ask")

    rotated = Vault(new, old)

    assert rotated.unlock("one", locked) == b"confirm"
    assert rotated.matches(fingerprint, b"ask") and not rotated.matches(fingerprint, b"another")
    with pytest.raises(IntegrityError):
        Vault(new).unlock("one", locked)

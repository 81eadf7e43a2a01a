"""A publisher checks for its own messages and detects omissions, changes and a second history."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from glomar_schemas.tlog import leaf
from glomar_schemas.tlog.inclusion_tables import TABLES, InclusionTables, Write
from glomar_schemas.tlog.inclusion_watch import (
    SHOWN,
    STALLED_S,
    InclusionStatus,
    InclusionWatch,
    OwnMessage,
    Publication,
    own_message,
)
from glomar_schemas.tlog.leaf import Leaf

from tests.support.published_ledger import OPENED, ORIGIN, extend, leaves, own, serve_ledger

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Publisher:
    """A publisher with an SQLite database, as both services have."""

    def __init__(self, database: sqlite3.Connection, where: object) -> None:
        self._database = database
        self.tables = InclusionTables(ORIGIN, self._write, self._read)
        self.watch = InclusionWatch(Publication(str(where)), OPENED, self.tables)

    async def _write(self, write: Write) -> None:
        with self._database:
            write(self._database)

    async def _read(self, query: Callable[[Any], Any]) -> Any:
        return query(self._database)

    def sent(self, messages: Sequence[OwnMessage]) -> None:
        asyncio.run(self._write(self.tables.insert(messages)))

    def check(self, after_s: float = 0.0) -> InclusionStatus:
        return asyncio.run(self.watch.check(NOW + timedelta(seconds=after_s), asyncio.to_thread))

    def unseen(self) -> list[int]:
        return [each.sequence for each in asyncio.run(self.tables.unconfirmed(0, 10**9, 10**9))]


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        for statement in TABLES:
            opened.execute(statement)
        yield opened


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def publisher(database: sqlite3.Connection, ledger: Path) -> Publisher:
    return Publisher(database, ledger)


def test_messages_that_are_there_are_seen_once_and_forgotten(publisher: Publisher, ledger: Path) -> None:
    extend(ledger, leaves(300), 300)
    publisher.sent(own(1, 2, 256, 257, 300, 301))

    assert publisher.check() == InclusionStatus("ok", 300, NOW)
    assert publisher.unseen() == [301]


def test_a_publication_over_http_is_read_the_same(database: sqlite3.Connection, ledger: Path) -> None:
    extend(ledger, leaves(300, changed=[7]), 300)
    with serve_ledger(ledger) as url:
        publisher = Publisher(database, url)
        publisher.sent(own(6, 7))

        assert publisher.check().absent_sequences == (7,)


def changed(entry: Leaf, **fields: Any) -> Leaf:
    return Leaf(**{name: getattr(entry, name) for name in Leaf.__struct_fields__} | fields)


@pytest.mark.parametrize(
    "fields", [{"subject": "glomar.a.request.r.x"}, {"body_sha256": bytes(32)}], ids=["subject", "body"]
)
def test_whatever_its_publisher_knows_of_a_message_is_compared(
    publisher: Publisher, ledger: Path, fields: dict[str, Any]
) -> None:
    log = leaves(5)
    log[2] = changed(log[2], **fields)
    extend(ledger, log, 5)
    publisher.sent(own(2, 3, 4))

    assert publisher.check().absent_sequences == (3,)


def test_a_sequence_that_was_given_out_twice_is_an_alert_for_the_second_message(
    publisher: Publisher, ledger: Path
) -> None:
    """An older copy of the stream's store was restored, and the first message was not checked yet."""
    extend(ledger, leaves(5), 5)
    publisher.sent(own(2, 3))
    publisher.sent([own_message(3, "glomar.a.request.r.30", bytes(32))])

    assert publisher.check().absent_sequences == (3,)
    assert publisher.check().absent_sequences == (3,)


def test_the_stream_time_is_not_known_to_a_publisher(publisher: Publisher, ledger: Path) -> None:
    log = leaves(5)
    log[2] = changed(log[2], time_ns=2**62)
    extend(ledger, log, 5)
    publisher.sent(own(3))

    assert publisher.check().state == "ok"


def test_a_message_that_was_left_out_is_an_alert_that_stays(
    publisher: Publisher, ledger: Path, database: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """The next message has its place and its sequence, as a dishonest auditor would write it."""
    log = [each for each in leaves(301) if each.sequence != 40]
    log = [changed(each, sequence=place) for place, each in enumerate(log, 1)]
    extend(ledger, log, 300)
    publisher.sent(own(39, 40))

    with caplog.at_level(logging.INFO):
        found = publisher.check()
        publisher.check()
    assert (found.state, found.absent, found.absent_sequences) == ("alert", 1, (40,))
    errors = [
        (each.message, getattr(each, "sequence", None)) for each in caplog.records if each.levelno >= 40
    ]
    assert errors == [("the ledger lacks a message of ours", 40), ("the ledger is not to be trusted", None)]
    assert Publisher(database, ledger).check().absent_sequences == (40,), "also after a restart"


def test_more_absent_messages_than_are_shown_are_counted(publisher: Publisher, ledger: Path) -> None:
    lost = list(range(1, SHOWN + 51))
    extend(ledger, leaves(300, changed=lost), 300)
    publisher.sent(own(*range(1, 301)))

    found = publisher.check()

    assert (found.absent, found.absent_sequences) == (len(lost), tuple(lost[:SHOWN]))
    assert publisher.unseen() == lost


def test_a_ledger_that_was_rewritten_is_an_alert_for_ever(
    publisher: Publisher, ledger: Path, tmp_path: Path, database: sqlite3.Connection
) -> None:
    extend(ledger, leaves(300), 300)
    assert publisher.check().state == "ok"
    other = extend(tmp_path / "other", leaves(400, changed=[2]), 400)

    shown_another = Publisher(database, other)
    assert shown_another.check().state == "alert"
    notes = asyncio.run(shown_another.tables.checkpoints())
    assert notes == ((ledger / "checkpoint").read_text(), (other / "checkpoint").read_text()), "the evidence"

    again = Publisher(database, ledger)
    assert again.check().state == "alert", "the first ledger is shown again, and a restart"
    assert "rewritten" in again.check().fault


def test_a_receipt_of_another_history_than_the_published_one_is_an_alert_for_ever(
    publisher: Publisher, ledger: Path, tmp_path: Path, database: sqlite3.Connection
) -> None:
    extend(ledger, leaves(300), 200)
    other = extend(tmp_path / "other", leaves(300, changed=[2]), 250)
    publisher.watch.observe_checkpoint((ledger / "checkpoint").read_text(), 200)
    assert publisher.check().state == "ok"
    publisher.watch.observe_checkpoint((other / "checkpoint").read_text(), 250)
    assert publisher.check().state == "ok", "the publication has not come so far"
    extend(ledger, leaves(300), 300)

    assert publisher.check().state == "alert"
    notes = ((ledger / "checkpoint").read_text(), (other / "checkpoint").read_text())
    assert asyncio.run(publisher.tables.checkpoints()) == notes, "the evidence"
    assert Publisher(database, ledger).check().state == "alert", "also after a restart"


def test_a_ledger_that_is_away_is_not_checked_and_no_alert(
    publisher: Publisher, ledger: Path, tmp_path: Path
) -> None:
    assert publisher.check().state == "unchecked"
    extend(ledger, leaves(5), 5)
    assert publisher.check().state == "ok"
    ledger.rename(tmp_path / "moved")

    away = publisher.check(after_s=3_600)

    assert (away.state, away.size, away.checked_at) == ("unchecked", 5, NOW), "since when is said"
    (tmp_path / "moved").rename(ledger)
    assert publisher.check().state == "ok"


def test_an_alert_is_not_taken_back_because_the_ledger_is_away(
    publisher: Publisher, ledger: Path, tmp_path: Path
) -> None:
    extend(ledger, leaves(5, changed=[3]), 5)
    publisher.sent(own(3))
    publisher.check()
    ledger.rename(tmp_path / "moved")

    assert publisher.check().state == "alert"


def test_a_shorter_copy_is_not_checked_and_the_stored_state_stays(
    publisher: Publisher, ledger: Path, tmp_path: Path, database: sqlite3.Connection
) -> None:
    extend(ledger, leaves(300), 300)
    publisher.check()

    lagging = Publisher(database, extend(tmp_path / "copy", leaves(300), 200))
    assert lagging.check().state == "unchecked"
    assert asyncio.run(lagging.tables.checkpoints())[0] == (ledger / "checkpoint").read_text()


def test_a_ledger_that_does_not_grow_and_lacks_newer_messages_is_behind(
    publisher: Publisher, ledger: Path
) -> None:
    extend(ledger, leaves(5), 5)
    publisher.check()
    assert publisher.check(after_s=2 * STALLED_S).state == "ok", "nothing is missing"
    publisher.sent(own(6))

    assert publisher.check(after_s=2 * STALLED_S).state == "ok", "not yet"
    assert publisher.check(after_s=3 * STALLED_S + 1).state == "behind"
    extend(ledger, leaves(6), 6)
    assert publisher.check(after_s=4 * STALLED_S) == InclusionStatus(
        "ok", 6, NOW + timedelta(seconds=4 * STALLED_S)
    )


def test_each_ledger_in_a_file_has_its_own_messages(
    publisher: Publisher, ledger: Path, database: sqlite3.Connection
) -> None:
    extend(ledger, leaves(5), 5)
    other = InclusionTables("audit.example/AGREEMENT_2", publisher._write, publisher._read)
    asyncio.run(publisher._write(other.insert(own(1))))

    assert publisher.check().state == "ok"
    assert [each.sequence for each in asyncio.run(other.unconfirmed(0, 9, 9))] == [1]
    assert asyncio.run(other.checkpoints()) == ("", "")


def test_what_is_noted_is_the_leaf_without_its_time() -> None:
    early, late = (Leaf(7, at, "glomar.a.request.r.7", bytes(32)) for at in (0, 2**60))
    assert leaf.encode(early)[:-32] == leaf.encode(late)[:-32]
    assert own_message(7, early.subject, early.body_sha256) == own_message(7, late.subject, late.body_sha256)

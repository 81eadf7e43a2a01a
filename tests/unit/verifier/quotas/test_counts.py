"""The counts: what counts once, in which window, and after a restart or a fault."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from glomar_schemas.errors import IntegrityError, Misconfigured, Retryable
from glomar_schemas.messages import Tags
from glomar_verifier.policy.facts import Counted
from glomar_verifier.quotas.counts import Attempt, Counts, Lookup
from glomar_verifier.quotas.hidden_names import HiddenName, NameKeys, RecordedName

DAY_NS = 86_400 * 10**9
START_NS = 1_750_000_000 * 10**9


@pytest.fixture
def counts(tmp_path: Path) -> Iterator[Counts]:
    with closing(Counts(tmp_path / "counts.db", window_days=30)) as opened:
        yield opened


def attempt(number: int, **changes: object) -> Attempt:
    """Request `number` of officer OFF-001, `number` seconds after the start, with its own person, case …"""
    fields: dict[str, object] = {
        "agency": "ice",
        "request_id": f"request-{number}",
        "digest": f"{number:064x}",
        "officer": "OFF-001",
        "at_ns": START_NS + number * 10**9,
        "person": f"{number:064x}",
        "reason": f"{number:064x}",
        "case": f"{number:064x}",
        "address": f"{number:064x}",
        "day": "2025-06-15",
    } | changes
    tags = Tags(**{name: str(fields.pop(name)) for name in ("person", "reason", "case")})
    return Attempt(tags=tags, **fields)  # type: ignore[arg-type]


def people(counted: list[Counted]) -> list[int]:
    return [each.people_with_same_reason for each in counted]


def cases(counted: list[Counted]) -> list[int]:
    return [each.open_cases_of_officer for each in counted]


def test_within_a_batch_each_request_sees_those_before_it(counts: Counts) -> None:
    counted = counts.observe_batch([attempt(number, reason="aa") for number in range(1, 5)])
    assert people(counted) == [1, 2, 3, 4]
    assert cases(counted) == [1, 2, 3, 4]


def test_an_empty_batch_counts_nothing(counts: Counts) -> None:
    assert counts.observe_batch([]) == []


def test_the_same_person_and_case_again_is_no_other_one(counts: Counts) -> None:
    counted = counts.observe_batch(
        [attempt(number, person="aa", reason="bb", case="cc") for number in (1, 2, 3)]
    )
    assert people(counted) == cases(counted) == [1, 1, 1]


def test_one_case_id_for_many_people_is_many_cases(counts: Counts) -> None:
    assert cases(counts.observe_batch([attempt(number, case="cc") for number in (1, 2, 3)])) == [1, 2, 3]


def test_officers_and_agencies_are_counted_apart(counts: Counts) -> None:
    counted = counts.observe_batch(
        [
            attempt(1, reason="aa"),
            attempt(2, reason="aa", officer="OFF-002"),
            attempt(3, reason="aa", agency="fbi"),
            attempt(1, reason="aa", agency="fbi"),
        ]
    )
    assert people(counted) == [1, 2, 1, 2]
    assert cases(counted) == [1, 1, 1, 2]


def test_each_number_counts_what_it_says(counts: Counts) -> None:
    counted = counts.observe_batch(
        [
            attempt(1, person="aa", address="11", case="c1"),
            attempt(2, person="aa", address="22", case="c1", officer="OFF-002"),
            attempt(3, person="bb", address="22", case="c2"),
            attempt(4, person="bb", address="22", case="c2", day="2025-06-16"),
            attempt(5, person="bb", address="", case="c2"),
            attempt(6, agency="fbi", person="aa", address="33", case="c1"),
        ]
    )
    assert [each.addresses_of_name for each in counted] == [1, 2, 1, 1, 1, 1]
    assert [each.people_at_address for each in counted] == [1, 1, 2, 2, 0, 1]
    assert [each.requests_of_officer for each in counted] == [1, 1, 2, 3, 4, 1]
    assert [each.requests_in_case for each in counted] == [1, 2, 1, 2, 3, 1]
    assert [each.requests_of_day for each in counted] == [1, 2, 3, 1, 4, 1]


def test_requests_leave_their_counts_with_the_window(counts: Counts) -> None:
    counts.observe_batch([attempt(n, officer="O", case="cc", address="aa", person="bb") for n in (1, 2, 3)])
    late = START_NS + 2 * 10**9 + 30 * DAY_NS
    [counted] = counts.observe_batch(
        [attempt(4, officer="O", case="cc", address="dd", person="bb", at_ns=late)]
    )
    assert (counted.requests_of_officer, counted.requests_in_case, counted.requests_of_day) == (2, 2, 2)
    assert counted.addresses_of_name == 2


def hidden(*tokens: str, whole: int = 0, suffix: int = 0) -> HiddenName:
    numbers = tuple(sorted(hash(token) for token in tokens))
    return HiddenName(whole or hash(tokens), numbers, suffix)


LOPEZ = hidden("ana garcia", "ana lopez")


def recorded(*names: HiddenName) -> NameKeys[RecordedName]:
    return NameKeys(names)


def lookup(number: int, name: HiddenName = LOPEZ, **changes: object) -> Lookup:
    fields: dict[str, object] = {
        "agency": "ice",
        "request_id": f"request-{number}",
        "requested": NameKeys((name,)),
        "recorded": recorded(LOPEZ),
        "address": f"{number:064x}",
        "at_ns": START_NS + number * 10**9,
    } | changes
    return Lookup(**fields)  # type: ignore[arg-type]


def test_addresses_of_a_person_count_under_every_name_that_fits(counts: Counts) -> None:
    first, second, other = hidden("ana garcia"), hidden("ana lopez"), hidden("ana garcia", "ana perez")
    names = [LOPEZ, first, second, other, LOPEZ]
    assert counts.observe_lookups([lookup(n, each) for n, each in enumerate(names)]) == [1, 2, 3, 3, 4]


def test_an_address_counts_once_and_no_recorded_person_is_zero(counts: Counts) -> None:
    found = counts.observe_lookups(
        [lookup(1), lookup(2, address=f"{1:064x}"), lookup(3, recorded=recorded())]
    )
    assert found == [1, 1, 0]
    assert counts.observe_lookups(
        [lookup(4), lookup(5, agency="fbi", name=hidden("x"), recorded=recorded(hidden("x")))]
    ) == [
        3,
        1,
    ]


def test_a_redelivered_lookup_gets_the_number_of_the_first_time(counts: Counts, tmp_path: Path) -> None:
    counts.observe_batch([attempt(n) for n in range(1, 5)])
    assert counts.observe_lookups([lookup(1), lookup(2)]) == [1, 2]
    assert counts.observe_lookups([lookup(3)]) == [3]
    with closing(Counts(tmp_path / "counts.db", window_days=30)) as after_a_restart:
        assert after_a_restart.observe_lookups([lookup(1), lookup(2), lookup(4)]) == [1, 2, 4]


def test_a_lookup_leaves_the_window(counts: Counts) -> None:
    counts.observe_batch([attempt(1), attempt(2), attempt(3)])
    counts.observe_lookups([lookup(1), lookup(2)])
    late = START_NS + 10**9 + 30 * DAY_NS
    assert counts.observe_lookups([lookup(3, at_ns=late)]) == [2]


def test_workers_at_the_same_time_count_exactly(tmp_path: Path) -> None:
    path, workers, each = tmp_path / "counts.db", 4, 50
    Counts(path, window_days=30).close()

    def work(worker: int) -> tuple[list[int], list[int]]:
        with closing(Counts(path, window_days=30, busy_timeout_s=60)) as mine:
            of_name, of_person = [], []
            for n in range(worker, workers * each, workers):
                [counted] = mine.observe_batch([attempt(n, person="aa")])
                of_name.append(counted.addresses_of_name)
                of_person += mine.observe_lookups([lookup(n)])
            return of_name, of_person

    with ThreadPoolExecutor(workers) as threads:
        found = list(threads.map(work, range(workers)))
    everyone = list(range(1, workers * each + 1))
    assert sorted(n for of_name, _ in found for n in of_name) == everyone
    assert sorted(n for _, of_person in found for n in of_person) == everyone


def test_a_redelivered_request_counts_once_and_gets_the_numbers_of_the_first_time(counts: Counts) -> None:
    batch = [attempt(number, reason="aa") for number in (1, 2)]
    first = counts.observe_batch(batch)
    counts.observe_batch([attempt(3, reason="aa")])
    assert counts.observe_batch(batch) == first
    assert people(counts.observe_batch([attempt(4, reason="aa")])) == [4]


def test_an_id_with_other_bytes_is_a_reuse_and_counts_nothing(counts: Counts) -> None:
    counted = counts.observe_batch([attempt(1), attempt(1, digest="ff" * 32, case="dd"), attempt(2)])
    assert [each.id_reused for each in counted] == [False, True, False]
    assert cases(counted) == [1, 1, 2]


def test_the_counts_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    with closing(Counts(path, window_days=30)) as counts:
        first = counts.observe_batch([attempt(1, reason="aa")])
    with closing(Counts(path, window_days=30)) as counts:
        assert counts.observe_batch([attempt(1, reason="aa")]) == first
        assert people(counts.observe_batch([attempt(2, reason="aa")])) == [2]


@pytest.mark.parametrize(
    ("later_ns", "expected"),
    [
        pytest.param(30 * DAY_NS - 1, 2, id="just within the window"),
        pytest.param(30 * DAY_NS, 1, id="as the window ends"),
    ],
)
def test_what_left_the_window_no_longer_counts(counts: Counts, later_ns: int, expected: int) -> None:
    counts.observe_batch([attempt(1, reason="aa", at_ns=START_NS)])
    counted = counts.observe_batch([attempt(2, reason="aa", at_ns=START_NS + later_ns)])
    assert people(counted) == cases(counted) == [expected]


def test_a_person_in_a_later_request_stays_in_the_window(counts: Counts) -> None:
    counts.observe_batch(
        [
            attempt(1, person="aa", reason="bb"),
            attempt(2, person="aa", reason="bb", at_ns=START_NS + 20 * DAY_NS),
        ]
    )
    assert people(counts.observe_batch([attempt(3, reason="bb", at_ns=START_NS + 40 * DAY_NS)])) == [2]


def test_a_late_request_is_counted_among_the_later_ones(counts: Counts) -> None:
    counts.observe_batch([attempt(2, reason="aa"), attempt(3, reason="aa")])
    assert people(counts.observe_batch([attempt(1, reason="aa")])) == [3]
    assert people(counts.observe_batch([attempt(4, reason="aa")])) == [4]


def test_a_late_request_leaves_the_window_within_the_same_batch(counts: Counts) -> None:
    late = attempt(1, reason="aa", at_ns=START_NS)
    on_time = [attempt(n, reason="aa", at_ns=START_NS + n * 30 * DAY_NS) for n in (2, 3)]
    assert people(counts.observe_batch([late, *on_time])) == [1, 1, 1]


def test_nothing_is_stored_past_the_window(counts: Counts, tmp_path: Path) -> None:
    counts.observe_batch([attempt(number) for number in range(10)])
    counts.observe_batch([attempt(11, at_ns=START_NS + 31 * DAY_NS)])
    with closing(sqlite3.connect(tmp_path / "counts.db")) as db:
        rows = {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("asked", "seen", "tally")
        }
    assert rows == {"asked": 1, "seen": 4, "tally": 7}


def test_two_workers_share_one_file(counts: Counts, tmp_path: Path) -> None:
    with closing(Counts(tmp_path / "counts.db", window_days=30)) as other:
        counts.observe_batch([attempt(1, reason="aa")])
        assert people(other.observe_batch([attempt(2, reason="aa")])) == [2]
        assert people(counts.observe_batch([attempt(3, reason="aa")])) == [3]


def test_a_batch_that_fails_half_way_counts_nothing(counts: Counts, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "counts.db")) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON asked WHEN new.request_id = 'request-2' "
                   "BEGIN SELECT raise(ABORT, 'full'); END")  # fmt: skip
        with pytest.raises(IntegrityError):
            counts.observe_batch([attempt(1, reason="aa"), attempt(2, reason="aa")])
        db.execute("DROP TRIGGER full")
    assert people(counts.observe_batch([attempt(3, reason="aa")])) == [1]


def test_a_locked_file_means_try_again_and_then_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    with (
        closing(Counts(path, window_days=30, busy_timeout_s=0)) as counts,
        closing(sqlite3.connect(path)) as db,
    ):
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retryable, match="locked"):
            counts.observe_batch([attempt(1, reason="aa")])
        db.rollback()
        assert people(counts.observe_batch([attempt(1, reason="aa"), attempt(2, reason="aa")])) == [1, 2]


def test_the_file_is_its_owners_alone(counts: Counts, tmp_path: Path) -> None:
    counts.observe_batch([attempt(1)])
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_the_file_holds_no_plain_text_of_an_officer_or_a_tag(counts: Counts, tmp_path: Path) -> None:
    counts.observe_batch([attempt(1, officer="Agent Smith of 12 Elm St", person="5e" * 32)])
    counts.observe_lookups([lookup(1, address="5e" * 32)])
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"Elm St" not in content
    assert b"5e5e" not in content


@pytest.mark.parametrize("fault", ["not a database", "a directory", "no directory", "a newer version"])
def test_a_file_that_is_no_table_of_counts_is_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "counts.db"
    if fault == "not a database":
        path.write_text("reference,first_name\n" * 100)
    elif fault == "a directory":
        path.mkdir()
    elif fault == "no directory":
        path = tmp_path / "nowhere" / "counts.db"
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 2")
    with pytest.raises(Misconfigured, match=r"counts\.db"):
        Counts(path, window_days=30)

"""The list of held requests: order, restarts, and counts that are exact at 100,000 too."""

from pathlib import Path

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_verifier.decisions.held_requests import NO_HOLD, HeldRequest, HeldRequests
from hypothesis import given, settings
from hypothesis import strategies as st

MANY = 100_000

Step = tuple[str, list[tuple[int, int]]]
SEQUENCES, HOLDS = st.integers(1, 12), st.integers(0, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add_missing", "remove"]), st.lists(st.tuples(SEQUENCES, HOLDS), max_size=6)
    ),
    max_size=12,
)


def test_requests_under_no_hold_in_force_are_resumable_oldest_first(tmp_path: Path) -> None:
    requests = HeldRequests(tmp_path / "waiting.db")
    requests.add([HeldRequest(9, 2, 90), HeldRequest(7, 2, 70), HeldRequest(8, 3, 80)])

    assert requests.resumable([2, 3], 10) == []
    assert requests.resumable([3], 10) == [HeldRequest(7, 2, 70), HeldRequest(9, 2, 90)]
    assert requests.resumable([], 2) == [HeldRequest(7, 2, 70), HeldRequest(8, 3, 80)]


def test_a_request_held_again_keeps_its_time(tmp_path: Path) -> None:
    requests = HeldRequests(tmp_path / "waiting.db")
    requests.add([HeldRequest(7, 2, 70)])
    requests.add([HeldRequest(7, 5, 99)])

    assert requests.resumable([2], 10) == [HeldRequest(7, 5, 70)]
    assert requests.resumable([5], 10) == []


def test_the_list_outlives_the_process(tmp_path: Path) -> None:
    first = HeldRequests(tmp_path / "waiting.db")
    first.add([HeldRequest(n, 2, n) for n in range(1, 6)])
    first.remove([2, 4])
    first.close()

    again = HeldRequests(tmp_path / "waiting.db")

    assert [held.sequence for held in again.resumable([], 10)] == [1, 3, 5]
    assert len(again) == 3


def test_a_file_that_is_not_a_list_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "waiting.db").write_bytes(b"no database" * 100)

    with pytest.raises(Misconfigured, match="waiting requests"):
        HeldRequests(tmp_path / "waiting.db")


@settings(max_examples=60)
@given(STEPS)
def test_the_counts_are_those_of_a_dictionary(tmp_path_factory, steps: list[Step]) -> None:  # type: ignore[no-untyped-def]
    requests = HeldRequests(tmp_path_factory.mktemp("held") / "waiting.db")
    model: dict[int, int] = {}
    for action, pairs in steps:
        held = [HeldRequest(sequence, hold, 10 * sequence) for sequence, hold in pairs]
        match action:
            case "add":
                requests.add(held)
                model.update(pairs)
            case "add_missing":
                requests.add_missing(held)
                for sequence, hold in pairs:
                    model.setdefault(sequence, hold)
            case _:
                requests.remove([sequence for sequence, _ in pairs])
                for sequence, _ in pairs:
                    model.pop(sequence, None)

    assert requests.by_hold() == {hold: list(model.values()).count(hold) for hold in {*model.values()}}
    assert len(requests) == len(model)
    free = [sequence for sequence in sorted(model) if model[sequence] != 2]
    assert [held.sequence for held in requests.resumable([2], 100)] == free
    requests.close()


def test_finding_resumable_requests_reads_none_that_must_wait(tmp_path: Path) -> None:
    requests = HeldRequests(tmp_path / "waiting.db")
    requests.add(HeldRequest(sequence, 2, sequence) for sequence in range(1, MANY + 1))
    requests.add([HeldRequest(MANY + 1, 3, 1)])

    steps = _steps(requests, lambda: (requests.resumable([2], 200), requests.by_hold(), len(requests)))
    few = HeldRequests(tmp_path / "few.db")
    few.add([HeldRequest(1, 2, 1), HeldRequest(2, 3, 1)])

    assert requests.by_hold() == {2: MANY, 3: 1}
    assert steps == _steps(few, lambda: (few.resumable([2], 200), few.by_hold(), len(few)))
    assert requests.resumable([2], 200) == [HeldRequest(MANY + 1, 3, 1)]


def _steps(requests: HeldRequests, work: object) -> int:
    """How many times SQLite ran 10 virtual-machine instructions meanwhile."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    assert callable(work)
    requests._database.set_progress_handler(tick, 10)
    work()
    requests._database.set_progress_handler(None, 0)
    return count


def test_a_new_list_is_incomplete_until_it_is_marked(tmp_path: Path) -> None:
    requests = HeldRequests(tmp_path / "waiting.db")
    assert not requests.is_complete

    requests.add_missing([HeldRequest(5, NO_HOLD, 50)])
    requests.mark_complete()
    requests.close()

    again = HeldRequests(tmp_path / "waiting.db")
    assert again.is_complete
    assert again.resumable([2], 10) == [HeldRequest(5, NO_HOLD, 50)]

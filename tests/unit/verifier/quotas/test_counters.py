"""Counting what waits without reading the list: exact whatever comes, moves and goes, at 100,000 too."""

from pathlib import Path

from glomar_verifier.decisions.held_requests import NO_HOLD, Held, Waiting
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


@settings(max_examples=60)
@given(STEPS)
def test_the_tally_is_what_a_dictionary_would_count(tmp_path_factory, steps: list[Step]) -> None:  # type: ignore[no-untyped-def]
    waiting = Waiting(tmp_path_factory.mktemp("tally") / "waiting.db")
    model: dict[int, int] = {}
    for action, pairs in steps:
        held = [Held(sequence, hold, 10 * sequence) for sequence, hold in pairs]
        match action:
            case "add":
                waiting.add(held)
                model.update(pairs)
            case "add_missing":
                waiting.add_missing(held)
                for sequence, hold in pairs:
                    model.setdefault(sequence, hold)
            case _:
                waiting.remove([sequence for sequence, _ in pairs])
                for sequence, _ in pairs:
                    model.pop(sequence, None)

    assert waiting.by_hold() == {hold: list(model.values()).count(hold) for hold in {*model.values()}}
    assert len(waiting) == len(model)
    free = [sequence for sequence in sorted(model) if model[sequence] != 2]
    assert [one.sequence for one in waiting.resumable([2], 100)] == free
    waiting.close()


def test_a_look_for_what_may_go_on_reads_nothing_of_what_must_wait(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    waiting.add(Held(sequence, 2, sequence) for sequence in range(1, MANY + 1))
    waiting.add([Held(MANY + 1, 3, 1)])

    steps = _steps(waiting, lambda: (waiting.resumable([2], 200), waiting.by_hold(), len(waiting)))
    few = Waiting(tmp_path / "few.db")
    few.add([Held(1, 2, 1), Held(2, 3, 1)])

    assert waiting.by_hold() == {2: MANY, 3: 1}
    assert steps == _steps(few, lambda: (few.resumable([2], 200), few.by_hold(), len(few)))
    assert waiting.resumable([2], 200) == [Held(MANY + 1, 3, 1)]


def _steps(waiting: Waiting, work: object) -> int:
    """How many times the database's machine got to do 10 instructions while it ran."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    assert callable(work)
    waiting._database.set_progress_handler(tick, 10)
    work()
    waiting._database.set_progress_handler(None, 0)
    return count


def test_a_new_list_says_that_it_may_lack_something_until_it_was_completed(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    assert not waiting.is_complete

    waiting.add_missing([Held(5, NO_HOLD, 50)])
    waiting.completed()
    waiting.close()

    again = Waiting(tmp_path / "waiting.db")
    assert again.is_complete
    assert again.resumable([2], 10) == [Held(5, NO_HOLD, 50)]

"""The case roll of a running system: a new one is used without a restart, a bad one changes nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from glomar_requester import Ask
from msgspec.structs import replace

from tests.support.polling import wait_until
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, glomar_up

IN_FORCE, REFUSED = "a new file is in force", "a file is refused, the old one stays in force"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path_factory.mktemp("roll") / "data") as running:
        yield running


def write_roll(system: RunningSystem, rows: Iterable[str], logged: str) -> None:
    """Replaces the roll. Returns once the verifier has logged that message."""
    (roll,) = system.layout.rolls.glob("*.csv")
    log = system.layout.log("verifier")
    before = log.read_text().count(logged)
    draft = roll.with_suffix(".draft")
    draft.write_text("\n".join(["case_id,officer_id,opened_on,closed_on", *rows, ""]))
    draft.replace(roll)
    assert wait_until(lambda: log.read_text().count(logged) == before + 1)


def outcomes(system: RunningSystem, store: Path, asks: list[Ask]) -> list[tuple[str, tuple[str, ...]]]:
    results = ask_all(profile(system.layout, store), asks)
    return [(each.outcome, tuple(refusal.condition for refusal in each.refusals)) for each in results]


def test_an_officer_without_an_open_case_is_refused_and_a_new_roll_is_used_at_once(
    system: RunningSystem, tmp_path: Path
) -> None:
    first, second, third = confirmable(3)
    confirmed, refused = ("confirm", ()), ("refused", ("L6",))
    row = "{0.case_id},{0.officer_id},2025-01-02,".format
    numbers = iter(range(100))

    def ask(*asks: Ask) -> list[tuple[str, tuple[str, ...]]]:
        return outcomes(system, tmp_path / f"{next(numbers)}.db", list(asks))

    of_another_case = replace(first, reference="another", officer_id=second.officer_id)
    of_no_case = replace(first, reference="no case", case_id="HOU-UNHEARD-OF")
    assert ask(first, of_another_case, of_no_case) == [confirmed, refused, refused]

    write_roll(system, [row(second), f"{row(third)}2025-02-01"], IN_FORCE)
    assert ask(first, second, third) == [refused, confirmed, refused]

    write_roll(system, [row(first), row(third), "HOU-1,OFF-001,yesterday,"], REFUSED)
    assert "line 4, opened_on: not a date" in system.layout.log("verifier").read_text()
    assert ask(first, second, third) == [refused, confirmed, refused]

    write_roll(system, [row(first), row(third)], IN_FORCE)
    assert ask(first, second, third) == [confirmed, refused, confirmed]

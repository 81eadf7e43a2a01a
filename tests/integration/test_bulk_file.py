"""A small synthetic file like that of June 2025: incomplete requests are refused before any lookup."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest
from glomar_evaluation.synth import people
from glomar_local.demo import population
from msgspec import Struct

from tests.support.bulk import COMPLETE, bulk, write_roll
from tests.support.commands import submit
from tests.support.requesting import read_results
from tests.support.running_system import glomar_up

REQUESTS = 5_000
SEED = 2025


class Sent(Struct, frozen=True):
    """klass: reference -> kind of request; outcome: reference -> (outcome, refusals)."""

    klass: dict[str, str]
    outcome: dict[str, tuple[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    folder = tmp_path_factory.mktemp("bulk")
    rows = list(bulk(people(population.PEOPLE, population.SEED), REQUESTS, SEED, population.today()))
    population.write_requests(rows, folder / "requests.csv")
    write_roll(folder / "roll.csv", rows, date(2025, 1, 2))
    with glomar_up(folder / "data", "--roll", str(folder / "roll.csv")) as running:
        config = running.layout.settings("requester")
        summary = submit(folder / "requests.csv", folder / "results.csv", config)
        assert summary["rows"] == REQUESTS
    outcome = {
        row["reference"]: (row["outcome"], tuple(filter(None, row["refusals"].split(";"))))
        for row in read_results(folder / "results.csv")
    }
    counted = Counter(condition for _, refusals in outcome.values() for condition in refusals)
    print(f"{REQUESTS} requests: {Counter(each for each, _ in outcome.values())}, refused by {counted}")
    yield Sent({row["reference"]: row["klass"] for row in rows}, outcome)


def test_every_request_is_answered(sent: Sent) -> None:
    assert sent.outcome.keys() == sent.klass.keys()
    assert {outcome for outcome, _ in sent.outcome.values()} <= {"confirm", "deny", "refused"}


def test_a_request_without_an_address_is_refused_for_it_without_a_lookup(sent: Sent) -> None:
    for reference, klass in sent.klass.items():
        if klass != COMPLETE:
            outcome, refusals = sent.outcome[reference]
            assert outcome == "refused", reference
            assert "L2" in refusals, reference


def test_only_complete_requests_are_confirmed(sent: Sent) -> None:
    confirmed = [reference for reference, (outcome, _) in sent.outcome.items() if outcome == "confirm"]

    assert confirmed
    assert {sent.klass[reference] for reference in confirmed} == {COMPLETE}


def test_one_officer_for_all_cases_and_copied_reasons_are_refused(sent: Sent) -> None:
    complete = [
        refusals for reference, (_, refusals) in sent.outcome.items() if sent.klass[reference] == COMPLETE
    ]
    conditions = Counter(condition for refusals in complete for condition in refusals)

    assert {"L5", "L6"} <= conditions.keys()
    # Most complete requests name an officer with too many cases, or a reason of too many requests.
    assert sum(bool(refusals) for refusals in complete) > 0.9 * len(complete)

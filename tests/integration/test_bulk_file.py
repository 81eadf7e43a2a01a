"""The file of June 2025, on a smaller scale and about nobody: refused clause by clause, before any lookup."""

import csv
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest
from glomar_evaluation.synth import people
from glomar_local.demo import population
from glomar_local.system.process import program
from msgspec import Struct

from tests.support.bulk import COMPLETE, bulk, write_roll
from tests.support.running_system import glomar_up

REQUESTS = 5_000
SEED = 2025
LIMIT_S = 300.0


class Sent(Struct, frozen=True):
    """What was asked, by reference, and each reference's (outcome, refusals)."""

    klass: dict[str, str]
    outcome: dict[str, tuple[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    folder = tmp_path_factory.mktemp("bulk")
    rows = list(bulk(people(population.PEOPLE, population.SEED), REQUESTS, SEED, population.today()))
    population.write_requests(rows, folder / "requests.csv")
    write_roll(folder / "roll.csv", rows, date(2025, 1, 2))
    with glomar_up(folder / "data", "--roll", str(folder / "roll.csv")) as running:
        submitted = subprocess.run(
            [
                *(program("glomar-requester"), "submit", str(folder / "requests.csv"), "--wait", "--json"),
                *("--out", str(folder / "results.csv")),
                *("--config", str(running.layout.settings("requester"))),
            ],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert submitted.returncode == 0, submitted.stderr
        assert json.loads(submitted.stdout)["rows"] == REQUESTS
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        outcome = {
            row["reference"]: (row["outcome"], tuple(filter(None, row["refusals"].split(";"))))
            for row in csv.DictReader(file)
        }
    counted = Counter(condition for _, refusals in outcome.values() for condition in refusals)
    print(f"{REQUESTS} requests: {Counter(each for each, _ in outcome.values())}, refused by {counted}")
    yield Sent({row["reference"]: row["klass"] for row in rows}, outcome)


def test_every_request_is_answered(sent: Sent) -> None:
    assert sent.outcome.keys() == sent.klass.keys()
    assert {outcome for outcome, _ in sent.outcome.values()} <= {"confirm", "deny", "refused"}


def test_what_has_no_address_is_refused_for_that_without_a_lookup(sent: Sent) -> None:
    for reference, klass in sent.klass.items():
        if klass != COMPLETE:
            outcome, refusals = sent.outcome[reference]
            assert outcome == "refused", reference
            assert "L2" in refusals, reference


def test_only_what_is_complete_is_ever_confirmed(sent: Sent) -> None:
    confirmed = [reference for reference, (outcome, _) in sent.outcome.items() if outcome == "confirm"]

    assert confirmed
    assert {sent.klass[reference] for reference in confirmed} == {COMPLETE}


def test_one_officer_for_all_and_copied_reasons_end_the_rest(sent: Sent) -> None:
    complete = [
        refusals for reference, (_, refusals) in sent.outcome.items() if sent.klass[reference] == COMPLETE
    ]
    clauses = Counter(clause for refusals in complete for clause in refusals)

    assert {"L5", "L6"} <= clauses.keys()
    # Complete as they are, most of them name an officer with too many cases or a reason given to too many.
    assert sum(bool(refusals) for refusals in complete) > 0.9 * len(complete)

"""The request file of June 2025, shaped like the real one and about people who don't exist.

Reported of it: 1.28 million names in one file; 3.7 % with an address that could be one, the others blank, a
ZIP code alone or a phrase ("Failed to Provide", "Unknown", "Don't Care 12345"); one official named as
personally engaged in all of them; reasons copied from row to row. The tests and the benchmark send it.
"""

import csv
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path

from glomar_evaluation.synth.kinds import Case
from glomar_evaluation.synth.requests import lawful
from glomar_evaluation.synth.scenario import Row, load_scenario

COMPLETE = "complete"
COMPLETE_SHARE = 0.037
REASONS = tuple(
    f"Subject of enforcement list {number}. Address needed for purposes of locating the subject."
    for number in range(1, 41)
)

_NOWHERE = ("street_number", "street_name", "unit", "po_box", "city", "state", "zip")


def _instead(**columns: str) -> Callable[[Case], Row]:
    return lambda case: dict.fromkeys(_NOWHERE, "") | columns


def _zip_only(case: Case) -> Row:
    return dict.fromkeys(_NOWHERE, "") | {"zip": case.person["zip"]}


def _phrase(phrase: str) -> Callable[[Case], Row]:
    """What a check for "five digits anywhere" lets pass: a phrase for a street, and a ZIP code behind it."""
    return lambda case: (
        dict.fromkeys(_NOWHERE, "")
        | {
            "street_name": phrase,
            "city": case.person["city"],
            "state": case.person["state"],
            "zip": case.person["zip"],
        }
    )


INCOMPLETE: Mapping[str, tuple[int, Callable[[Case], Row]]] = {
    "blank": (40, _instead()),
    "zip-only": (25, _zip_only),
    "failed-to-provide": (12, _phrase("Failed to Provide")),
    "unknown": (12, _phrase("Unknown Address")),
    "dont-care": (11, _phrase("Don't Care 12345")),
}
"""Class -> weight, and the address that stands in its place. Weights of ours; the shares aren't known."""


def bulk(register_rows: Iterable[Mapping[str, str]], n: int, seed: int, today: date) -> Iterator[Row]:
    """Up to `n` rows of a requests file, one for each person, with their `klass` (COMPLETE or of INCOMPLETE).

    The register's rows come as `people` makes them, a person's spells together. Those with an address stand
    evenly among the others, the first one first.
    """
    scenario = load_scenario()
    the_officer = scenario.officers[0]
    dice = random.Random(seed)  # noqa: S311 (reproducible test data, no secret)
    names = list(INCOMPLETE)
    weights = [weight for weight, _ in INCOMPLETE.values()]
    complete = 0
    the_officer = load_scenario().officers[0]
    grouped = groupby(register_rows, key=lambda row: row["person_id"])
    for serial, (_, spells) in zip(range(1, n + 1), grouped, strict=False):
        case = Case(list(spells), today, dice)
        row = lawful(case, serial, scenario) | {
            "officer_id": the_officer,
            "reason": REASONS[serial % len(REASONS)],
        }
        if complete < serial * COMPLETE_SHARE:
            complete += 1
            yield row | {"klass": COMPLETE}
        else:
            [klass] = dice.choices(names, weights)
            yield row | INCOMPLETE[klass][1](case) | {"klass": klass}


def write_roll(out: Path, rows: Iterable[Mapping[str, str]], opened_on: date) -> None:
    """The roll that goes with it: the agency says that the one officer is engaged in every case."""
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "officer_id", "opened_on", "closed_on"))
        writer.writerows((row["case_id"], row["officer_id"], opened_on, "") for row in rows)

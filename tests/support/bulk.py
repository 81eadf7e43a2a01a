"""A request file in the shape of the real file of June 2025, about synthetic people.

What is reported of the real file: 1.28 million names; 3.7 % with an address that could be one, the others
blank, a ZIP code only or a phrase ("Failed to Provide", "Unknown", "Don't Care 12345"); one official named as
personally engaged in all of them; reasons copied from row to row.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path

from glomar_evaluation.synth.kinds import RequestContext
from glomar_evaluation.synth.requests import lawful, write_open_cases
from glomar_evaluation.synth.scenario import Row, load_scenario

COMPLETE = "complete"
COMPLETE_SHARE = 0.037
REASONS = tuple(
    f"Subject of enforcement list {number}. Address needed for purposes of locating the subject."
    for number in range(1, 41)
)

_ADDRESS = ("street_number", "street_name", "unit", "po_box", "urbanization", "city", "state", "zip")


def _only(*kept: str, **columns: str) -> Callable[[RequestContext], Row]:
    """The address with these columns of the person's, these other columns, and all else blank."""
    return lambda context: (
        dict.fromkeys(_ADDRESS, "") | {column: context.person[column] for column in kept} | columns
    )


# The phrases pass a check for "five digits anywhere".
INCOMPLETE: Mapping[str, tuple[int, Callable[[RequestContext], Row]]] = {
    "blank": (40, _only()),
    "zip-only": (25, _only("zip")),
    "failed-to-provide": (12, _only("city", "state", "zip", street_name="Failed to Provide")),
    "unknown": (12, _only("city", "state", "zip", street_name="Unknown Address")),
    "dont-care": (11, _only("city", "state", "zip", street_name="Don't Care 12345")),
}
"""Kind -> (weight, the columns instead of the address). The real shares are not known."""


def bulk(register_rows: Iterable[Mapping[str, str]], n: int, seed: int, today: date) -> Iterator[Row]:
    """Up to `n` rows of a requests file, one for each person, with their `klass` (COMPLETE or one of
    INCOMPLETE).

    `register_rows` are in the order of `people`. The rows with an address are spread evenly; the first row
    has one.
    """
    scenario = load_scenario()
    officer = scenario.officers[0]
    rng = random.Random(seed)
    names = list(INCOMPLETE)
    weights = [weight for weight, _ in INCOMPLETE.values()]
    complete = 0
    grouped = groupby(register_rows, key=lambda row: row["person_id"])
    for serial, (_, spells) in zip(range(1, n + 1), grouped, strict=False):
        context = RequestContext(list(spells), today, rng)
        row = lawful(context, serial, scenario) | {
            "officer_id": officer,
            "reason": REASONS[serial % len(REASONS)],
        }
        if complete < serial * COMPLETE_SHARE:
            complete += 1
            yield row | {"klass": COMPLETE}
        else:
            [klass] = rng.choices(names, weights)
            yield row | INCOMPLETE[klass][1](context) | {"klass": klass}


def write_roll(out: Path, rows: Iterable[Mapping[str, str]], opened_on: date) -> None:
    """Writes the case roll for these rows: the one officer is engaged in every case."""
    write_open_cases(out, ((row["case_id"], row["officer_id"]) for row in rows), opened_on)

"""Requests about synthetic people, each with the right answer and its kind."""

import csv
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from glomar_schemas.files import replacing_text
from glomar_schemas.request_file import COLUMNS

from glomar_evaluation.synth.kinds import YEARS, RequestContext, request_kinds
from glomar_evaluation.synth.scenario import Row, Scenario, draw_columns, load_scenario

TRUTH_COLUMNS = ("truth", "klass")
MAX_PER_HOUSE = 8
"""At most so many people are requested at one house: fewer than each bundled agreement allows an agency."""


def requests(
    register_rows: Iterable[Mapping[str, str]],
    n: int,
    seed: int,
    today: date,
    *,
    per_name: int = 1,
    scenario: Scenario | None = None,
) -> Iterator[Row]:
    """Rows of the requests file with `truth` and `klass`, one for each of up to `n` people.

    `register_rows` are in the order of `people`, the spells of a person together. The quotas of an agreement
    count by name and by house, so at most `per_name` people who share a first name, a part of the last name
    and a suffix are requested, and at most MAX_PER_HOUSE people at one house. Therefore the register should
    hold some three times `n` people, and `per_name` must grow with `n`. Each kind of request has its share by
    weight among the people whom it fits. `scenario`: by default that of the first bundled agreement.
    """
    scenario = scenario or load_scenario()
    kinds = request_kinds(scenario)
    rng = random.Random(seed)  # noqa: S311 (reproducible test data, no secret)
    used: Counter[str] = Counter()
    names: Counter[tuple[str, str, str]] = Counter()
    houses: Counter[tuple[str, str]] = Counter()
    serial = 0
    for _, spells in groupby(register_rows, key=lambda row: row["person_id"]):
        if serial == n:
            return
        context = RequestContext(
            list(spells), today, rng, scenario.birth_date_needed, scenario.earliest_tax_year
        )
        first, last, suffix = (context.person[column] for column in ("first_name", "last_name", "suffix"))
        alike = [(first, part, suffix) for part in last.split()]
        undated = scenario.birth_date_needed and not context.person["date_of_birth"]
        if undated or any(names[name] >= per_name for name in alike):
            continue
        # The kind that is furthest below its share, so that a small set has every kind too.
        kind = min((k for k in kinds if k.fits(context)), key=lambda k: (used[k.name] / k.weight, -k.weight))
        row = lawful(context, serial + 1, scenario) | kind.change(context)
        house = (row["street_number"], row["zip"])
        if row["street_number"] and houses[house] >= MAX_PER_HOUSE:
            continue
        houses[house] += 1
        names.update(alike)
        used[kind.name] += 1
        serial += 1
        yield row | {"truth": kind.truth, "klass": kind.name}


def case_and_officer(serial: int, scenario: Scenario | None = None) -> tuple[str, str]:
    """The case of the request with this serial number, and the officer who is engaged in it."""
    officers = (scenario or load_scenario()).officers
    return f"CASE-{serial:06d}", officers[serial % len(officers)]


def write_roll(cases: int, out: Path, today: date, scenario: Scenario | None = None) -> None:
    """Writes an agency's case roll, in which the first `cases` cases have been open for a year."""
    pairs = (case_and_officer(serial, scenario) for serial in range(1, cases + 1))
    write_open_cases(out, pairs, today - timedelta(days=365))


def write_open_cases(out: Path, cases_and_officers: Iterable[tuple[str, str]], opened_on: date) -> None:
    """Writes a case roll of open cases."""
    with replacing_text(out) as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "officer_id", "opened_on", "closed_on"))
        writer.writerows((*pair, opened_on, "") for pair in cases_and_officers)


def lawful(context: RequestContext, serial: int, scenario: Scenario | None = None) -> Row:
    """A request about the person's present address that holds under every condition, if the agency has filed
    the case roll of `write_roll`."""
    scenario = scenario or load_scenario()
    case_id, officer_id = case_and_officer(serial, scenario)
    request = dict.fromkeys(COLUMNS, "")
    request |= {column: value for column, value in context.person.items() if column in request}
    request |= draw_columns(scenario.every, context.today, context.rng)
    request |= draw_columns(context.rng.choice(scenario.grounds), context.today, context.rng)
    since = int(context.person.get("from_year", "0"))
    born = context.birth_date_needed or context.crowded or context.rng.random() < 0.7
    return request | {
        "reference": f"R-{serial:06d}",
        "date_of_birth": context.person["date_of_birth"] if born else "",
        "tax_periods": ";".join(str(year) for year in YEARS if year >= since),
        "case_id": case_id,
        "officer_id": officer_id,
        "reason": f"{case_id}: the subject left the address on file; the return's address of those years is "
        f"needed to serve the warrant of docket {1_000_000 + serial}.",
    }

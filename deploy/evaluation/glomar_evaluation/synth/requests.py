"""Requests about the generator's people, each with what the bus must answer and why.
`glomar demo` sends them through the bus and compares; the tests decide them directly. All synthetic."""

import csv
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from glomar_schemas.files import replacing_text
from glomar_schemas.request_file import COLUMNS

from glomar_evaluation.synth.kinds import YEARS, Case, klasses
from glomar_evaluation.synth.scenario import Row, Scenario, drawn, load_scenario

TRUTH_COLUMNS = ("truth", "klass")
PER_HOUSE = 8
"""People in one building, a dormitory say: fewer than any shipped agreement lets an agency ask about."""


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

    The register's rows come as `people` makes them, a person's spells together. At most `per_name` people
    who share a first name, a part of the last and a suffix are asked about, since the agreement's quotas
    count by name; so the register should hold some three times `n` people, and for a large `n` `per_name`
    must grow; likewise at most PER_HOUSE are asked about at one house. Every class comes up by its weight
    among the people whom it fits.
    scenario: what is said under an agreement; by default the first that is shipped.
    """
    scenario = scenario or load_scenario()
    kinds = klasses(scenario)
    dice = random.Random(seed)  # noqa: S311 (reproducible test data, no secret)
    used: Counter[str] = Counter()
    names: Counter[tuple[str, str, str]] = Counter()
    houses: Counter[tuple[str, str]] = Counter()
    serial = 0
    for _, spells in groupby(register_rows, key=lambda row: row["person_id"]):
        if serial == n:
            return
        case = Case(list(spells), today, dice, scenario.birth_date_needed, scenario.earliest_tax_year)
        first, last, suffix = (case.person[column] for column in ("first_name", "last_name", "suffix"))
        alike = [(first, part, suffix) for part in last.split()]
        undated = scenario.birth_date_needed and not case.person["date_of_birth"]
        if undated or any(names[name] >= per_name for name in alike):
            continue
        # The class that is furthest behind its share, so that a small set has every class too.
        klass = min((k for k in kinds if k.fits(case)), key=lambda k: (used[k.name] / k.weight, -k.weight))
        row = lawful(case, serial + 1, scenario) | klass.change(case)
        house = (row["street_number"], row["zip"])
        if row["street_number"] and houses[house] >= PER_HOUSE:
            continue
        houses[house] += 1
        names.update(alike)
        used[klass.name] += 1
        serial += 1
        yield row | {"truth": klass.truth, "klass": klass.name}


def case_and_officer(serial: int, scenario: Scenario | None = None) -> tuple[str, str]:
    """The case of the serial-th request, and the officer who is engaged in it."""
    officers = (scenario or load_scenario()).officers
    return f"CASE-{serial:06d}", officers[serial % len(officers)]


def write_roll(cases: int, out: Path, today: date, scenario: Scenario | None = None) -> None:
    """The agency's roll, in which the first so many cases have been open for a year."""
    opened_on = today - timedelta(days=365)
    with replacing_text(out) as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "officer_id", "opened_on", "closed_on"))
        writer.writerows(
            (*case_and_officer(serial, scenario), opened_on, "") for serial in range(1, cases + 1)
        )


def lawful(case: Case, serial: int, scenario: Scenario | None = None) -> Row:
    """A request that holds under every condition, about the person's present address.

    Lawful where the agency has filed the roll of `write_roll`.
    """
    scenario = scenario or load_scenario()
    case_id, officer_id = case_and_officer(serial, scenario)
    request = dict.fromkeys(COLUMNS, "")
    request |= {column: value for column, value in case.person.items() if column in request}
    request |= drawn(scenario.every, case.today, case.dice)
    request |= drawn(case.dice.choice(scenario.grounds), case.today, case.dice)
    since = int(case.person.get("from_year", "0"))
    born = case.birth_date_needed or case.crowded or case.dice.random() < 0.7
    return request | {
        "reference": f"R-{serial:06d}",
        "date_of_birth": case.person["date_of_birth"] if born else "",
        "tax_periods": ";".join(str(year) for year in YEARS if year >= since),
        "case_id": case_id,
        "officer_id": officer_id,
        "reason": f"{case_id}: the subject left the address on file; the return's address of those years is "
        f"needed to serve the warrant of docket {1_000_000 + serial}.",
    }

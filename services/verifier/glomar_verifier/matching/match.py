"""The gates and the decision: confirm if and only if exactly one person of the register passes every gate.
Pure. There is no score, so that a lawyer can read the rule."""

from collections.abc import Callable, Iterator
from datetime import date
from itertools import product
from typing import Literal

import msgspec
from glomar_schemas.messages import Subject
from msgspec.structs import astuple, replace

from glomar_verifier.matching.addresses import AddressForm, NormalAddress, normal_address
from glomar_verifier.matching.names import NormalName, normal_name
from glomar_verifier.matching.places import NOTHING_KNOWN, KnownStreets, same_delivery_point, same_units
from glomar_verifier.matching.rules import Rules, known_birth
from glomar_verifier.matching.spelling import (
    exchanged,
    first_name_slips,
    native_contradictions,
    same_given_name,
    same_middle_name,
    surname_slips,
)


class Query(msgspec.Struct, frozen=True):
    """A request in normal form. `tax_periods` are calendar years. `birth_unsure`: the birth date is one that
    is given to people of whom only the year is known; it vouches for nobody, but contradicts.
    `known_streets`: what the register knows of the streets in the request's ZIP code."""

    name: NormalName
    address: NormalAddress
    date_of_birth: date | None
    tax_periods: tuple[int, ...]
    birth_unsure: bool = False
    known_streets: KnownStreets = NOTHING_KNOWN


class RegisterRecord(msgspec.Struct, frozen=True, array_like=True):
    """One address spell of one person, both years included. `crowded`: at least `rules.crowded_people` people
    are recorded at this place. `birth_shared`: more people of the register have the requested birth date than
    chance allows; a lookup sets it."""

    person_id: str
    name: NormalName
    address: NormalAddress
    date_of_birth: date | None
    from_year: int
    to_year: int
    crowded: bool = False
    birth_shared: bool = False


class Candidates(msgspec.Struct, frozen=True):
    """The records that a register found. `complete` is false if there were more than the block cap allows to
    compare. `known_streets` as in `Query`."""

    records: tuple[RegisterRecord, ...]
    complete: bool = True
    known_streets: KnownStreets = NOTHING_KNOWN


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
    if candidates.known_streets:
        query = replace(query, known_streets=candidates.known_streets)
    passing = {record.person_id for record in candidates.records if not any(_failed(query, record, rules))}
    if not candidates.complete or len(passing) != 1 or _has_rival(candidates, query, passing, rules):
        return MatchResult("deny")
    [person] = passing
    rows = [record for record in candidates.records if record.person_id == person]
    names = {row.name for row in rows}
    births = {row.date_of_birth for row in rows if row.date_of_birth}
    return MatchResult("confirm", person, tuple(sorted(names, key=astuple)), tuple(sorted(births)))


def _has_rival(candidates: Candidates, query: Query, passing: set[str], rules: Rules) -> bool:
    # Where both sides give a birth date that counts, or two that differ, none is missing.
    others = (
        record
        for record in candidates.records
        if record.person_id not in passing
        and not _same_birth(query, record)
        and (not query.date_of_birth or record.date_of_birth in (None, query.date_of_birth))
    )
    return any(not any(_failed(*_with_equal_births(query, record), rules)) for record in others)


def _with_equal_births(query: Query, record: RegisterRecord) -> tuple[Query, RegisterRecord]:
    """Both with one arbitrary birth date that counts."""
    return (
        replace(query, date_of_birth=date.min, birth_unsure=False),
        replace(record, date_of_birth=date.min, birth_shared=False),
    )


def gates(query: Query, record: RegisterRecord, rules: Rules) -> tuple[str, ...]:
    """Names of the gates that this record fails; empty if it passes. For tests, evaluation and the record
    holder's own staff: a requester never learns them (G4)."""
    return tuple(dict.fromkeys(_failed(query, record, rules)))


def _failed(query: Query, record: RegisterRecord, rules: Rules) -> Iterator[str]:
    yield from _failed_names(query, record, rules)
    yield from (name for name, gate in ADDRESS_AND_TIME.items() if not gate(query, record, rules))


def _failed_names(query: Query, record: RegisterRecord, rules: Rules) -> Iterator[str]:
    return name_gates(query.name, record.name, rules, same_birth=_same_birth(query, record))


def name_gates(
    requested: NormalName, recorded: NormalName, rules: Rules, *, same_birth: bool
) -> Iterator[str]:
    """Names of the gates that fail for the names. In a passport's letters the names must be equal: a slip of
    Doerte may be another name, although it is none of Dörte."""
    failed = _failed_for(requested, recorded, rules, same_birth)
    if not (requested.transliteration or recorded.transliteration):
        yield from failed
        return
    failures = tuple(failed)
    for one, other in product(requested.forms, recorded.forms):
        if failures and (one.first, one.surname) == (other.first, other.surname):
            failures = tuple(_failed_for(one, other, rules, same_birth))
    yield from failures


def _failed_for(requested: NormalName, recorded: NormalName, rules: Rules, same_birth: bool) -> Iterator[str]:
    """One slip, in the first name or in the surname; in both only if the birth dates are equal. A given name
    that is divided in another way counts as a slip."""
    divided = requested.first != recorded.first and same_given_name(requested, recorded, rules)
    if same_birth and not divided:
        requested = exchanged(requested, recorded, rules) or requested
    yield from native_contradictions(requested, recorded)
    first = 1 if divided else first_name_slips(requested, recorded, rules)
    if first is None:
        yield "first-name"
    surname = surname_slips(requested.surname, recorded.surname, rules, same_birth=same_birth)
    if surname is None:
        yield "surname"
    if first and surname and not same_birth:
        yield "one-slip"
    if requested.suffix != recorded.suffix and not (
        same_birth and (not requested.suffix or not recorded.suffix)
    ):
        # A Jr implies a Sr of the same name, so a suffix that only one side gives needs the birth date.
        yield "suffix"
    if not divided and not same_middle_name(requested, recorded, rules, same_birth=same_birth):
        yield "middle-name"


def _same_birth(query: Query, record: RegisterRecord) -> bool:
    """Both sides give the birth date, the dates are equal, and the date says which day it was."""
    born = query.date_of_birth
    return (
        born is not None
        and born == record.date_of_birth
        and not query.birth_unsure
        and not record.birth_shared
    )


def _zip(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    return query.address.zip5 == record.address.zip5


def _state(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    """A text that is no state contradicts no state: the ZIP code gives the state too."""
    states = {query.address.state, record.address.state} & rules.states
    return len(states) < 2 or _same_birth(query, record)


def _delivery_point(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    """See `places.same_delivery_point`."""
    return same_delivery_point(
        query.address,
        record.address,
        rules,
        same_birth=_same_birth(query, record),
        known=query.known_streets,
    )


def _unit(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    return same_units(query.address, record.address, rules)


def _date_of_birth(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    """Equal if both sides give it. At a crowded place both sides must give it, and it must count."""
    born, recorded = query.date_of_birth, record.date_of_birth
    fits = born is None or recorded is None or born == recorded
    return _same_birth(query, record) or (fits and not record.crowded)


def _years(query: Query, record: RegisterRecord, rules: Rules) -> bool:
    return any(record.from_year <= year <= record.to_year for year in query.tax_periods)


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
    born = known_birth(particulars.date_of_birth, rules)
    return Query(
        name=normal_name(
            particulars.first_name,
            particulars.middle_name,
            particulars.last_name,
            particulars.suffix,
            rules,
        ),
        address=normal_address_of(particulars, rules, form),
        date_of_birth=born,
        tax_periods=tax_periods,
        birth_unsure=born is not None and (born.month, born.day) in rules.birthdays_of_unknown,
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
        urbanization=particulars.urbanization or "",
        rules=rules,
        form=form,
    )

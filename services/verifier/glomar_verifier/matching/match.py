"""The gates and the decision: confirm if and only if exactly one person of the register passes every gate.
Called by `conform.check`; pure. There is no score, so a lawyer can read the rule (design: matching.md)."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Literal

import msgspec
from msgspec.structs import astuple, replace

from glomar_verifier.matching.normalise import NormalAddress, NormalName
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import exchanged, first_name_slips, same_street, surname_slips


class Query(msgspec.Struct, frozen=True):
    """A request in normal form. `tax_periods` are calendar years."""

    name: NormalName
    address: NormalAddress
    date_of_birth: date | None
    tax_periods: tuple[int, ...]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One address spell of one person, both years included; `crowded` as the rules count it."""

    person_id: str
    name: NormalName
    address: NormalAddress
    date_of_birth: date | None
    from_year: int
    to_year: int
    crowded: bool = False


class Candidates(msgspec.Struct, frozen=True):
    """What the register found. Not `complete`: there were more than the block cap lets anyone weigh."""

    records: tuple[Record, ...]
    complete: bool = True


class Finding(msgspec.Struct, frozen=True):
    """The answer. With a confirm, the register's id of the person, every way in which it writes the name, and
    the birth dates that it has: for the holder's veto, holds and the quota of addresses. They never leave the
    verifier."""

    outcome: Literal["confirm", "deny"]
    person: str = ""
    names: tuple[NormalName, ...] = ()
    births: tuple[date, ...] = ()


def decide(candidates: Candidates, query: Query, rules: Rules) -> Finding:
    """The order of the records doesn't matter. Two people, or none, or too many to weigh: deny; and deny too
    if someone else would pass, were the birth dates that are left out known to agree."""
    passing = {record.person_id for record in candidates.records if not any(_failed(query, record, rules))}
    if not candidates.complete or len(passing) != 1 or _rivals(candidates, query, passing, rules):
        return Finding("deny")
    [person] = passing
    rows = [record for record in candidates.records if record.person_id == person]
    names = {row.name for row in rows}
    births = {row.date_of_birth for row in rows if row.date_of_birth}
    return Finding("confirm", person, tuple(sorted(names, key=astuple)), tuple(sorted(births)))


def _rivals(candidates: Candidates, query: Query, passing: set[str], rules: Rules) -> bool:
    # Where both birth dates are given there is nothing to grant.
    others = (
        record
        for record in candidates.records
        if record.person_id not in passing and not (query.date_of_birth and record.date_of_birth)
    )
    return any(not any(_failed(*_granted(query, record), rules)) for record in others)


def _granted(query: Query, record: Record) -> tuple[Query, Record]:
    """Both with the birth date that one of them gives, or with any."""
    born = query.date_of_birth or record.date_of_birth or date.min
    return replace(query, date_of_birth=born), replace(record, date_of_birth=born)


def gates(query: Query, record: Record, rules: Rules) -> tuple[str, ...]:
    """Names of the gates that this record fails; empty if it passes. For tests, evaluation and the record
    holder's own staff: a requester is never told (G4)."""
    return tuple(_failed(query, record, rules))


def _failed(query: Query, record: Record, rules: Rules) -> Iterator[str]:
    yield from _failed_names(query, record, rules)
    yield from (name for name, gate in ADDRESS_AND_TIME.items() if not gate(query, record, rules))


def _failed_names(query: Query, record: Record, rules: Rules) -> Iterator[str]:
    """A slip in the first name or in the surname; in both only if the birth date vouches for the person."""
    vouched, asked, known = _vouched(query, record), query.name, record.name
    if vouched:
        asked = exchanged(asked, known, rules) or asked
    first = first_name_slips(asked, known, rules)
    if first is None:
        yield "first-name"
    surname = surname_slips(asked.surname, known.surname, rules, vouched=vouched)
    if surname is None:
        yield "surname"
    if first and surname and not vouched:
        yield "one-slip"
    if not _suffix(query, record):
        yield "suffix"
    if not _middle_name(query, record):
        yield "middle-name"


def _vouched(query: Query, record: Record) -> bool:
    """The birth date is given on both sides and agrees."""
    return query.date_of_birth is not None and query.date_of_birth == record.date_of_birth


def _suffix(query: Query, record: Record) -> bool:
    """A Jr implies a Sr of the same name, so a suffix that only one side gives needs the birth date."""
    asked, known = query.name.suffix, record.name.suffix
    return asked == known or ((not asked or not known) and _vouched(query, record))


def _middle_name(query: Query, record: Record) -> bool:
    """Word by word, A stands for Ann; Ann is not Alice, and not Anna. One that only one side gives is no
    contradiction."""
    one, other = query.name.middle, record.name.middle
    if one.replace(" ", "") == other.replace(" ", ""):
        return True
    pairs = zip(one.split(), other.split(), strict=False)
    return all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in pairs)


def _zip(query: Query, record: Record, rules: Rules) -> bool:
    return query.address.zip5 == record.address.zip5


def _state(query: Query, record: Record, rules: Rules) -> bool:
    """What is no state contradicts none: the ZIP code says it too."""
    states = {query.address.state, record.address.state} & rules.states
    return len(states) < 2 or _vouched(query, record)


def _delivery_point(query: Query, record: Record, rules: Rules) -> bool:
    """The house number with its street, or the PO box, agrees; and neither contradicts."""
    asked, known = query.address, record.address
    if not (_agree_if_given(asked.number, known.number) and _agree_if_given(asked.po_box, known.po_box)):
        return False
    if asked.number and known.number:
        return same_street(asked.street, known.street, rules, vouched=_vouched(query, record))
    return asked.po_box != "" and asked.po_box == known.po_box


def _unit(query: Query, record: Record, rules: Rules) -> bool:
    return _agree_if_given(query.address.unit, record.address.unit)


def _date_of_birth(query: Query, record: Record, rules: Rules) -> bool:
    """Agrees if both sides give it; where many people live both must."""
    either_blank = query.date_of_birth is None or record.date_of_birth is None
    return _vouched(query, record) or (either_blank and not record.crowded)


def _years(query: Query, record: Record, rules: Rules) -> bool:
    return any(record.from_year <= year <= record.to_year for year in query.tax_periods)


def _agree_if_given(one: str, other: str) -> bool:
    return not one or not other or one == other


Gate = Callable[[Query, Record, Rules], bool]
ADDRESS_AND_TIME: dict[str, Gate] = {
    "zip": _zip,
    "state": _state,
    "delivery-point": _delivery_point,
    "unit": _unit,
    "date-of-birth": _date_of_birth,
    "years": _years,
}

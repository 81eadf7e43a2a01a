"""The gates and the decision: confirm if and only if exactly one person of the register passes every gate.
Called by `conform.check`; pure. There is no score, so a lawyer can read the rule (design: matching.md)."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Literal

import msgspec
from msgspec.structs import astuple

from glomar_verifier.normalise import NormalAddress, NormalName, Street
from glomar_verifier.rules import Rules


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
    """The answer. With a confirm, the register's id of the person and every way in which it writes the name:
    for the holder's veto and the quota of addresses. They never leave the verifier."""

    outcome: Literal["confirm", "deny"]
    person: str = ""
    names: tuple[NormalName, ...] = ()


def decide(candidates: Candidates, query: Query, rules: Rules) -> Finding:
    """The order of the records doesn't matter. Two people, or none, or too many to weigh: deny."""
    passing = {
        record.person_id
        for record in candidates.records
        if all(gate(query, record, rules) for gate in GATES.values())
    }
    if not candidates.complete or len(passing) != 1:
        return Finding("deny")
    [person] = passing
    names = {record.name for record in candidates.records if record.person_id == person}
    return Finding("confirm", person, tuple(sorted(names, key=astuple)))


def gates(query: Query, record: Record, rules: Rules) -> tuple[str, ...]:
    """Names of the gates that this record fails; empty if it passes. For tests and evaluation only:
    a requester is never told (G4)."""
    return tuple(name for name, gate in GATES.items() if not gate(query, record, rules))


def _first_name(query: Query, record: Record, rules: Rules) -> bool:
    return query.name.first != "" and query.name.first == record.name.first


def _surname(query: Query, record: Record, rules: Rules) -> bool:
    return same_surname(query.name.surname, record.name.surname, rules)


def same_surname(one: Iterable[str], other: Iterable[str], rules: Rules) -> bool:
    """Written joined they are equal, or each token of the shorter is one of the longer: García López
    matches García, López, López García and Garcialopez. Particles and single letters match nobody."""
    left, right = tuple(one), tuple(other)
    if not left or not right:
        return False
    if "".join(left) == "".join(right):
        return True
    shorter, longer = sorted((telling(left, rules), telling(right, rules)), key=len)
    return bool(shorter) and shorter <= longer


def telling(tokens: tuple[str, ...], rules: Rules) -> frozenset[str]:
    return frozenset(token for token in tokens if len(token) > 1 and token not in rules.particles)


def _suffix(query: Query, record: Record, rules: Rules) -> bool:
    return _agree_if_given(query.name.suffix, record.name.suffix)


def _middle_name(query: Query, record: Record, rules: Rules) -> bool:
    """A stands for Ann; Ann is not Alice."""
    one, other = query.name.middle, record.name.middle
    return one.startswith(other) or other.startswith(one)


def _zip(query: Query, record: Record, rules: Rules) -> bool:
    return query.address.zip5 == record.address.zip5


def _state(query: Query, record: Record, rules: Rules) -> bool:
    return _agree_if_given(query.address.state, record.address.state)


def _delivery_point(query: Query, record: Record, rules: Rules) -> bool:
    """The house number with its street, or the PO box, agrees; and neither contradicts."""
    asked, known = query.address, record.address
    if not (_agree_if_given(asked.number, known.number) and _agree_if_given(asked.po_box, known.po_box)):
        return False
    if asked.number and known.number:
        return same_street(asked.street, known.street, rules)
    return asked.po_box != "" and asked.po_box == known.po_box


def same_street(one: Street, other: Street, rules: Rules) -> bool:
    """Direction and type may be missing, never different; figures and short names exact."""
    if not one.base or not other.base or not _agree_if_given(one.type, other.type):
        return False
    mine = {one.direction, one.post_direction} - {""}
    theirs = {other.direction, other.post_direction} - {""}
    if mine and theirs and mine != theirs:
        return False
    if one.base == other.base:
        return True
    letters = min(len(one.base), len(other.base))
    plain = one.base.isalpha() and other.base.isalpha()
    return plain and letters >= rules.street_edit_min_letters and one_edit_apart(one.base, other.base)


def one_edit_apart(one: str, other: str) -> bool:
    """One letter put in, left out or changed, or two neighbours swapped. Equal strings are not."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1 or short == long:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[at + 1 : at + 2] + short[at : at + 1] + short[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped == long[at:]


def _unit(query: Query, record: Record, rules: Rules) -> bool:
    return _agree_if_given(query.address.unit, record.address.unit)


def _date_of_birth(query: Query, record: Record, rules: Rules) -> bool:
    asked, known = query.date_of_birth, record.date_of_birth
    if record.crowded:
        return asked is not None and asked == known
    return asked is None or known is None or asked == known


def _years(query: Query, record: Record, rules: Rules) -> bool:
    return any(record.from_year <= year <= record.to_year for year in query.tax_periods)


def _agree_if_given(one: str, other: str) -> bool:
    return not one or not other or one == other


Gate = Callable[[Query, Record, Rules], bool]
GATES: dict[str, Gate] = {
    "first-name": _first_name,
    "surname": _surname,
    "suffix": _suffix,
    "middle-name": _middle_name,
    "zip": _zip,
    "state": _state,
    "delivery-point": _delivery_point,
    "unit": _unit,
    "date-of-birth": _date_of_birth,
    "years": _years,
}

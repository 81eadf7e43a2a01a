"""Why the register confirms or denies a request: each person near it, and both sides of every gate."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Literal

import msgspec
from glomar_schemas.messages import Subject

from glomar_verifier.matching.addresses import NormalAddress
from glomar_verifier.matching.match import Query, RegisterRecord, decide, gates, normal_query
from glomar_verifier.matching.names import NormalName
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.street_lines import Street
from glomar_verifier.register import Register


class GateSides(msgspec.Struct, frozen=True):
    """What one gate compares, in normal form."""

    gate: str
    passes: bool
    requested: str
    recorded: str


class Near(msgspec.Struct, frozen=True):
    """One address spell of one person, the gates that it fails (none if it passes), and all gates."""

    person_id: str
    from_year: int
    to_year: int
    failed: tuple[str, ...]
    gates: tuple[GateSides, ...]


class Explanation(msgspec.Struct, frozen=True):
    """`near` are the spells that share a blocking key with the request, those with the fewest failed gates
    first. Not `complete`: there are more than the rules allow to compare, and the answer is deny."""

    outcome: Literal["confirm", "deny"]
    complete: bool
    near: tuple[Near, ...]

    @property
    def reason(self) -> str:
        passing = {one.person_id for one in self.near if not one.failed}
        if not self.complete:
            return "more candidates than the rules allow to compare"
        if len(passing) > 1:
            return "several people pass every gate"
        if self.outcome == "confirm":
            return "exactly one person passes every gate"
        if passing:
            return "one person passes, and another would if the birth date that is left out agreed"
        return "nobody passes every gate" if self.near else "nobody near: no such ZIP code, number and name"


def explain(
    register: Register, particulars: Subject, tax_periods: tuple[int, ...], rules: Rules
) -> Explanation:
    """Raises Malformed for text that has no normal form."""
    query = normal_query(particulars, tax_periods, rules, register.info().address_form)
    found = register.candidates(query)
    near = [_near(query, one, gates(query, one, rules)) for one in found.records]
    near.sort(key=lambda one: (len(one.failed), one.person_id, one.from_year))
    return Explanation(decide(found, query, rules).outcome, found.complete, tuple(near))


def _near(query: Query, record: RegisterRecord, failed: tuple[str, ...]) -> Near:
    years = _years(query.tax_periods), f"{record.from_year}-{record.to_year}"
    sides = [
        *zip(GATES, _names(query.name), _names(record.name), strict=False),
        *((gate, show(query.address), show(record.address)) for gate, show in _ADDRESS.items()),
        ("date-of-birth", _birth(query.date_of_birth), _birth(record.date_of_birth)),
        ("years", *years),
    ]
    shown = tuple(GateSides(gate, gate not in failed, one, other) for gate, one, other in sides)
    return Near(record.person_id, record.from_year, record.to_year, failed, shown)


def _names(name: NormalName) -> Iterator[str]:
    """In the order of GATES."""
    forms = name.forms
    native = name.native or ("", "", "")
    yield _joined(*(" ".join(form.first_words) or form.first for form in forms), native[0])
    yield _joined(*(" ".join(form.surname) for form in forms), native[2])
    yield name.suffix
    yield _joined(*(form.middle for form in forms), native[1])


GATES = ("first-name", "surname", "suffix", "middle-name")


def _joined(*forms: str) -> str:
    return " or ".join(dict.fromkeys(form for form in forms if form))


def _birth(born: date | None) -> str:
    return born.isoformat() if born else ""


def _years(tax_periods: tuple[int, ...]) -> str:
    return " ".join(str(year) for year in tax_periods)


def _line(*values: object) -> str:
    """The values of an address's parts, without blank ones."""
    parts = (_line(*msgspec.structs.astuple(each)) if isinstance(each, Street) else each for each in values)
    return " ".join(str(part) for part in parts if part)


_ADDRESS: Mapping[str, Callable[[NormalAddress], str]] = {
    "zip": lambda address: address.zip5,
    "state": lambda address: address.state,
    "delivery-point": lambda address: _line(
        address.number, address.street, address.po_box and f"BOX {address.po_box}", address.urbanization
    ),
    "unit": lambda address: " ".join(address.units),
}

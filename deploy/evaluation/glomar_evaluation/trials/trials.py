"""The trials about one person of a register: true requests and hard negatives. No such person exists."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import msgspec
from glomar_schemas.request_file import COLUMNS, Ask
from glomar_verifier.matching.postal_rules import AddressExample
from glomar_verifier.matching.rules import Rules

Row = Mapping[str, str]
Truth = Literal["confirm", "deny"]


class Trial(msgspec.Struct, frozen=True):
    """One request and its right answer. group: the person's name group."""

    kind: str
    truth: Truth
    group: str
    request: Ask


class TrialPerson(msgspec.Struct, frozen=True):
    """One person of the register, and what a kind of trial needs to make a request about them.

    spells: the person's rows, newest last. household: the rows of the others who live there. crowded: so many
    live there that the rules require the birth date. group: the name group. form: the special form of the
    address.
    """

    spells: Sequence[Row]
    household: Sequence[Row]
    rng: random.Random
    rules: Rules
    crowded: bool
    group: str
    form: AddressExample | None = None

    @property
    def row(self) -> Row:
        return self.spells[-1]

    @property
    def request(self) -> Ask:
        """As registered, for the newest address. Half of the requests that need no birth date have none."""
        return as_registered(self.row, with_birth_date=self.crowded or self.rng.random() < 0.5)


MakeRequest = Callable[[TrialPerson], Ask | None]


class TrialKind(msgspec.Struct, frozen=True):
    """One kind of request. weight: its share of the trials with the same truth. make: gives the request, or
    None if the kind does not fit the person."""

    name: str
    truth: Truth
    weight: int
    make: MakeRequest


def as_registered(row: Row, *, with_birth_date: bool = True) -> Ask:
    born = row["date_of_birth"] if with_birth_date else ""
    last_year = int(row["to_year"] or "2024")
    texts: dict[str, Any] = {column: row[column] for column in COLUMNS if row.get(column)}
    return Ask(
        **texts
        | {
            "date_of_birth": date.fromisoformat(born) if born else None,
            "tax_periods": (max(int(row["from_year"]), min(last_year, 2024)),),
        }
    )


def trials(person: TrialPerson, kinds: Sequence[TrialKind], each: int) -> Iterator[Trial]:
    """Up to `each` trials about the person, drawn by the weights of the kinds that fit."""
    left = list(kinds)
    for _ in range(each):
        while left:
            kind = person.rng.choices(left, [k.weight for k in left])[0]
            left.remove(kind)
            request = kind.make(person)
            if request is not None:
                yield Trial(kind.name, kind.truth, person.group, request)
                break

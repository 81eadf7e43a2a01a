"""What a trial is, and the trials about one person of a register: true requests and hard negatives.
`run` decides them and `figures` counts; pure but for the dice it is handed. Nobody here exists."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import msgspec
from glomar_schemas.request_file import COLUMNS, Ask
from glomar_verifier.matching.rules import Rules

Row = Mapping[str, str]
Truth = Literal["confirm", "deny"]


class Trial(msgspec.Struct, frozen=True):
    """`surname` is the person's as the register writes it, for the name group."""

    klass: str
    truth: Truth
    surname: str
    asked: Ask


class KnownNames(msgspec.Struct, frozen=True):
    """The rules' word tables as sets, for the hundreds of look-ups that a look-alike takes."""

    first: frozenset[str]
    last: frozenset[str]
    rare: frozenset[str]
    street: frozenset[str]

    @classmethod
    def of(cls, rules: Rules) -> "KnownNames":
        tables = (rules.first_names, rules.surnames, rules.rare_surnames, rules.street_words)
        return cls(*(frozenset(table) for table in tables))


class Subject(msgspec.Struct, frozen=True):
    """One person of the register and all that a class may need to shape a request about them.

    `spells` are the person's rows, the newest last; `household` the others who live there. `crowded`: so many
    that the rules ask for the birth date.
    """

    spells: Sequence[Row]
    household: Sequence[Row]
    dice: random.Random
    known: KnownNames
    crowded: bool

    @property
    def row(self) -> Row:
        return self.spells[-1]

    @property
    def asked(self) -> Ask:
        """As registered, for the newest address; half of all requests that may lack the birth date do."""
        return as_registered(self.row, with_birth_date=self.crowded or self.dice.random() < 0.5)


Change = Callable[[Subject], Ask | None]


class Klass(msgspec.Struct, frozen=True):
    """One kind of request. `weight` is its share of the trials of its truth; `make` gives the request, or
    None where the kind doesn't fit the person."""

    name: str
    truth: Truth
    weight: int
    make: Change


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


def trials(subject: Subject, klasses: Sequence[Klass], each: int) -> Iterator[Trial]:
    """Up to `each` trials about this person, by the classes' weights among those that fit."""
    left = list(klasses)
    for _ in range(each):
        while left:
            klass = subject.dice.choices(left, [k.weight for k in left])[0]
            left.remove(klass)
            asked = klass.make(subject)
            if asked is not None:
                yield Trial(klass.name, klass.truth, subject.row["last_name"], asked)
                break

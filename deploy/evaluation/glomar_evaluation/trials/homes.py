"""The households of the trials: the generator's people, some with names of another origin, an address of a
special form, or a birth date that stands for an unknown one. Nobody in them exists."""

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import groupby

import msgspec
from glomar_verifier.matching.postal_rules import AddressExample, Pub28
from glomar_verifier.matching.rule_files import read

from glomar_evaluation.synth import people
from glomar_evaluation.trials.trials import Row

ORIGIN_SHARE, FORM_SHARE, UNKNOWN_BIRTH_SHARE = 0.45, 0.25, 0.04
ONE_NAME_SHARE, SCRIPT_SHARE = 0.3, 0.15
MAX_MEMBERS = 11
"""A larger household is a group quarter of strangers, and stays as it is."""
UNKNOWN_BIRTHS = ("1900-01-01", "1901-01-01", "1970-01-01", "1985-01-01")
ADDRESS_COLUMNS = ("street_number", "street_name", "unit", "po_box", "urbanization", "zip")
# The first two figures of an example's ZIP code -> the state, and the ZIP prefixes to use.
_PLACES = {
    "": ("TX", "770 771 772 773 774 775 776 777 778 779"),
    "00": ("PR", "006 007 009"),
    "09": ("AE", "090 091 092 093 094 095 096 097 098"),
    "11": ("NY", "111 113 114 116"),
    "34": ("FL", "341 342 344 346 347 349"),
}

Spells = Sequence[Row]


class Script(msgspec.Struct, frozen=True):
    """Names in another script. homophones: a first name -> another one of the same reading."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    homophones: Mapping[str, str]


class Origin(msgspec.Struct, frozen=True):
    """Names of one origin. one_name: names of people who have only one."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    one_name: tuple[str, ...] = ()
    script: Script | None = None


class Home(msgspec.Struct, frozen=True):
    """The rows of each member, the newest last. origin: blank for the generator's names. form: the special
    form of their newest address."""

    members: Sequence[Spells]
    origin: str = ""
    form: AddressExample | None = None


@cache
def load_origins() -> Mapping[str, Origin]:
    return msgspec.convert(
        tomllib.loads(_data("glomar_evaluation", "trials", "origins.toml")), dict[str, Origin]
    )


def load_forms() -> tuple[AddressExample, ...]:
    """The examples of the verifier's own tables."""
    raw = _data("glomar_verifier", "matching", "data", "pub28.toml").encode()
    return read(raw, "pub28.toml", Pub28).examples


def _data(package: str, *path: str) -> str:
    return resources.files(package).joinpath(*path).read_text(encoding="utf-8")


def homes(number: int, seed: int, rng: random.Random) -> Iterator[Home]:
    """The generator's people, grouped by their newest address, then changed."""
    origins, forms = load_origins(), load_forms()
    taken: set[tuple[str, str]] = set()
    rows: Iterator[Row] = people(number, seed)
    everyone = [list(spells) for _, spells in groupby(rows, key=lambda row: row["person_id"])]
    for _, group in groupby(everyone, key=lambda spells: [spells[-1][column] for column in ADDRESS_COLUMNS]):
        home = Home(list(group))
        if len(home.members) <= MAX_MEMBERS:
            if rng.random() < ORIGIN_SHARE:
                home = _named(home, rng.choice(sorted(origins)), origins, rng)
            if rng.random() < FORM_SHARE:
                home = _housed(home, rng.choice(forms), taken, rng)
            if rng.random() < UNKNOWN_BIRTH_SHARE:
                home = _with_unknown_birth(home, rng)
        yield home


def _named(home: Home, origin: str, origins: Mapping[str, Origin], rng: random.Random) -> Home:
    """Who shares a name with a relative still shares it."""
    names = origins[origin]
    script = names.script if names.script and rng.random() < SCRIPT_SHARE else None
    firsts, lasts = list(script.first if script else names.first), list(script.last if script else names.last)
    rng.shuffle(firsts)
    rng.shuffle(lasts)
    new_first: dict[str, tuple[str, str]] = {}
    new_last: dict[str, str] = {}
    members: list[Spells] = []
    for spells in home.members:
        row = spells[-1]
        if row["first_name"] not in new_first:
            new_first[row["first_name"]] = _given(firsts.pop(), row["middle_name"], names, script, rng)
        last = new_last.setdefault(row["last_name"].split()[0], lasts[len(new_last) % len(lasts)])
        first, middle = new_first[row["first_name"]]
        changed = {"first_name": first, "middle_name": middle, "last_name": last}
        if names.one_name and not row["suffix"] and rng.random() < ONE_NAME_SHARE:
            taken = {one["last_name"] for member in members for one in member}
            free = [name for name in names.one_name if name not in taken]
            changed = {"first_name": "FNU", "middle_name": "", "last_name": rng.choice(free)}
        members.append([{**one, **changed} for one in spells])
    return msgspec.structs.replace(home, members=members, origin=origin)


def _given(
    name: str, middle: str, names: Origin, script: Script | None, rng: random.Random
) -> tuple[str, str]:
    """-> (first, middle). A name of two words may be divided, or have no middle name."""
    head, _, tail = name.partition(" ")
    if tail and " " not in tail:
        return (head, tail) if rng.random() < 0.5 else (name, "")
    if script or not middle:
        return name, ""
    other = rng.choice([each for each in names.first if " " not in each])
    return name, other[0] if len(middle) == 1 else other


def _housed(home: Home, form: AddressExample, taken: set[tuple[str, str]], rng: random.Random) -> Home:
    """At the address of the form, in a ZIP code of the same place or in Texas. Each is used once: `taken`."""
    parts = address_of(form.same[0])
    state, prefixes = _PLACES[parts["zip"][:2]]
    zip5 = f"{rng.choice(prefixes.split())}{rng.randrange(100):02d}"
    if (form.rule, zip5) in taken:
        return home
    taken.add((form.rule, zip5))
    changed = {**parts, "zip": zip5, "state": state}
    members = [[*spells[:-1], {**spells[-1], **changed}] for spells in home.members]
    return msgspec.structs.replace(home, members=members, form=form)


def address_of(example: str) -> dict[str, str]:
    """The columns of an example of the tables."""
    parts = [part.strip() for part in example.split("|")]
    return dict(zip(ADDRESS_COLUMNS, [*parts, *[""] * (len(ADDRESS_COLUMNS) - len(parts))], strict=True))


def _with_unknown_birth(home: Home, rng: random.Random) -> Home:
    """All members, as of a family that came together. Not where a birth date tells two of one name apart."""
    if any(spells[-1]["suffix"] for spells in home.members):
        return home
    born = rng.choice(UNKNOWN_BIRTHS)
    members = [[{**row, "date_of_birth": born} for row in spells] for spells in home.members]
    return msgspec.structs.replace(home, members=members)

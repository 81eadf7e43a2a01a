"""Households of synthetic people: singles, couples, Sr and Jr, twins, families, and group quarters. Computed
in arrays with one entry per person, since loops are ten times slower."""

import msgspec
import numpy as np

from glomar_evaluation.synth.tables import BoolArray, IntArray, Tables, TextArray

HISPANIC_SHARE, DOUBLE_SHARE, BIRTH_DATE_KNOWN = 0.4, 0.7, 0.9
_FIRST_BIRTH, _LAST_BIRTH = 708_205, 731_946
"""1940-01-01 and 2004-12-31 as ordinals. A Sr is _GENERATION days older than his Jr."""
_GENERATION = 9_500
_SINGLE, _COUPLE, _SENIOR, _TWINS, _FAMILY, _LARGE, _QUARTERS = range(7)
_SHARES = (0.3, 0.25, 0.07, 0.08, 0.2, 0.1)
_SIZES = (1, 2, 3, 4, 4, 5, 0)
_QUARTERS_FROM, _QUARTERS_TO = 100, 146
_QUARTERS_AT = slice(150, None, 2_000)
"""Two in a hundred people live in group quarters. The first ones come early, so that a small register has
them."""


class Households(msgspec.Struct, frozen=True):
    """`household` counts from 0. `crowded` has an entry for each household, the others one for each person,
    in the order of the households. `born` is the ordinal of a day, 0 if it is not known."""

    household: IntArray
    crowded: BoolArray
    first_name: TextArray
    middle_name: TextArray
    last_name: TextArray
    suffix: TextArray
    born: IntArray


def households(tables: Tables, number: int, rng: np.random.Generator) -> Households:
    """In a household no two first names have the same initial, except those of a Sr and his Jr (the Sr comes
    first) and of strangers in group quarters."""
    kind = np.searchsorted(np.cumsum(_SHARES), rng.random(number), side="right").clip(max=_LARGE)
    kind[_QUARTERS_AT] = _QUARTERS
    sizes = np.array(_SIZES)[kind]
    quarters = kind == _QUARTERS
    sizes[quarters] = _integers(rng, int(quarters.sum()), _QUARTERS_FROM, _QUARTERS_TO)
    household = np.repeat(np.arange(number), sizes)
    position = np.arange(len(household)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kinds = kind[household]
    spanish = rng.random(number) < HISPANIC_SHARE
    male = np.where(position == 0, True, np.where(position == 1, False, rng.random(len(household)) < 0.5))
    junior = (kinds == _SENIOR) & (position == 1)
    senior = (kinds == _SENIOR) & (position == 0)
    # Residents of group quarters are strangers to each other.
    mixed = quarters[household]
    male = np.where(mixed, rng.random(len(household)) < 0.5, male)
    spanish_person = np.where(mixed, rng.random(len(household)) < HISPANIC_SHARE, spanish[household])

    male = np.where((kinds == _SENIOR) & (position > 1), False, male | junior)
    first = _first_names(tables, male, spanish_person, position, mixed, rng)
    last = _surnames(tables, spanish, household, position, kinds, mixed, rng)
    before = np.flatnonzero(junior) - 1
    first[junior] = first[before]
    last[junior] = last[before]
    middle = _middle_names(tables, male, spanish_person, rng)
    middle[junior] = middle[before]
    suffix = np.full(len(household), "", dtype=object)
    suffix[senior], suffix[junior] = "Sr", "Jr"
    born = _births(kinds, position, senior, junior, mixed, rng)
    return Households(household, quarters, first, middle, last, suffix, born)


def _integers(rng: np.random.Generator, number: int, first: int, end: int) -> IntArray:
    """Integers from `first` to `end` - 1, made from fractions, which every version of numpy draws alike."""
    return first + (rng.random(number) * (end - first)).astype(np.int64)


def _given(tables: Tables, male: BoolArray, spanish: BoolArray, rng: np.random.Generator) -> TextArray:
    fractions = rng.random(len(male))
    names = np.empty(len(male), dtype=object)
    for sex in "mf":
        for hispanic in (True, False):
            chosen = (male == (sex == "m")) & (spanish == hispanic)
            names[chosen] = tables.first[(sex, hispanic)].pick(fractions[chosen])
    return names


def _first_names(
    tables: Tables,
    male: BoolArray,
    spanish: BoolArray,
    position: IntArray,
    mixed: BoolArray,
    rng: np.random.Generator,
) -> TextArray:
    names = _given(tables, male, spanish, rng)
    initials = np.array([ord(name[0]) for name in names])
    while True:
        clash = np.zeros(len(names), dtype=bool)
        for back in range(1, 5):
            same = (position[back:] >= back) & (initials[back:] == initials[:-back]) & ~mixed[back:]
            clash[back:] |= same
        again = np.flatnonzero(clash)
        if not len(again):
            return names
        names[again] = _given(tables, male[again], spanish[again], rng)
        initials[again] = [ord(name[0]) for name in names[again]]


def _surnames(
    tables: Tables,
    spanish: BoolArray,
    household: IntArray,
    position: IntArray,
    kinds: IntArray,
    mixed: BoolArray,
    rng: np.random.Generator,
) -> TextArray:
    """In Hispanic households a couple keep their surnames, and the children have the first of each. Other
    households share one surname."""
    father, fathers_second = _pair(tables, spanish, rng)
    mother, mothers_second = _pair(tables, spanish, rng)
    own, second = father[household], fathers_second[household]
    wife = (spanish[household]) & np.where(kinds == _SENIOR, position == 2, position == 1)
    child = spanish[household] & (position > 1) & (kinds != _SENIOR)
    own = np.where(wife, mother[household], own)
    second = np.where(wife, mothers_second[household], second)
    second = np.where(child, np.where(father == mother, "", mother)[household], second)
    strangers = np.flatnonzero(mixed)
    if len(strangers):
        own[strangers] = tables.last[False].pick(rng.random(len(strangers)))
        second[strangers] = ""
    names = own.copy()
    double = np.flatnonzero(second != "")
    names[double] = [f"{one} {other}" for one, other in zip(own[double], second[double], strict=True)]
    return names


def _pair(tables: Tables, spanish: BoolArray, rng: np.random.Generator) -> tuple[TextArray, TextArray]:
    """The first surname of each household, and the second that most Hispanic ones have."""
    fractions, others = rng.random(len(spanish)), rng.random(len(spanish))
    first = np.where(spanish, tables.last[True].pick(fractions), tables.last[False].pick(fractions))
    second = tables.last[True].pick(others)
    double = spanish & (rng.random(len(spanish)) < DOUBLE_SHARE) & (second != first)
    return first, np.where(double, second, "")


def _middle_names(tables: Tables, male: BoolArray, spanish: BoolArray, rng: np.random.Generator) -> TextArray:
    """Half have none, a quarter an initial."""
    names = _given(tables, male, spanish, rng)
    form = rng.random(len(names))
    names[form < 0.5] = ""
    initial = np.flatnonzero(form >= 0.75)
    names[initial] = [name[0] for name in names[initial]]
    return names


def _births(
    kinds: IntArray,
    position: IntArray,
    senior: BoolArray,
    junior: BoolArray,
    mixed: BoolArray,
    rng: np.random.Generator,
) -> IntArray:
    """The birth date is always known for people who cannot be distinguished without it."""
    born = _integers(rng, len(kinds), _FIRST_BIRTH, _LAST_BIRTH)
    younger = np.flatnonzero((kinds == _TWINS) & (position == 3))
    born[younger] = born[younger - 1]
    known = rng.random(len(kinds)) < BIRTH_DATE_KNOWN
    sons = np.flatnonzero(junior)
    born[sons - 1] = born[sons] - _GENERATION
    return np.where(known | senior | junior | mixed, born, 0)

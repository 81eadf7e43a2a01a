"""Who lives together: singles, couples, Sr and Jr, twins, families, a hundred strangers in one house.
`people` gives them addresses and years. Arrays, one entry for each person: loops are ten times slower."""

import msgspec
import numpy as np

from glomar_evaluation.synth.tables import Flags, Numbers, Tables, Words

HISPANIC_SHARE, DOUBLE_SHARE, BIRTH_DATE_KNOWN = 0.4, 0.7, 0.9
_FIRST_BIRTH, _LAST_BIRTH = 708_205, 731_946
"""1940-01-01 and 2004-12-31 as ordinals; a Sr is _GENERATION days older than his Jr."""
_GENERATION = 9_500
_SINGLE, _COUPLE, _SENIOR, _TWINS, _FAMILY, _LARGE, _QUARTERS = range(7)
_SHARES = (0.3, 0.25, 0.07, 0.08, 0.2, 0.1)
_SIZES = (1, 2, 3, 4, 4, 5, 0)
_QUARTERS_FROM, _QUARTERS_TO = 100, 146
_QUARTERS_AT = slice(150, None, 2_000)
"""Two in a hundred people live so; the first of these houses comes early, also in a small register."""


class Households(msgspec.Struct, frozen=True):
    """`household` counts from 0 and `crowded` is by household; all else is by person, households in order.
    `born` is a day's ordinal, 0 where it isn't known."""

    household: Numbers
    crowded: Flags
    first_name: Words
    middle_name: Words
    last_name: Words
    suffix: Words
    born: Numbers


def households(known: Tables, number: int, dice: np.random.Generator) -> Households:
    """No two in a household have first names with one initial, but a Sr and his Jr, the Sr first."""
    kind = np.searchsorted(np.cumsum(_SHARES), dice.random(number), side="right").clip(max=_LARGE)
    kind[_QUARTERS_AT] = _QUARTERS
    sizes = np.array(_SIZES)[kind]
    quarters = kind == _QUARTERS
    sizes[quarters] = _whole(dice, int(quarters.sum()), _QUARTERS_FROM, _QUARTERS_TO)
    household = np.repeat(np.arange(number), sizes)
    position = np.arange(len(household)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kinds = kind[household]
    spanish = dice.random(number) < HISPANIC_SHARE
    male = np.where(position == 0, True, np.where(position == 1, False, dice.random(len(household)) < 0.5))
    junior = (kinds == _SENIOR) & (position == 1)
    senior = (kinds == _SENIOR) & (position == 0)
    # Strangers are of all kinds.
    mixed = quarters[household]
    male = np.where(mixed, dice.random(len(household)) < 0.5, male)
    spanish_person = np.where(mixed, dice.random(len(household)) < HISPANIC_SHARE, spanish[household])

    male = np.where((kinds == _SENIOR) & (position > 1), False, male | junior)
    first = _first_names(known, male, spanish_person, household, position, mixed, dice)
    last = _surnames(known, spanish, household, position, kinds, mixed, dice)
    before = np.flatnonzero(junior) - 1
    first[junior] = first[before]
    last[junior] = last[before]
    middle = _middle_names(known, male, spanish_person, dice)
    middle[junior] = middle[before]
    suffix = np.full(len(household), "", dtype=object)
    suffix[senior], suffix[junior] = "Sr", "Jr"
    born = _births(kinds, position, senior, junior, mixed, dice)
    return Households(household, quarters, first, middle, last, suffix, born)


def _whole(dice: np.random.Generator, number: int, first: int, end: int) -> Numbers:
    """From fractions, which every version of numpy draws alike."""
    return first + (dice.random(number) * (end - first)).astype(np.int64)


def _given(known: Tables, male: Flags, spanish: Flags, dice: np.random.Generator) -> Words:
    fractions = dice.random(len(male))
    names = np.empty(len(male), dtype=object)
    for sex in "mf":
        for hispanic in (True, False):
            chosen = (male == (sex == "m")) & (spanish == hispanic)
            names[chosen] = known.first[(sex, hispanic)].of(fractions[chosen])
    return names


def _first_names(
    known: Tables,
    male: Flags,
    spanish: Flags,
    household: Numbers,
    position: Numbers,
    mixed: Flags,
    dice: np.random.Generator,
) -> Words:
    names = _given(known, male, spanish, dice)
    initials = np.array([ord(name[0]) for name in names])
    while True:
        clash = np.zeros(len(names), dtype=bool)
        for back in range(1, 5):
            same = (position[back:] >= back) & (initials[back:] == initials[:-back]) & ~mixed[back:]
            clash[back:] |= same
        again = np.flatnonzero(clash)
        if not len(again):
            return names
        names[again] = _given(known, male[again], spanish[again], dice)
        initials[again] = [ord(name[0]) for name in names[again]]


def _surnames(
    known: Tables,
    spanish: Flags,
    household: Numbers,
    position: Numbers,
    kinds: Numbers,
    mixed: Flags,
    dice: np.random.Generator,
) -> Words:
    """A Spanish couple keep their names, and the children have the first of each; others share one."""
    father, fathers_second = _pair(known, spanish, dice)
    mother, mothers_second = _pair(known, spanish, dice)
    own, second = father[household], fathers_second[household]
    wife = (spanish[household]) & np.where(kinds == _SENIOR, position == 2, position == 1)
    child = spanish[household] & (position > 1) & (kinds != _SENIOR)
    own = np.where(wife, mother[household], own)
    second = np.where(wife, mothers_second[household], second)
    second = np.where(child, np.where(father == mother, "", mother)[household], second)
    strangers = np.flatnonzero(mixed)
    if len(strangers):
        own[strangers] = known.last[False].of(dice.random(len(strangers)))
        second[strangers] = ""
    names = own.copy()
    double = np.flatnonzero(second != "")
    names[double] = [f"{one} {other}" for one, other in zip(own[double], second[double], strict=True)]
    return names


def _pair(known: Tables, spanish: Flags, dice: np.random.Generator) -> tuple[Words, Words]:
    """The first surname of each household, and the second that most Hispanic ones have."""
    fractions, others = dice.random(len(spanish)), dice.random(len(spanish))
    first = np.where(spanish, known.last[True].of(fractions), known.last[False].of(fractions))
    second = known.last[True].of(others)
    double = spanish & (dice.random(len(spanish)) < DOUBLE_SHARE) & (second != first)
    return first, np.where(double, second, "")


def _middle_names(known: Tables, male: Flags, spanish: Flags, dice: np.random.Generator) -> Words:
    """Half have none, a quarter an initial."""
    names = _given(known, male, spanish, dice)
    form = dice.random(len(names))
    names[form < 0.5] = ""
    initial = np.flatnonzero(form >= 0.75)
    names[initial] = [name[0] for name in names[initial]]
    return names


def _births(
    kinds: Numbers,
    position: Numbers,
    senior: Flags,
    junior: Flags,
    mixed: Flags,
    dice: np.random.Generator,
) -> Numbers:
    """Known of whoever could not be told apart without."""
    born = _whole(dice, len(kinds), _FIRST_BIRTH, _LAST_BIRTH)
    younger = np.flatnonzero((kinds == _TWINS) & (position == 3))
    born[younger] = born[younger - 1]
    known = dice.random(len(kinds)) < BIRTH_DATE_KNOWN
    sons = np.flatnonzero(junior)
    born[sons - 1] = born[sons] - _GENERATION
    return np.where(known | senior | junior | mixed, born, 0)

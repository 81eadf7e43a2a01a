"""Birth dates that more people of a register share than chance allows, as the day of arrival that was given
to many. Such a date vouches for nobody. Pure."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from math import log

from glomar_verifier.matching.rules import Rules

_DAYS_OF_A_YEAR, _DAYS_OF_A_CENTURY = 365, 36_525
_CHANCE = 1e-9
"""For one day. A register has some 36,000 days, so that one in 30,000 registers has a day by chance."""


def shared_births(people: Mapping[int, int], rules: Rules) -> tuple[date, ...]:
    """people: ordinal of a birth date -> how many people of the register have it. In ascending order.

    A date is shared if it has at least `rules.shared_birth_people`, and so many that the chance is below
    _CHANCE if `rules.shared_birth_factor` times as many are born as on the other days of that year. The
    factor covers seasons, weekdays and twins.
    """
    of_year: Counter[int] = Counter()
    for day, number in people.items():
        of_year[date.fromordinal(day).year] += number
    least = sum(of_year.values()) / _DAYS_OF_A_CENTURY
    found = []
    for day, number in people.items():
        if number >= rules.shared_birth_people:
            born = date.fromordinal(day)
            others = (of_year[born.year] - number) / _DAYS_OF_A_YEAR
            if _is_beyond_chance(number, rules.shared_birth_factor * max(others, least)):
                found.append(born)
    return tuple(sorted(found))


def _is_beyond_chance(number: int, expected: float) -> bool:
    """Chernoff's bound for Poisson: P(X >= number) <= exp(number - expected) * (expected / number) ** number,
    for a number above the expected one."""
    return number > expected and number * log(number / expected) - number + expected > -log(_CHANCE)

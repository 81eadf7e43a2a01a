"""The fixed list of functions that conditions may call, and the parts of CEL that they may use. Pure.

CEL has no dates: a day is a text such as "2025-03-04", and null if it was not given. The CEL library may log
what a function raises, so no exception here may quote an argument.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial

from glomar_verifier.matching.rules import Rules
from glomar_verifier.policy.sufficiency import is_complete_address, is_placeholder, zip_fits_state

BUILTIN = frozenset({"contains", "duration", "endsWith", "startsWith"})
"""CEL's own functions that may be used. Not `size`: it counts the bytes of a text."""

Function = Callable[..., object]


def functions(rules: Rules) -> Mapping[str, Function]:
    """Name in CEL -> function, with the rules bound to it."""
    bound: dict[str, Function] = {
        "is_placeholder": lambda text: is_placeholder(text, rules),
        "zip_fits_state": lambda zip_code, state: zip_fits_state(zip_code, state, rules),
        "is_complete_address": partial(is_complete_address, rules=rules),
    }
    return {function.__name__: function for function in _FREE} | bound


def days_between(earlier: str, later: str) -> int:
    """Full days from `earlier` to `later`; negative if `later` is before it."""
    return (_day(later) - _day(earlier)).days


def later_of(one: str | None, other: str | None) -> str | None:
    """The later of two days. If one is null, the other."""
    if one is None or other is None:
        return one or other
    return max(one, other)


def year_of(day: str) -> int:
    return _day(day).year


def day_of(year: int, month_and_day: str) -> str:
    """A day of that year: day_of(2026, "07-01") is "2026-07-01"."""
    return _day(f"{year}-{month_and_day}").isoformat()


def characters(text: str) -> int:
    """Characters of a text, not bytes. Outer blanks do not count; a run of blanks counts as one."""
    return len(" ".join(text.split()))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError("not a day") from None


_FREE = (days_between, later_of, year_of, day_of, characters)

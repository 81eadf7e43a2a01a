"""The short fixed list of functions that an agreement's conditions may call, and the parts of CEL itself.
Handed to the gate's expressions; pure.

CEL has no dates, so a day is a text like "2025-03-04" here, and one that was not given is null. Whatever
they raise reaches a log by way of the CEL library, so no message of theirs may quote an argument.
"""

from collections.abc import Callable, Mapping
from datetime import date

from glomar_verifier.matching.normalise import AddressForm
from glomar_verifier.matching.rules import Rules
from glomar_verifier.policy import sufficiency

BUILTIN = frozenset({"contains", "duration", "endsWith", "startsWith"})
"""CEL's own functions that may be used. Not `size`: of a text it counts the bytes."""

Function = Callable[..., object]


def functions(rules: Rules) -> Mapping[str, Function]:
    """Name in CEL -> function, with the reviewed tables bound in."""

    def is_placeholder(text: str) -> bool:
        return sufficiency.is_placeholder(text, rules)

    def zip_fits_state(zip_code: str, state: str) -> bool:
        return sufficiency.zip_fits_state(zip_code, state, rules)

    def is_complete_address(
        number: str, street: str, po_box: str, city: str, state: str, zip_code: str, form: AddressForm
    ) -> bool:
        return sufficiency.is_complete_address(
            street_number=number,
            street_name=street,
            po_box=po_box,
            city=city,
            state=state,
            zip_code=zip_code,
            rules=rules,
            form=form,
        )

    bound = (is_placeholder, zip_fits_state, is_complete_address)
    return {function.__name__: function for function in (*_FREE, *bound)}


def days_between(earlier: str, later: str) -> int:
    """Full days from one day to the other; negative when `later` is the earlier one."""
    return (_day(later) - _day(earlier)).days


def later_of(one: str | None, other: str | None) -> str | None:
    """The later of two days; of a day and null the day."""
    if one is None or other is None:
        return one or other
    return max(one, other)


def year_of(day: str) -> int:
    return _day(day).year


def day_of(year: int, month_and_day: str) -> str:
    """A day of that year: day_of(2026, "07-01") is "2026-07-01"."""
    return _day(f"{year}-{month_and_day}").isoformat()


def characters(text: str) -> int:
    """Characters of a text, not bytes; outer blanks don't count and a run of blanks counts as one."""
    return len(" ".join(text.split()))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError("not a day") from None


_FREE = (days_between, later_of, year_of, day_of, characters)

"""Why the register confirms or denies a request: the gates that each person near it fails, by register id."""

from typing import Literal

import msgspec
from glomar_schemas.messages import Subject

from glomar_verifier.matching.match import decide, gates, normal_query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register import Register


class Near(msgspec.Struct, frozen=True):
    """One address spell of one person, and the gates that it fails; none if it passes."""

    person_id: str
    from_year: int
    to_year: int
    failed: tuple[str, ...]


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
    near = [
        Near(one.person_id, one.from_year, one.to_year, gates(query, one, rules)) for one in found.records
    ]
    near.sort(key=lambda one: (len(one.failed), one.person_id, one.from_year))
    return Explanation(decide(found, query, rules).outcome, found.complete, tuple(near))

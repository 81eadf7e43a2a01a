"""The gate: evaluates every condition of an agreement for one request, before the register is read. Pure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import cel
import msgspec
from glomar_schemas.agreement.model import Agreement, Allowed, Limits
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Refusal, Request, Subject
from msgspec import Struct

from glomar_verifier.matching.rules import Rules
from glomar_verifier.policy.expressions import Vocabulary, compile_condition, flat
from glomar_verifier.policy.facts import Facts
from glomar_verifier.policy.functions import BUILTIN, functions
from glomar_verifier.policy.sufficiency import as_conditions_see

_CEL_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What an evaluation can raise: division by zero, a missing key, a failed function, mixed types."""

_VARIABLES: Mapping[str, type[Struct]] = {
    "request": Request,
    "particulars": Subject,
    "facts": Facts,
    "agreement": Agreement,
    "allowed": Allowed,
    "limits": Limits,
}
"""`allowed` and `limits` are also variables: the CEL library copies a table that is a field of another."""


class Gate:
    """The compiled conditions of one agreement. One thread at a time."""

    def __init__(self, agreement: Agreement, rules: Rules) -> None:
        """Raises Malformed naming the condition (bad CEL, a limit that is not set) or the agreement (unknown
        time zone)."""
        self._zone = time_zone(agreement)
        self._rules = rules
        callables = functions(rules)
        allowed = vocabulary(rules)
        self._conditions = []
        mentions: set[tuple[str, str]] = set()
        for condition in agreement.conditions:
            expression = compile_condition(condition, allowed)
            _require_limits(agreement.limits, expression.mentions, condition.id)
            mentions |= expression.mentions
            refusal = Refusal(condition=condition.id, citation=condition.citation, message=condition.refusal)
            self._conditions.append((expression.program, refusal))
        self._fields = {
            name: [(flat(name, field), field) for field in sorted(f for v, f in mentions if v == name)]
            for name in allowed.fields
        }
        self._context = cel.Context(functions=dict(callables))
        for name, table in (
            ("agreement", agreement),
            ("allowed", agreement.allowed),
            ("limits", agreement.limits),
        ):
            self._context.update(self._variables(name, table))
        # The library asks this resolver for the fields of a request; to set them beforehand takes longer. A
        # variable without a value is null.
        self._shown: dict[str, object] = {}
        for name in ("request", "particulars", "facts"):
            self._context.update({variable: None for variable, _ in self._fields[name]})
        self._context.set_variable_resolver(self._shown.get)

    def today(self, now: datetime) -> date:
        """The calendar day in the agreement's time zone."""
        return now.astimezone(self._zone).date()

    def refusals(
        self, request: Request, particulars: Subject, facts: Facts, now: datetime
    ) -> tuple[Refusal, ...]:
        """Every condition that does not hold, in the agreement's order. Empty: the register may be read.

        A condition that raises an error or returns anything but true does not hold.
        """
        self._shown.update(
            self._variables("request", request)
            | self._variables("particulars", as_conditions_see(particulars, self._rules))
            | self._variables("facts", facts)
            | {"now": now, "today": self.today(now).isoformat()}
        )
        return tuple(refusal for program, refusal in self._conditions if not self._holds(program))

    def _variables(self, name: str, source: Struct) -> dict[str, object]:
        """The mentioned fields as CEL values: datetimes and durations stay, dates become text."""
        mentioned = {variable: getattr(source, field) for variable, field in self._fields[name]}
        values: dict[str, object] = msgspec.to_builtins(mentioned, builtin_types=(datetime, timedelta))
        return values

    def _holds(self, program: cel.Program) -> bool:
        try:
            return program.execute(self._context) is True
        except _CEL_ERRORS:
            return False


def _require_limits(limits: Limits, mentions: frozenset[tuple[str, str]], condition: str) -> None:
    """A comparison with a limit that is not set never holds: a fault of the agreement, not of a request."""
    for variable, field in mentions:
        if variable == "limits" and getattr(limits, field) is None:
            raise Malformed(f"limits.{field} is not set", where=f"condition {condition}")


def vocabulary(rules: Rules) -> Vocabulary:
    """Everything that a condition may mention."""
    return Vocabulary(
        fields={name: kind.__struct_fields__ for name, kind in _VARIABLES.items()},
        scalars=("now", "today"),
        functions={*functions(rules), *BUILTIN},
    )


def time_zone(agreement: Agreement) -> ZoneInfo:
    """Raises Malformed."""
    try:
        return ZoneInfo(agreement.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed("no such time zone", where=f"{agreement.id}: time_zone") from None

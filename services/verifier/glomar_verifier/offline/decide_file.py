"""Decides a request file without a bus: the conditions, then the register; quotas count nothing.

No verdict is signed and nothing is recorded, so only the record holder's staff may see the results.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Malformed
from glomar_schemas.files import replacing_text
from glomar_schemas.messages import Request, Subject
from msgspec import Struct

from glomar_verifier.agreement.examples import FIRST_OF_ITS_KIND
from glomar_verifier.decisions.open_request import MALFORMED
from glomar_verifier.holder_lists.case_roll import CaseRoll
from glomar_verifier.matching.match import MatchResult, decide, normal_query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.offline.request_row import Requester, read_request, read_request_rows
from glomar_verifier.policy.facts import Engagement, Registry
from glomar_verifier.policy.gate import Gate
from glomar_verifier.readers.csv_rows import FileRow, RowFault
from glomar_verifier.register import Register

RESULT_COLUMNS = ("reference", "outcome", "refusals")
_ENGAGED = Engagement(case_open=True, officer_engaged=True)


class Decision(Struct, frozen=True):
    """outcome: confirm or deny (looked up), refused (by the conditions named), rejected (cannot be sent)."""

    reference: str
    outcome: str
    refusals: tuple[str, ...] = ()


class FileDecider:
    """`agreement` None: no gate. `roll` None: every case counts as open, every officer as engaged in it."""

    def __init__(
        self,
        register: Register,
        rules: Rules,
        agreement: Agreement | None,
        requester: Requester,
        roll: CaseRoll | None,
    ) -> None:
        """Raises Malformed, naming the condition, if one does not compile."""
        self._register = register
        self._rules = rules
        self._requester = requester
        self._roll = roll
        self._agreement = agreement.id if agreement else "none"
        self._gate = (Gate(agreement, rules), Registry(agreement)) if agreement else None

    def decide(self, row: FileRow, now: datetime) -> Decision | RowFault:
        """A RowFault: the row cannot be sent. Raises IntegrityError, Retryable (the register)."""
        reference = row.fields["reference"]
        try:
            request, particulars = read_request(row.fields, self._agreement, self._requester, now)
        except Malformed as fault:
            return RowFault(row.line, fault.where, fault.what)
        if refusals := self._refusals(request, particulars, now):
            return Decision(reference, "refused", refusals)
        try:
            finding = check(self._register, particulars, request.tax_periods, self._rules)
        except Malformed:
            return Decision(reference, "refused", (MALFORMED,))
        return Decision(reference, finding.outcome)

    def _refusals(self, request: Request, particulars: Subject, now: datetime) -> tuple[str, ...]:
        if self._gate is None:
            return ()
        gate, registry = self._gate
        today = gate.today(now)
        engagement = _ENGAGED
        if self._roll is not None:
            engagement = self._roll.engagement(particulars.case_id, request.officer.id, today)
        facts = registry.facts(request, FIRST_OF_ITS_KIND, engagement, today, agreement_current=True)
        return tuple(refusal.condition for refusal in gate.refusals(request, particulars, facts, now))


def check(
    register: Register, particulars: Subject, tax_periods: tuple[int, ...], rules: Rules
) -> MatchResult:
    """Normalise, look up, decide. Raises Malformed for text that has no normal form, before any lookup."""
    query = normal_query(particulars, tax_periods, rules, register.info().address_form)
    return decide(register.candidates(query), query, rules)


def decisions(
    source: Path, decider: FileDecider, now: datetime
) -> Iterator[tuple[Decision, RowFault | None]]:
    """The decision on each row but blank lines; with the fault, where a row cannot be sent."""
    for row in read_request_rows(source):
        if isinstance(row, RowFault):
            yield Decision("", "rejected"), row
            continue
        found = decider.decide(row, now)
        if isinstance(found, RowFault):
            reference = "" if found.column == "reference" else row.fields["reference"]
            yield Decision(reference, "rejected"), found
        else:
            yield found, None


@contextmanager
def decisions_file(path: Path) -> Iterator[Callable[[Decision], None]]:
    """A CSV file of mode 0600 that takes its name when it is complete. Raises Misconfigured."""
    with replacing_text(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(RESULT_COLUMNS)

        def write(decision: Decision) -> None:
            rows.writerow((decision.reference, decision.outcome, ";".join(decision.refusals)))

        yield write

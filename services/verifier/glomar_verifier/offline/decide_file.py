"""Decides a requests file without a bus: the gate without quotas, then the register, as the desk would.
`match` calls it. No verdict is signed and nothing recorded, so only the record holder's staff may see it."""

import csv
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Self

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.messages import Request, Subject
from msgspec import Struct

from glomar_verifier.agreement.examples import FIRST_OF_ITS_KIND
from glomar_verifier.decisions.open_request import MALFORMED
from glomar_verifier.holder_lists.case_roll import Roll
from glomar_verifier.matching.query import check
from glomar_verifier.matching.rules import Rules
from glomar_verifier.offline.request_row import COLUMNS, MAX_CHARACTERS, Asker, read_asked
from glomar_verifier.policy.facts import Engagement, Registry
from glomar_verifier.policy.gate import Gate
from glomar_verifier.readers.csv_rows import BLANK, Row, RowFault, read_rows
from glomar_verifier.register import Register

RESULT_COLUMNS = ("reference", "outcome", "refusals")
_ENGAGED = Engagement(case_open=True, officer_engaged=True)


class Decision(Struct, frozen=True):
    """outcome: confirm or deny (looked up), refused (by the conditions named), rejected (can't be sent)."""

    reference: str
    outcome: str
    refusals: tuple[str, ...] = ()


class Offline:
    """`agreement` None: no gate. `roll` None: every case counts as open, every officer as engaged in it."""

    def __init__(
        self, register: Register, rules: Rules, agreement: Agreement | None, asker: Asker, roll: Roll | None
    ) -> None:
        """Raises Malformed naming the condition that doesn't compile."""
        self._register = register
        self._rules = rules
        self._asker = asker
        self._roll = roll
        self._agreement = agreement.id if agreement else "none"
        self._law = (Gate(agreement, rules), Registry(agreement)) if agreement else None

    def decide(self, row: Row, now: datetime) -> Decision | RowFault:
        """A RowFault: the row could not have been sent. Raises IntegrityError, Retryable (the register)."""
        reference = row.fields["reference"]
        try:
            request, particulars = read_asked(row.fields, self._agreement, self._asker, now)
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
        if self._law is None:
            return ()
        gate, registry = self._law
        today = gate.today(now)
        engagement = _ENGAGED
        if self._roll is not None:
            engagement = self._roll.engagement(particulars.case_id, request.officer.id, today)
        facts = registry.facts(request, FIRST_OF_ITS_KIND, engagement, today, agreement_current=True)
        return tuple(refusal.condition for refusal in gate.refusals(request, particulars, facts, now))


def decisions(source: Path, offline: Offline, now: datetime) -> Iterator[tuple[Decision, RowFault | None]]:
    """Each row's decision, blank lines left out; with the fault, where a row could not have been sent."""
    for row in read_rows(source, COLUMNS, (), max_characters=MAX_CHARACTERS):
        if isinstance(row, RowFault):
            if row.what != BLANK:
                yield Decision("", "rejected"), row
            continue
        found = offline.decide(row, now)
        if isinstance(found, RowFault):
            reference = "" if found.column == "reference" else row.fields["reference"]
            yield Decision(reference, "rejected"), found
        else:
            yield found, None


class DecisionsFile:
    """A CSV that only its owner reads and that gets its name when it is complete."""

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured."""
        if path.is_dir():
            raise Misconfigured("is a directory", where=str(path), fix="Name a file")
        self._path = path
        self._draft = path.with_name(f".{path.name}.draft")
        try:
            handle = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise Misconfigured(f"can't be written ({error.strerror})", where=str(path)) from None
        self._file = os.fdopen(handle, "w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(RESULT_COLUMNS)

    def __enter__(self) -> Self:
        return self

    def write(self, decision: Decision) -> None:
        self._csv.writerow((decision.reference, decision.outcome, ";".join(decision.refusals)))

    def __exit__(self, kind: object, *rest: object) -> None:
        self._file.close()
        if kind is None:
            self._draft.replace(self._path)
        else:
            self._draft.unlink()

"""Decision engines on real files, without a stream: their verdicts, and when these are released.

Keys and agreement are provisioned, the register is built, requests are composed as by an agency's client.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

from glomar_local import ports
from glomar_local.demo.answers import identity_of
from glomar_local.layout import Layout
from glomar_local.provision.credentials import epoch_files
from glomar_local.provision.provision import System, provision
from glomar_requester.ask import Question
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_runtime.bus.stream import Stored
from glomar_runtime.telemetry.spans import Spans
from glomar_schemas.agreement.controls import Hold, InForce
from glomar_schemas.agreement.keyholder import Keyholder
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import read_secret, read_signing_key
from glomar_schemas.messages import Answer, Verdict
from glomar_schemas.request_file import Ask
from glomar_verifier.decisions.decide import DecisionEngine, WorkItem
from glomar_verifier.decisions.verdict_writer import SignedVerdict, VerdictWriter
from glomar_verifier.holder_lists.case_roll import CaseRolls
from glomar_verifier.holder_lists.veto import VetoList
from glomar_verifier.quotas.counts import Counts
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.register.build import build
from glomar_verifier.register.sqlite import open_register
from msgspec import Struct
from msgspec.structs import replace
from opentelemetry.trace import INVALID_SPAN

from tests.support.recorded import verdict_opener
from tests.support.registers import ANA, RULES, write_csv

COLUMNS = ("first_name", "last_name", "street_number", "street_name", "unit", "city", "state", "zip")
CASES = 3_000
"""Number of cases on the roll."""
_NUMBERS = count(1)


def about(row: Mapping[str, str] = ANA, /, **changes: object) -> Ask:
    """A lawful request about a person of the register, at that address; each has its own case and reason."""
    number = next(_NUMBERS)
    values: dict[str, object] = {column: row[column] for column in COLUMNS} | {
        "tax_periods": (2023, 2024),
        "ground": "criminal-investigation",
        "statute": "8 U.S.C. 1326",
        "final_order_date": date(2025, 1, 2),
        "removal_class": "8 U.S.C. 1227(a)(1)",
        "relief_pending": False,
        "wilfulness_attested": True,
        "case_id": f"CASE-{number}",
        "officer_id": "OFF-001",
        "reason": f"Left the address on file; the return's decides where to serve warrant {number}.",
        "intended_use": "criminal-investigation",
        "authorised_by": "DEL-2025-01",
        "jurisdiction": "txsd",
    }
    return Ask(**values | changes)  # type: ignore[arg-type]


class OpenedVerdict(Struct, frozen=True):
    """One verdict, opened with the oversight body's key."""

    verdict: Verdict
    answer: Answer
    signed: SignedVerdict

    @property
    def outcome(self) -> str:
        """`confirm`, `deny` or the conditions of a refusal."""
        refusals = ";".join(refusal.condition for refusal in self.answer.refusals)
        return self.answer.outcome if self.answer.record_consulted else refusals


class Deployment:
    """A data directory, and any number of engines on its files, together or one after another."""

    def __init__(self, root: Path, rows: Sequence[Mapping[str, str]], source: Path | None = None) -> None:
        self.system: System = provision(Layout(root.resolve()), ports.free(), source)
        for agency in self.system.agreement.requesters:
            _write_roll(self.system.layout.rolls / f"{agency}.csv")
        build(write_csv(root / "register.csv", rows), self.system.layout.register, RULES)
        self._identity = identity_of(self.system)
        signed = self.system.signed
        self._in_force = InForce(slot=1, signed=signed, versions=((1, signed.digest),))
        self._sequence = 1

    @contextmanager
    def engine(self) -> Iterator[DecisionEngine]:
        layout, signed = self.system.layout, self.system.signed
        holder = signed.agreement.holder
        keyholder = Keyholder(holder, epoch_files(layout).load)
        keyholder.follow(self._in_force)
        with ExitStack() as stack:
            register = open_register(layout.register, RULES)
            stack.callback(register.close)
            counts = Counts(layout.counts, window_days=signed.agreement.limits.window_days)
            stack.callback(counts.close)
            yield DecisionEngine(
                Versions({signed.digest: signed}),
                self.system.subjects,
                rules=RULES,
                register=register,
                counts=counts,
                rolls=CaseRolls(layout.rolls, signed.agreement.requesters),
                veto=VetoList(layout.veto),
                tagger=Tagger(read_secret(layout.tag_key(holder))),
                opener=keyholder.opener,
                writer=VerdictWriter(
                    self.system.subjects,
                    Signer(read_signing_key(layout.private_key(holder, "sign"))),
                    "test",
                ),
            )

    def hold(self, *scopes: str) -> None:
        """Puts these holds in force, and no others."""
        holds = tuple(Hold(slot, scope, "an order") for slot, scope in enumerate(scopes, 2))
        self._in_force = replace(self._in_force, holds=holds)

    def requests(self, asks: Sequence[Ask]) -> list[WorkItem]:
        """The requests as the stream would deliver them, stored now."""
        now = datetime.now(UTC)
        now_ns = int(now.timestamp() * 1000) * 1_000_000
        labels = [Label(new_request_id(now_ns // 1_000_000, os.urandom(10)), "") for _ in asks]
        prepared = compose([Question(ask) for ask in asks], labels, self._identity, now)
        items = []
        for label, request in zip(labels, prepared, strict=True):
            self._sequence += 1
            subject = self.system.subjects.request(self._identity.agency, label.request_id)
            items.append(WorkItem(Stored(self._sequence, now_ns, subject, request.body), INVALID_SPAN))
        return items

    def answers(
        self, engine: DecisionEngine, items: Sequence[WorkItem], clock: Callable[[], datetime] | None = None
    ) -> list[OpenedVerdict]:
        outcomes = engine.decide(items, self._in_force, clock or still(), Spans(self.system.subjects))
        return [self._opened(each) for each in outcomes if isinstance(each, SignedVerdict)]

    def ask(self, engine: DecisionEngine, asks: Sequence[Ask]) -> list[str]:
        """The outcomes, decided in one batch."""
        return [verdict.outcome for verdict in self.answers(engine, self.requests(asks))]

    def _opened(self, signed: SignedVerdict) -> OpenedVerdict:
        opened = verdict_opener(self.system, self._identity.agency)
        return OpenedVerdict(*opened(signed.body, signed.subject), signed)


def _write_roll(out: Path) -> None:
    """Two officers, engaged in every case of the tests."""
    cases = [f"{kind}-{number}" for kind in ("C", "CASE") for number in range(CASES)]
    rows = [f"{case},{officer},2025-01-02," for case in cases for officer in ("OFF-001", "OFF-002")]
    out.write_text("\n".join(["case_id,officer_id,opened_on,closed_on", *rows, ""]), encoding="utf-8")


def still(at: datetime | None = None) -> Callable[[], datetime]:
    """A clock that does not advance."""
    shown = at or datetime.now(UTC)
    return lambda: shown


def stepping(start: datetime, *steps_ms: float) -> Callable[[], datetime]:
    """A clock that shows `start` and advances by the next step at each further reading."""
    shown = [start]
    for step in steps_ms:
        shown.append(shown[-1] + timedelta(milliseconds=step))
    return lambda: shown.pop(0) if len(shown) > 1 else shown[0]

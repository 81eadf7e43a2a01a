"""What a report counts: violations, void and sealed answers, requests without a valid signature."""

from datetime import timedelta

import pytest
from glomar_auditor.index.database import Index, RequestFilter
from glomar_auditor.index.fill import SignatureCheck
from glomar_auditor.index.record import GAP, UNREADABLE, IndexRecord, VerdictOutcome
from glomar_auditor.ledger.view import LedgerView
from glomar_auditor.reports.accounting import account
from glomar_auditor.reports.affidavit import affidavit
from glomar_auditor.reports.count import Period, ReportSource, count
from glomar_auditor.reports.document import as_html, as_text
from glomar_auditor.reports.model import DisclosureReport
from glomar_auditor.reports.public import public_report
from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.keys import KeyUse
from glomar_schemas.messages import Control, Refusal
from glomar_schemas.tlog.note import Checkpoint
from msgspec.structs import replace

from tests.support import samples
from tests.unit.auditor.controls.test_controls import SIGNED
from tests.unit.auditor.index.test_index import OVERSIGHTS, READER, stored_verdict
from tests.unit.auditor.ledger.test_fsck import KEY

VERSIONS = Versions({SIGNED.digest: SIGNED})
START_NS = int(samples.VALID_FROM.timestamp()) * 10**9
TAG = "a" * 64
EVERYTHING = Period(None, None, RequestFilter())


def body(control: Control, *parties: str) -> bytes:
    official: KeyUse = "official"
    return seal_envelope(control, [samples.signer(party, official) for party in parties])


def ordered(slot: int, action: str, **fields: object) -> Control:
    base = replace(samples.control(), slot=slot, subject=samples.SUBJECTS.control(slot), action=action)
    return replace(base, issued_at=samples.VALID_FROM + timedelta(days=1), **fields)


AGREED = body(samples.control(), samples.HOLDER, samples.REQUESTER)
HELD = body(ordered(2, "hold", scope=f"person:{TAG}"), samples.HOLDER)
LIFTED = body(ordered(3, "lift", lifts=2), samples.HOLDER, samples.REQUESTER)
LIFTED_BY_ONE = body(ordered(3, "lift", lifts=2), samples.HOLDER)


def control(sequence: int, slot: int, content: bytes) -> IndexRecord:
    return IndexRecord(
        sequence=sequence, kind="control", token=str(slot), body=content, time_ns=START_NS + sequence
    )


def request(sequence: int, token: str, **fields: str) -> IndexRecord:
    found = IndexRecord(
        sequence=sequence, kind="request", agency="ice", token=token, time_ns=START_NS + sequence
    )
    return replace(replace(found, officer="OFF-1", ground="g", statute="s"), **fields)


def verdict(sequence: int, token: str, outcome: VerdictOutcome | None, fault: str = "") -> IndexRecord:
    """outcome: None: sealed to a key that was destroyed."""
    content = outcome or confirmed()
    refusals = tuple(Refusal(condition=each, citation="c", message="m") for each in content.conditions)
    answer = replace(
        samples.CONFIRMED,
        outcome="confirm" if content.outcome == "confirm" else "deny",
        record_consulted=content.outcome != "refused",
        refusals=refusals,
    )
    named = replace(answer, salt=bytes(16)) if content.outcome == "void" else answer
    to = OVERSIGHTS if outcome else replace(OVERSIGHTS, id="0" * 32)
    tags = replace(samples.TAGS, person=content.person)
    body = stored_verdict(answer, named, tags, to, token).body
    stored = START_NS + sequence
    return IndexRecord(
        sequence=sequence, kind="verdict", agency="ice", token=token, body=body, fault=fault, time_ns=stored
    )


def source(*records: IndexRecord) -> ReportSource:
    index = Index(None, "origin")
    assert index.add(records)
    view = LedgerView.__new__(LedgerView)
    view.note, view.checkpoint, view.key = "note", Checkpoint("origin", len(records), bytes(32)), KEY
    return ReportSource(index, READER, view, VERSIONS, samples.SUBJECTS, evidence=True)


def counted(*records: IndexRecord) -> DisclosureReport:
    return count(source(*records), EVERYTHING)


def confirmed(person: str = TAG) -> VerdictOutcome:
    return VerdictOutcome("confirm", (), person)


def test_a_verdict_after_a_hold_on_its_person_is_a_violation() -> None:
    requests = (request(2, "a"), request(3, "b"), control(4, 2, HELD))
    verdicts = (verdict(5, "a", confirmed()), verdict(6, "b", confirmed("b" * 64)))
    report = counted(control(1, 1, AGREED), *requests, *verdicts)
    assert report.violations == (5,)
    [hold] = report.holds
    assert (hold.slot, hold.by, hold.lifted_slot) == (2, ("irs",), None)
    assert "sequences 5" in as_text(affidavit(report))


def test_an_answer_after_the_lift_is_none_and_a_lift_by_one_party_is_void() -> None:
    start = (control(1, 1, AGREED), request(2, "a"), control(3, 2, HELD))
    lifted = counted(*start, control(4, 3, LIFTED), verdict(5, "a", confirmed()))
    assert (lifted.violations, lifted.holds[0].lifted_by) == ((), ("ice", "irs"))
    void = counted(*start, control(4, 3, LIFTED_BY_ONE), verdict(5, "a", confirmed()))
    early = (request(2, "a"), verdict(3, "a", confirmed()), control(4, 2, HELD))
    assert counted(control(1, 1, AGREED), *early).violations == ()
    assert (void.violations, void.holds[0].lifted_slot, void.left_out.void_controls) == ((5,), None, 1)


@pytest.mark.parametrize("fault", ["", UNREADABLE], ids=["quick", "evidence"])
def test_an_answer_that_does_not_open_is_no_violation_however_the_index_was_filled(fault: str) -> None:
    held = body(ordered(2, "hold", scope="all"), samples.HOLDER)
    start = (control(1, 1, AGREED), request(2, "a"), request(3, "b"), control(4, 2, held))
    report = counted(*start, verdict(5, "a", VerdictOutcome("void"), fault), verdict(6, "b", confirmed()))
    assert (report.violations, report.left_out.unreadable, report.total.void) == ((6,), 1, 1)


def test_each_request_counts_once_and_under_what_became_of_it() -> None:
    report = counted(
        control(1, 1, AGREED),
        request(2, "confirmed"),
        verdict(3, "confirmed", confirmed()),
        request(4, "refused"),
        verdict(5, "refused", VerdictOutcome("refused", ("L2", "L7"), TAG)),
        request(6, "unanswered"),
        request(7, "void"),
        verdict(8, "void", confirmed(), fault="signed by another party than the one it names"),
        request(9, "shredded"),
        verdict(10, "shredded", None),
        request(11, "forged", officer="OFF-9", fault="a signature is not valid"),
        verdict(12, "forged", VerdictOutcome("refused", ("untrusted",))),
        IndexRecord(sequence=13, kind=GAP),
        request(14, "unreadable"),
        verdict(15, "unreadable", VerdictOutcome("void")),
    )
    total = report.total
    assert (total.requests, total.confirm, total.deny, total.refused) == (7, 1, 0, 2)
    assert (total.unanswered, total.void, total.unknown) == (1, 2, 1)
    assert {line.name: line.requests for line in report.by_officer} == {"OFF-1": 6, "": 1}
    under = {line.condition: line.requests for line in report.refused_under}
    assert under == {"L2": 1, "L7": 1, "untrusted": 1}
    # The forged and the void message, the gap, and the answer that does not open.
    left_out = report.left_out
    assert (left_out.untrusted, left_out.gaps, left_out.unreadable) == (2, 1, 1)
    assert (report.people.asked_about, report.people.more_than_once) == (1, 1)
    assert report.people.repeated[0].requests == 2


def test_an_ack_that_does_not_count_leaves_a_recall_outstanding() -> None:
    def recalled(fault: str) -> int:
        return counted(
            control(1, 1, AGREED),
            IndexRecord(sequence=2, kind="recall", agency="ice", token="a", cause="wrong-match"),
            IndexRecord(sequence=3, kind="ack", agency="ice", token="a", cause="recall", fault=fault),
        ).outstanding

    assert recalled("") == 0
    assert recalled("a signature is not valid") == 1


def test_an_accounting_says_how_many_answers_can_no_longer_be_told_apart() -> None:
    found = account(
        source(
            control(1, 1, AGREED),
            request(2, "mine"),
            verdict(3, "mine", VerdictOutcome("deny", (), TAG)),
            request(4, "refused"),
            verdict(5, "refused", VerdictOutcome("refused", ("L2",), TAG)),
            request(6, "other"),
            verdict(7, "other", confirmed("b" * 64)),
            request(8, "shredded"),
            verdict(9, "shredded", None),
        ),
        TAG,
    )
    assert [each.request.request_id for each in found.disclosures] == ["mine"]
    assert [each.request.request_id for each in found.refused] == ["refused"]
    assert found.sealed == 1


def test_the_public_view_prints_no_word_that_the_agreement_does_not_know() -> None:
    canary = "Zyxquilla Vombrattenhof"
    report = counted(control(1, 1, AGREED), request(2, "a", ground=canary, statute=canary))
    assert canary in as_html(affidavit(report))
    shown = public_report(report, SIGNED.agreement.allowed)
    assert canary not in repr(shown)
    assert [(line.name, line.requests) for line in shown.by_ground] == [("none of the agreement", "under 10")]


@pytest.mark.parametrize(("signer", "fault"), [(samples.REQUESTER, False), (samples.HOLDER, True)])
def test_a_request_counts_by_the_signature_of_its_agency(signer: str, fault: bool) -> None:
    history = ControlHistory(VERSIONS, samples.SUBJECTS)
    history.add(Stored(1, START_NS, samples.SUBJECTS.control(1), AGREED))
    message = samples.request()
    stored = Stored(2, START_NS + 1, message.subject, seal_envelope(message, [samples.signer(signer)]))
    assert bool(SignatureCheck(history, samples.SUBJECTS).fault(stored)) is fault

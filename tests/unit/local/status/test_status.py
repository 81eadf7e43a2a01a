"""What `glomar status` says of holds, out of what auditor and verifier say of themselves."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from glomar_local.status.status import (
    AgreementStatus,
    Halted,
    HoldStatus,
    Violations,
    WaitingRequests,
    WitnessesStatus,
    WitnessStatus,
    merged,
    render,
    require_trusted,
)
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.inclusion_watch import InclusionStatus
from rich.console import Console

HOLD = HoldStatus(2, "jurisdiction:mad", "Order of the court")
AUDITOR = AgreementStatus(3, (HOLD,), violations=Violations(2, (41, 43)))
VERIFIER = AgreementStatus(2, (), waiting=WaitingRequests(1_200, {2: 1_200}))


def shown(status: AgreementStatus) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(render(status))
    return out.getvalue()


def test_the_service_with_the_newest_control_decides_what_is_shown_as_in_force() -> None:
    for order in ({"a": AUDITOR, "v": VERIFIER}, {"v": VERIFIER, "a": AUDITOR}):
        assert merged(order) == AgreementStatus(3, (HOLD,), VERIFIER.waiting, AUDITOR.violations)


def test_holds_are_shown_with_how_many_wait_and_violations_with_their_sequences() -> None:
    words = shown(merged({"auditor": AUDITOR, "verifier": VERIFIER}))

    for word in ("slot 3", "jurisdiction:mad", "1,200", "Order of the court", "violations: 2", "41, 43"):
        assert word in words


def test_what_no_service_says_is_shown_as_unknown_and_not_as_none() -> None:
    words = shown(merged({}))

    assert "waiting requests: unknown" in words and "violations: unknown" in words
    assert "waiting requests: 0" in shown(AgreementStatus(1, (), WaitingRequests(), Violations()))


def test_what_each_publisher_finds_in_the_ledger_is_shown() -> None:
    checked = datetime.now(UTC) - timedelta(seconds=90)
    words = shown(
        merged(
            {
                "verifier": AgreementStatus(ledger=InclusionStatus("ok", 1_200, checked)),
                "requester": AgreementStatus(
                    ledger=InclusionStatus("alert", 1_200, checked, 2, (41, 43), "something else")
                ),
                "auditor": AUDITOR,
            }
        )
    )

    assert "ledger, says the verifier: has all of its messages; checked up to entry 1,200, 9" in words
    assert "ledger, says the requester: LACKS 2 of its messages, the first at sequence 41, 43" in words
    assert "says the auditor" not in words


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        (InclusionStatus(), "not checked; no ledger_url is set"),
        (InclusionStatus("unchecked", fault="it does not answer"), "never checked: it does not answer"),
        (InclusionStatus("behind", 7, datetime.now(UTC), fault="it does not grow"), "checked up to entry 7"),
        (InclusionStatus("alert", fault="it was rewritten"), "NOT TO BE TRUSTED: it was rewritten"),
    ],
)
def test_a_ledger_that_was_not_checked_is_not_shown_as_well(ledger: InclusionStatus, said: str) -> None:
    assert said in shown(merged({"verifier": AgreementStatus(ledger=ledger)}))


def test_an_alert_of_any_publisher_is_an_integrity_failure() -> None:
    require_trusted({"verifier": InclusionStatus("ok"), "requester": InclusionStatus("unchecked")})

    with pytest.raises(IntegrityError, match="says the requester"):
        require_trusted({"verifier": InclusionStatus("ok"), "requester": InclusionStatus("alert")})


def test_a_halt_is_shown_first_with_what_it_may_mean_and_what_to_do() -> None:
    halted = Halted("the stream ends at sequence 5, the ledger at 9", 6, "It was damaged", "Restore it")
    words = shown(merged({"auditor": AgreementStatus(3, (), halted=halted, gaps=2), "verifier": VERIFIER}))

    order = ["RELEASES ARE HALTED: the stream ends at sequence 5", "since sequence 6"]
    order += ["It was damaged", "Restore it", "last control", "gaps in the ledger: 2"]
    places = [words.index(each) for each in order]
    assert places == sorted(places)
    assert "HALTED" not in shown(merged({"auditor": AUDITOR, "verifier": VERIFIER}))
    assert "gaps" not in shown(merged({"auditor": AUDITOR, "verifier": VERIFIER}))


def test_witnesses_are_shown_with_what_keeps_them() -> None:
    each = (WitnessStatus("w1", 1_200, 1_764_194_400), WitnessStatus("w2", fault="no connection"))
    words = shown(
        merged({"auditor": AgreementStatus(witnesses=WitnessesStatus(1_200, each)), "verifier": VERIFIER})
    )

    assert "cosigned by a quorum of witnesses: the first 1,200 entries" in words
    assert "w1: 1,200, 2025-11-26 22:00:00 UTC" in words
    assert "w2: nothing yet; no connection" in words
    assert "witnesses" not in shown(merged({"auditor": AUDITOR}))

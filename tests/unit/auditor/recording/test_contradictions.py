"""What halts releases, and what may be recorded as a gap."""

import pytest
from glomar_auditor.recording import contradictions
from glomar_auditor.recording.contradictions import GAP_ATTEMPTS, Contradiction
from glomar_schemas.tlog.leaf import Gap, Leaf
from msgspec.structs import replace

MADE = "2026-11-26T19:03:01.471250911Z"
LEAF = Leaf(7, 7, "glomar.a.request.r.7", bytes(32))


def of_state(**changes: object) -> Contradiction | None:
    state: dict[str, object] = {
        "created": MADE,
        "last_sequence": 40,
        "size": 40,
        **changes,
    }
    return contradictions.of_state(ledger_created=MADE, **state)  # type: ignore[arg-type]


def test_a_stream_that_is_as_long_or_longer_is_well() -> None:
    assert of_state() is None
    assert of_state(last_sequence=41) is None
    assert of_state(last_sequence=0, size=0) is None


def test_a_stream_shorter_than_the_ledger_differs_after_its_end() -> None:
    found = of_state(last_sequence=39)
    assert found is not None
    assert (found.kind, found.since) == ("shorter", 40)


def test_a_stream_created_again_is_named_even_if_it_is_long_enough() -> None:
    for last in (0, 40, 1_000):
        found = of_state(created="2026-11-27T00:00:00Z", last_sequence=last)
        assert found is not None
        assert (found.kind, found.since, found.may_record) == ("recreated", 1, False)


def test_other_settings_are_named_and_are_the_only_halt_under_which_recording_goes_on() -> None:
    assert contradictions.of_settings([], 40) is None
    found = contradictions.of_settings(["deny_purge", "max_age"], 40)
    assert found is not None
    assert "deny_purge, max_age" in found.what
    assert found.may_record


@pytest.mark.parametrize(
    "changes",
    [
        {"body_sha256": bytes(31) + b"1"},
        {"time_ns": 8},
        {"subject": "glomar.a.request.r.8"},
        {"sequence": 8},
    ],
)
def test_a_message_that_differs_in_anything_is_another(changes: dict[str, object]) -> None:
    found = contradictions.of_message(7, LEAF, replace(LEAF, **changes))
    assert found is not None
    assert (found.kind, found.since, found.may_record) == ("changed", 7, False)


def test_the_same_message_is_well_and_one_that_is_not_handed_out_is_not() -> None:
    assert contradictions.of_message(7, LEAF, LEAF) is None
    found = contradictions.of_message(7, LEAF, None)
    assert found is not None
    assert found.kind == "unreadable"


def test_a_gap_stays_a_gap_whatever_the_stream_brings_back() -> None:
    assert contradictions.of_message(7, Gap(7), LEAF) is None
    assert contradictions.of_message(7, Gap(7), None) is None


def test_lost_messages_are_counted_and_the_first_is_named() -> None:
    found = contradictions.of_lost([9, 4, 5])
    assert (found.kind, found.since) == ("missing", 4)
    assert "3 messages" in found.what


def test_only_what_the_stream_itself_says_is_lost_becomes_a_gap_and_not_at_the_first_look() -> None:
    assert not contradictions.is_gap([4, 5], [4, 5], GAP_ATTEMPTS - 1)
    assert contradictions.is_gap([4, 5], [3, 4, 5], GAP_ATTEMPTS)
    assert not contradictions.is_gap([4, 5], [4], GAP_ATTEMPTS), "one of them is stored, and can't be read"
    assert not contradictions.is_gap([4, 5], [], GAP_ATTEMPTS)

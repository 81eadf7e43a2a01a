"""The checks of tests/faults/evidence.py find every effect that a crash could have on a correct run."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf
from msgspec.structs import replace

from tests.faults.evidence import Evidence, contradictions

SUBJECTS = Subjects("irs-ice-2025")
REFERENCES = ("R-1", "R-2", "R-3")


def leaf(sequence: int, subject: str) -> Leaf:
    return Leaf(sequence, sequence * 10**9, subject, sequence.to_bytes(32, "big"))


def correct_run() -> Evidence:
    """A control, then each request followed by its verdict."""
    stored = [leaf(1, SUBJECTS.control(1))]
    for number, _ in enumerate(REFERENCES):
        stored.append(leaf(2 * number + 2, SUBJECTS.request("ice", f"id-{number}")))
        stored.append(leaf(2 * number + 3, SUBJECTS.verdict("ice", f"id-{number}")))
    results = [
        {
            "reference": reference,
            "request_id": f"id-{number}",
            "outcome": "confirm",
            "sequence": str(2 * number + 3),
            "receipt_ok": "true",
        }
        for number, reference in enumerate(REFERENCES)
    ]
    return Evidence(stored, list(stored), results, dict.fromkeys(REFERENCES, "confirm"))


def both(found: Evidence, messages: Sequence[Leaf]) -> Evidence:
    return replace(found, stored=messages, leaves=messages)


def with_result(found: Evidence, changes: Mapping[str, str]) -> Evidence:
    return replace(found, results=[*found.results[:-1], {**found.results[-1], **changes}])


Change = Callable[[Evidence], Evidence]

CHANGES: dict[str, Change] = {
    "the last verdict was lost": lambda e: both(e, e.stored[:-1]),
    "a request was lost with its verdict": lambda e: both(e, e.stored[:-2]),
    "a request was decided twice": lambda e: both(e, [*e.stored, leaf(8, e.stored[-1].subject)]),
    "a row was asked twice": lambda e: both(
        e,
        [*e.stored, leaf(8, SUBJECTS.request("ice", "id-9")), leaf(9, SUBJECTS.verdict("ice", "id-9"))],
    ),
    "a verdict has no request": lambda e: both(e, [*e.stored, leaf(8, SUBJECTS.verdict("ice", "id-9"))]),
    "the stream lost a message in the middle": lambda e: both(e, [*e.stored[:3], *e.stored[4:]]),
    "the ledger lacks the last message": lambda e: replace(e, leaves=e.leaves[:-1]),
    "the ledger has a leaf twice": lambda e: replace(e, leaves=[*e.leaves, e.leaves[-1]]),
    "the ledger left one out": lambda e: replace(e, leaves=[*e.leaves[:3], *e.leaves[4:]]),
    "the ledger swapped two": lambda e: replace(e, leaves=[e.leaves[1], e.leaves[0], *e.leaves[2:]]),
    "the ledger holds another body": lambda e: replace(
        e, leaves=[*e.leaves[:-1], replace(e.leaves[-1], body_sha256=bytes(32))]
    ),
    "the ledger holds another time": lambda e: replace(
        e, leaves=[*e.leaves[:-1], replace(e.leaves[-1], time_ns=1)]
    ),
    "a result is missing": lambda e: replace(e, results=e.results[:-1]),
    "a result came twice": lambda e: replace(e, results=[*e.results, e.results[-1]]),
    "a result is unanswered": lambda e: with_result(e, {"outcome": "unanswered"}),
    "a result is wrong": lambda e: with_result(e, {"outcome": "deny"}),
    "a receipt does not hold": lambda e: with_result(e, {"receipt_ok": "false"}),
    "an answer belongs to another request": lambda e: with_result(e, {"sequence": "3"}),
    "an answer belongs to no request": lambda e: with_result(e, {"request_id": "id-9"}),
}


def test_a_correct_run_has_no_contradiction() -> None:
    assert contradictions(correct_run(), SUBJECTS) == []


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_found(change: str) -> None:
    assert contradictions(CHANGES[change](correct_run()), SUBJECTS) != []

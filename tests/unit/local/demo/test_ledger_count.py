"""Verdicts are counted from ledger leaves alone."""

from glomar_local.demo.ledger_count import count
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf

SUBJECTS = Subjects("irs-ice-2025")
A_REQUEST, A_VERDICT = SUBJECTS.request("ice", "a"), SUBJECTS.verdict("ice", "a")
B_REQUEST, B_VERDICT = SUBJECTS.request("ice", "b"), SUBJECTS.verdict("ice", "b")
CONTROL = SUBJECTS.control(1)


def leaves(*subjects: str) -> list[Leaf]:
    return [
        Leaf(number, 0, subject, bytes([number]) * 32) for number, subject in enumerate(subjects, start=1)
    ]


def test_one_verdict_after_each_request_is_one_to_one() -> None:
    counted = count(leaves(CONTROL, A_REQUEST, B_REQUEST, B_VERDICT, A_VERDICT), SUBJECTS)

    assert counted.is_one_to_one
    assert counted.digests == {"a": "02" * 32, "b": "03" * 32}


def test_a_missing_a_second_and_a_stray_verdict_are_not() -> None:
    assert not count(leaves(A_REQUEST, B_REQUEST, A_VERDICT), SUBJECTS).is_one_to_one
    assert not count(leaves(A_REQUEST, A_VERDICT, A_VERDICT), SUBJECTS).is_one_to_one
    assert not count(leaves(A_REQUEST, A_VERDICT, B_VERDICT), SUBJECTS).is_one_to_one
    assert not count(leaves(A_VERDICT, A_REQUEST), SUBJECTS).is_one_to_one


def test_leaves_of_other_subjects_do_not_count() -> None:
    assert count(leaves(CONTROL, "glomar.other.request.ice.a", "?"), SUBJECTS).is_one_to_one

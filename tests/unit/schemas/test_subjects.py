"""Subjects: what is built, what is read back, and which tokens are safe."""

from contextlib import suppress

import pytest
from glomar_schemas.errors import Malformed
from glomar_schemas.subjects import ParsedSubject, Subjects, is_request_id, is_token
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import AGREEMENT, REQUEST_ID, REQUESTER, SUBJECTS

CANARY = "Zzyzxcanary"


def test_the_stream_is_named_after_agreement_and_incarnation() -> None:
    assert Subjects("irs-ice-2025", 3).stream == "IRS_ICE_2025_3"


def test_a_request_subject_comes_apart_as_it_was_built() -> None:
    assert SUBJECTS.parse(SUBJECTS.request(REQUESTER, REQUEST_ID)) == ParsedSubject(
        "request", REQUESTER, REQUEST_ID
    )


def test_a_verdict_subject_comes_apart_as_it_was_built() -> None:
    assert SUBJECTS.parse(SUBJECTS.verdict(REQUESTER, REQUEST_ID)) == ParsedSubject(
        "verdict", REQUESTER, REQUEST_ID
    )


def test_a_control_subject_has_a_slot_and_no_agency() -> None:
    assert SUBJECTS.parse(SUBJECTS.control(7)) == ParsedSubject("control", "", "7")


def test_every_stored_subject_is_a_pattern_of_exact_depth() -> None:
    assert all(">" not in pattern for pattern in SUBJECTS.stored())
    assert {pattern.split(".")[2] for pattern in SUBJECTS.stored()} == {
        "request", "verdict", "control", "recall", "ack",
    }  # fmt: skip


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "glomar",
        f"glomar.{AGREEMENT}",
        f"glomar.{AGREEMENT}.request.ice",
        f"glomar.{AGREEMENT}.request.ice.a.b",
        f"glomar.{AGREEMENT}.control",
        f"glomar.{AGREEMENT}.control.1.2",
        f"glomar.{AGREEMENT}.release.ice.{CANARY}",
        "glomar.other.request.ice.a",
        f"x.glomar.{AGREEMENT}.control.1",
        f"{CANARY}.{CANARY}",
    ],
)
def test_other_subjects_are_refused_without_being_quoted(subject: str) -> None:
    with pytest.raises(Malformed) as caught:
        SUBJECTS.parse(subject)
    assert CANARY not in str(caught.value)


@given(st.text())
def test_parsing_raises_nothing_but_malformed(subject: str) -> None:
    with suppress(Malformed):
        SUBJECTS.parse(subject)


@pytest.mark.parametrize("text", ["a", "irs-ice-2025", "0", "a" * 63])
def test_names_of_agreements_and_agencies(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "-a", "A", "a.b", "a*", ">", "a" * 64, "a\n", "é", "٣"])
def test_what_is_no_name(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize("text", [REQUEST_ID, "A_b-9", "x" * 64])
def test_request_ids_that_are_safe_tokens(text: str) -> None:
    assert is_request_id(text)


@pytest.mark.parametrize("text", ["", "a.b", "*", ">", "a b", "x" * 65, "a\n", "é", "٣"])
def test_request_ids_that_are_not_safe_tokens(text: str) -> None:
    assert not is_request_id(text)


@pytest.mark.parametrize(
    ("kind", "template"),
    [
        ("request", "request.{agency}.{request_id}"),
        ("verdict", "verdict.{agency}.{request_id}"),
        ("release", "release.{agency}.{request_id}"),
        ("control", "control.{slot}"),
        ("result", "result.{agency}"),
        ("checkpoint", "checkpoint"),
    ],
)
def test_templates_name_places_and_hold_no_id(kind: str, template: str) -> None:
    assert SUBJECTS.template(kind) == f"glomar.{AGREEMENT}.{template}"  # type: ignore[arg-type]

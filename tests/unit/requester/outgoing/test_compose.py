"""Requests: ids, what is sealed and what is not, and what can't be sent."""

import hashlib
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from glomar_requester.ask import BadForm, Question
from glomar_requester.identity import make_identity
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.messages import Request, Subject
from glomar_schemas.request_file import Ask
from hypothesis import given
from hypothesis import strategies as st

from tests.support import samples
from tests.unit.requester import world


def request_of(ask: Ask) -> Request:
    [prepared] = world.prepared(ask)
    subject = samples.SUBJECTS.request(samples.REQUESTER, prepared.request.request_id)
    request, envelope = open_envelope(prepared.body, Request, subject)
    require_signer(envelope, samples.REQUESTER, world.identity().signed.ring, world.NOW)
    return request


def particulars_of(request: Request) -> Subject:
    opener = samples.opener(samples.HOLDER)
    raw = opener.open(request.particulars, samples.TO_HOLDER, "particulars", request.id)
    return decode(raw, Subject, what="particulars")


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_of_version_7_that_holds_its_time(now_ms: int, randomness: bytes) -> None:
    made = uuid.UUID(new_request_id(now_ms, randomness))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == now_ms


def test_an_id_is_the_one_of_the_standard() -> None:
    """RFC 9562 appendix A.6: 2022-02-22 14:22:22.00 -05:00, rand_a CC3, rand_b 18C4DC0C0C07398F."""
    randomness = bytes.fromhex("0cc318c4dc0c0c07398f")
    assert new_request_id(0x017F22E279B0, randomness) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_ids_sort_by_time() -> None:
    assert new_request_id(1, b"\xff" * 10) < new_request_id(2, bytes(10))


def test_the_holder_alone_reads_the_particulars_and_reads_all_of_them() -> None:
    ask = Ask(
        first_name="Marisol",
        last_name="Quandt-Ferreira",
        date_of_birth=date(1984, 2, 29),
        street_number="1180",
        street_name="Tamarack Ridge Rd",
        urbanization="Las Gladiolas",
        zip="55811",
        reason="A reason that points at her as surely as her name.",
        case_id="EX-17",
        final_order_date=date(2025, 5, 2),
        relief_pending=False,
    )
    [prepared] = world.prepared(ask)
    request = request_of(ask)
    found = particulars_of(request)
    for field in Subject.__struct_fields__:
        assert getattr(found, field) == getattr(ask, field)
    for secret in (b"Marisol", b"Quandt", b"Tamarack", b"points at her", b"EX-17", b"2025-05-02"):
        assert secret not in prepared.body


def test_the_profile_fills_in_what_a_row_leaves_out() -> None:
    request = request_of(Ask(officer_id="OFF-001"))
    assert request.officer.unit == world.DEFAULTS.officer_unit
    assert request.authorised_by == world.DEFAULTS.authorised_by
    assert request.jurisdiction == world.DEFAULTS.jurisdiction
    assert request.expires_at == world.NOW + timedelta(hours=72)


def test_a_row_overrules_the_profile() -> None:
    moment = datetime(2025, 10, 9, tzinfo=UTC)
    request = request_of(
        Ask(officer_unit="U", authorised_by="D", jurisdiction="txsd", expires_at=moment, officer_id="O")
    )
    assert (request.officer.unit, request.authorised_by, request.jurisdiction) == ("U", "D", "txsd")
    assert request.expires_at == moment


def test_the_digest_is_that_of_the_body() -> None:
    [prepared] = world.prepared(world.an_ask())
    assert prepared.request.digest == hashlib.sha256(prepared.body).hexdigest()


def test_a_batch_shares_one_wrapped_key_and_no_nonce() -> None:
    prepared = world.prepared(*(world.an_ask(number) for number in range(5)))
    requests = [
        open_envelope(p.body, Request, samples.SUBJECTS.request(samples.REQUESTER, p.request.request_id))[0]
        for p in prepared
    ]
    assert len({request.particulars.wrap for request in requests}) == 1
    assert len({request.particulars.nonce for request in requests}) == 5


def test_every_empty_field_is_sent_as_it_is() -> None:
    """An empty name is for the law to refuse, with its citation, and on the record."""
    assert particulars_of(request_of(Ask())).first_name == ""


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (Ask(first_name="x" * 101), "first_name"),
        (Ask(reason="x" * 2001), "reason"),
        (Ask(last_name="two\nlines"), "last_name"),
        (Ask(city="Dul\u202euth"), "city"),
        (Ask(tax_periods=(1234,)), "tax_periods"),
        (Ask(tax_periods=(2020,) * 51), "tax_periods"),
        (Ask(date_of_birth=date(1850, 1, 1)), "date_of_birth"),
        (Ask(automated_analysis="x" * 101), "automated_analysis"),
        (Ask(expires_at=datetime(2026, 1, 1)), "expires_at"),
    ],
)
def test_what_no_reader_would_accept_is_not_sent(ask: Ask, field: str) -> None:
    with pytest.raises(BadForm) as caught:
        world.prepared(ask)
    assert [fault.field for fault in caught.value.faults] == [field]


def test_a_fault_never_repeats_the_value() -> None:
    with pytest.raises(BadForm) as caught:
        world.prepared(Ask(last_name="Ferreira\n" * 40))
    assert "Ferreira" not in str(caught.value)


def test_no_request_is_sent_outside_the_agreements_time() -> None:
    with pytest.raises(Untrusted, match="not in force"):
        world.prepared(world.an_ask(), now=datetime(2031, 1, 1, tzinfo=UTC))


def test_a_key_of_another_party_signs_nothing() -> None:
    other = make_identity(
        samples.REQUESTER,
        world.signed_agreement(),
        samples.signer(samples.HOLDER),
        samples.sealing_key(samples.REQUESTER),
    )
    label = Label(samples.REQUEST_ID, "")
    with pytest.raises(Untrusted, match="irs's"):
        compose([Question(world.an_ask())], [label], other, world.NOW)


def test_an_agency_that_the_agreement_does_not_know_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(Misconfigured):
        make_identity(
            "atf",
            world.signed_agreement(),
            samples.signer(samples.REQUESTER),
            samples.sealing_key(samples.REQUESTER),
        )

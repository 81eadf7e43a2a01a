"""From Asks to sealed, signed request bodies. Pure: ids, time and trace come from the client.

The particulars are sealed to the record holder, with one wrapped key a batch; only the holder reads them.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.crypto.sealing import PARTICULARS_SIZES, Sealer
from glomar_schemas.errors import Untrusted
from glomar_schemas.messages import Officer, Request, Sealed, Subject, encode
from msgspec import Struct

from glomar_requester.ask import Ask, Asked, Prepared, Question, require_form
from glomar_requester.identity import Identity


class Label(Struct, frozen=True):
    """What the client gives a request before it is composed: its id and its place in a trace."""

    request_id: str
    traceparent: str


def new_request_id(now_ms: int, randomness: bytes) -> str:
    """A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix time in ms, then 74 of the 80 given random bits."""
    random = int.from_bytes(randomness[:10], "big")
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def compose(
    questions: Sequence[Question], labels: Sequence[Label], identity: Identity, now: datetime
) -> list[Prepared]:
    """One body for each question. Raises BadForm; Untrusted if the agreement or a key is not valid."""
    signed = identity.signed
    signed.require_in_force(now)
    party, _ = signed.ring.signer(identity.signer.key_id, now)
    if party != identity.agency:
        raise Untrusted(f"the signing key is {party}'s in the agreement", where=identity.agency)
    holder_key = signed.ring.sealing_key(signed.agreement.holder, now)
    sealer = Sealer(holder_key, identity.to_holder)
    return [
        _compose(question, label, identity, sealer, now)
        for question, label in zip(questions, labels, strict=True)
    ]


def _compose(question: Question, label: Label, identity: Identity, sealer: Sealer, now: datetime) -> Prepared:
    ask = question.ask
    require_form(ask)
    particulars = sealer.seal("particulars", label.request_id, encode(_subject(ask)), PARTICULARS_SIZES)
    request = _request(ask, label.request_id, identity, particulars, now)
    body = seal_envelope(request, [identity.signer])
    asked = Asked(
        request_id=label.request_id,
        reference=ask.reference,
        key=question.key,
        fingerprint=identity.vault.fingerprint(encode(ask)) if question.key else b"",
        digest=hashlib.sha256(body).hexdigest(),
        traceparent=label.traceparent,
        expires_at=request.expires_at,
    )
    return Prepared(asked, body)


def _request(ask: Ask, request_id: str, identity: Identity, particulars: Sealed, now: datetime) -> Request:
    defaults = identity.defaults
    return Request(
        id=request_id,
        subject=identity.subjects.request(identity.agency, request_id),
        agreement=identity.signed.agreement.id,
        agreement_digest=identity.signed.digest,
        agency=identity.agency,
        officer=Officer(id=ask.officer_id, unit=ask.officer_unit or defaults.officer_unit),
        authorised_by=ask.authorised_by or defaults.authorised_by,
        jurisdiction=ask.jurisdiction or defaults.jurisdiction,
        ground=ask.ground,
        statute=ask.statute,
        tax_periods=ask.tax_periods,
        intended_use=ask.intended_use,
        automated_analysis=ask.automated_analysis,
        issued_at=now,
        expires_at=ask.expires_at or now + timedelta(hours=defaults.validity_hours),
        particulars=particulars,
    )


def _subject(ask: Ask) -> Subject:
    return Subject(
        first_name=ask.first_name,
        middle_name=ask.middle_name,
        last_name=ask.last_name,
        suffix=ask.suffix,
        date_of_birth=ask.date_of_birth,
        street_number=ask.street_number,
        street_name=ask.street_name,
        unit=ask.unit,
        po_box=ask.po_box,
        city=ask.city,
        state=ask.state,
        zip=ask.zip,
        reason=ask.reason,
        case_id=ask.case_id,
        final_order_date=ask.final_order_date,
        court_order_date=ask.court_order_date,
        removal_class=ask.removal_class,
        relief_pending=ask.relief_pending,
        wilfulness_attested=ask.wilfulness_attested,
    )

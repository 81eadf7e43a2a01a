"""From Asks to sealed, signed request bodies. Pure: ids, time and trace come from the client.

The particulars are sealed to the record holder, with one wrapped key a batch; only the holder reads them.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.crypto.sealing import PARTICULARS_SIZES, Sealer
from glomar_schemas.errors import Untrusted
from glomar_schemas.messages import encode
from glomar_schemas.request_file import particulars_of, request_of
from msgspec import Struct

from glomar_requester.ask import Asked, Prepared, Question, require_form
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
    particulars = sealer.seal("particulars", label.request_id, encode(particulars_of(ask)), PARTICULARS_SIZES)
    request = request_of(
        ask,
        label.request_id,
        identity.subjects,
        identity.agency,
        identity.defaults,
        agreement_digest=identity.signed.digest,
        particulars=particulars,
        now=now,
    )
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

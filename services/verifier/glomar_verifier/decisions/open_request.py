"""From a stored message to a request that may be judged, or to what is wrong with it. Pure; for the desk.

The signer, not a header, a subject token or a reply address, says who asks.
"""

import hashlib
from datetime import datetime

from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Refused, Untrusted
from glomar_schemas.messages import Refusal, Request, Subject
from glomar_schemas.subjects import Subjects, is_request_id
from msgspec import Struct

MALFORMED = "malformed"
UNTRUSTED = "untrusted"


class Slot(Struct, frozen=True):
    """Where the one verdict of a stored request goes, whether the request can be read or not."""

    agency: str
    request_id: str
    request_digest: str
    sequence: int


class Readable(Struct, frozen=True):
    slot: Slot
    request: Request
    particulars: Subject


class Unreadable(Struct, frozen=True):
    slot: Slot
    refusal: Refusal


def read(
    subject: str,
    body: bytes,
    sequence: int,
    at: datetime,
    signed: SignedAgreement,
    subjects: Subjects,
    opener: Opener,
) -> Readable | Unreadable:
    """at: stream time of the request; its signer's key must have been valid then. Never raises Refused."""
    address = subjects.parse(subject)
    request_id = slot_id(address.token, sequence)
    slot = Slot(address.agency, request_id, hashlib.sha256(body).hexdigest(), sequence)
    try:
        request, envelope = open_envelope(body, Request, subject)
        require_signer(envelope, address.agency, signed.ring, at)
        context = Context("request", signed.agreement.id, address.agency)
        plaintext = opener.open(request.particulars, context, "particulars", request.id)
        return Readable(slot, request, decode(plaintext, Subject, what="particulars"))
    except Untrusted as fault:
        return Unreadable(
            slot, Refusal(condition=UNTRUSTED, citation="PROTOCOL, Envelope", message=fault.what)
        )
    except (Malformed, Refused) as fault:
        return Unreadable(
            slot, Refusal(condition=MALFORMED, citation="PROTOCOL, Decoding", message=str(fault))
        )


def slot_id(token: str, sequence: int) -> str:
    """What names the verdict's subject: the request's last token, or where that is no id, its sequence."""
    # Nobody can claim a sequence before the request has it.
    return token if is_request_id(token) else f"~{sequence}"

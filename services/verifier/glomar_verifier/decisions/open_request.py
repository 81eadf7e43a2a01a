"""Opens a stored message: a request that can be decided, or the reason why it can't be read. Pure.

The signature says who asks; a header, a subject token or a reply address does not.
"""

import hashlib
from datetime import datetime

from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Refused, Untrusted
from glomar_schemas.messages import Refusal, Request, Subject
from glomar_schemas.subjects import Subjects, verdict_token
from msgspec import Struct

MALFORMED = "malformed"
UNTRUSTED = "untrusted"


class RequestRef(Struct, frozen=True):
    """What identifies a stored request and its one verdict; known also if the request can't be read."""

    agency: str
    request_id: str
    request_digest: str
    sequence: int


class Readable(Struct, frozen=True):
    """A request whose signature holds, with its particulars unsealed."""

    ref: RequestRef
    request: Request
    particulars: Subject


class Unreadable(Struct, frozen=True):
    """A message that is refused because it is malformed or not signed by its agency."""

    ref: RequestRef
    refusal: Refusal


def open_request(
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
    request_id = verdict_token(address.token, sequence)
    ref = RequestRef(address.agency, request_id, hashlib.sha256(body).hexdigest(), sequence)
    try:
        request, envelope = open_envelope(body, Request, subject)
        require_signer(envelope, address.agency, signed.ring, at)
        context = Context("request", signed.agreement.id, address.agency)
        plaintext = opener.open(request.particulars, context, "particulars", request.id)
        return Readable(ref, request, decode(plaintext, Subject, what="particulars"))
    except Untrusted as fault:
        return Unreadable(
            ref, Refusal(condition=UNTRUSTED, citation="PROTOCOL, Envelope", message=fault.what)
        )
    except (Malformed, Refused) as fault:
        return Unreadable(
            ref, Refusal(condition=MALFORMED, citation="PROTOCOL, Decoding", message=str(fault))
        )

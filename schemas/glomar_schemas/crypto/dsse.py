"""DSSE envelopes with Ed25519 signatures (github.com/secure-systems-lab/dsse).

A payload repeats its NATS subject, so a signed message can't be moved to another subject.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta, Struct

from glomar_schemas.crypto import ed25519
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Untrusted
from glomar_schemas.keys import SERVICE, KeyId, KeyRing, KeyUse, key_id
from glomar_schemas.messages import Ack, Control, Message, Recall, Request, Verdict, encode
from glomar_schemas.subjects import Subjects

Signed = TypeVar("Signed", Request, Verdict, Control, Recall, Ack)

AGREEMENT_TYPE = "application/vnd.glomar.agreement.v1+toml"


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keyid: KeyId
    sig: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Envelope(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}
):
    """The body of every stored message."""

    payload: bytes
    payload_type: Annotated[str, Meta(max_length=100)]
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=8)]


class Signer:
    """A private signing key and its id."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = ed25519.PrivateKey(private)
        self.key_id = key_id(private.public_key())

    def sign(self, payload_type: str, payload: bytes) -> Signature:
        return Signature(keyid=self.key_id, sig=self._private.sign(pre_authentication(payload_type, payload)))


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: PAE of DSSE v1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def payload_type(kind: type[Message]) -> str:
    return f"application/vnd.glomar.{kind.__struct_config__.tag}.v1+json"


def seal_envelope(message: Message, signers: Sequence[Signer]) -> bytes:
    """A message -> its signed body, as it is published."""
    kind, payload = payload_type(type(message)), encode(message)
    signatures = tuple(signer.sign(kind, payload) for signer in signers)
    return encode(Envelope(payload=payload, payload_type=kind, signatures=signatures))


def open_envelope(body: bytes, kind: type[Signed], subject: str) -> tuple[Signed, Envelope]:
    """A body -> its message. The signatures are *not* checked yet. Raises Malformed.

    The message's own subject must be the one under which it was stored, and must fit its other fields:
    agreement, agency, id or slot.
    """
    envelope = decode(body, Envelope, what="envelope")
    if envelope.payload_type != payload_type(kind):
        raise Malformed("payloadType is not the one of this subject", where="envelope")
    message = decode(envelope.payload, kind, what="payload")
    if message.subject != subject:
        raise Malformed("signed for another subject", where="payload")
    if not _names(subject, message):
        raise Malformed("its other fields do not fit its subject", where="payload")
    return message, envelope


def _names(subject: str, message: Signed) -> bool:
    if isinstance(message, Request):
        return subject == Subjects(message.agreement).request(message.agency, message.id)
    if isinstance(message, Control):
        return subject == Subjects(message.agreement).control(message.slot)
    if isinstance(message, Recall):
        return subject == Subjects(message.agreement).recall(message.agency, message.request_id)
    if isinstance(message, Ack):
        return subject == Subjects(message.agreement).ack(message.agency, message.request_id)
    tokens = subject.split(".")
    return len(tokens) == 5 and tokens[2] == "verdict" and tokens[4] == message.request_id


def signers(
    envelope: Envelope, ring: KeyRing, at: datetime, uses: Collection[KeyUse] = SERVICE
) -> frozenset[str]:
    """The parties that signed, by keys for these uses. Raises Untrusted if any signature is invalid."""
    signed = pre_authentication(envelope.payload_type, envelope.payload)
    parties = set()
    for signature in envelope.signatures:
        party, public = ring.signer(signature.keyid, at, uses)
        if not ed25519.is_valid(public, signature.sig, signed):
            raise Untrusted("a signature is not valid")
        parties.add(party)
    return frozenset(parties)


def require_signer(envelope: Envelope, party: str, ring: KeyRing, at: datetime) -> None:
    """Raises Untrusted unless that party, and no other, signed."""
    if signers(envelope, ring, at) != {party}:
        raise Untrusted("signed by another party than the one it names")

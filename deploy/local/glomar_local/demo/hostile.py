"""Requests that no honest client sends: forged signatures and bytes that are no message.

They are sent over the agency's own connection, as a compromised system of the agency could do.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from glomar_requester.ask import Question
from glomar_requester.identity import Identity
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_schemas.crypto.dsse import Envelope, Signature, Signer
from glomar_schemas.decoding import decode
from glomar_schemas.keys import generate
from glomar_schemas.messages import encode
from glomar_schemas.publish import Outgoing, store
from glomar_schemas.request_file import Ask
from msgspec import Struct
from nats.aio.client import Client

MALFORMED_BODIES = (
    b"",
    b"\xff\xfe\x00 not UTF-8",
    b'{"payload": "',
    b"[" * 5_000,
    b'{"payload": "e30=", "payload": "e30=", "payloadType": "x", "signatures": []}',
    b"GET / HTTP/1.1\r\n\r\n",
)
"""Empty, wrong encoding, truncated, nested too deeply, a duplicate key, another protocol."""


class HostileRequest(Struct, frozen=True):
    """One hostile request. klass: `forged-signature` or `malformed-bytes`."""

    request_id: str
    klass: str
    body: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def make(forged: int, malformed: int, identity: Identity) -> list[HostileRequest]:
    """So many requests of each kind, all different."""
    now = datetime.now(UTC)
    labels = [Label(_new_id(), "") for _ in range(forged)]
    questions = [Question(Ask(first_name="Mallory", last_name=f"Forger {n}")) for n in range(forged)]
    prepared = compose(questions, labels, identity, now) if forged else []
    found = [HostileRequest(each.asked.request_id, "forged-signature", forge(each.body)) for each in prepared]
    for number in range(malformed):
        body = MALFORMED_BODIES[number % len(MALFORMED_BODIES)]
        found.append(HostileRequest(_new_id(), "malformed-bytes", body))
    return found


def forge(body: bytes) -> bytes:
    """The same message under the same key id, signed with another key."""
    envelope = decode(body, Envelope, what="envelope")
    stranger = Signer(generate("sign"))  # type: ignore[arg-type]
    false = stranger.sign(envelope.payload_type, envelope.payload)
    signature = Signature(keyid=envelope.signatures[0].keyid, sig=false.sig)
    return encode(msgspec.structs.replace(envelope, signatures=(signature,)))


async def send(bus: Client, requests: Sequence[HostileRequest], identity: Identity) -> None:
    """Stores all of them in the stream."""
    for request in requests:
        subject = identity.subjects.request(identity.agency, request.request_id)
        await store(bus, Outgoing(subject, request.body, {}))


def _new_id() -> str:
    return new_request_id(time.time_ns() // 1_000_000, os.urandom(10))

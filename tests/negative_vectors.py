"""What every implementation must refuse, and with which class of error. Called by vectors.py.

Unless the fault is the signature itself each body is honestly signed: nothing but the named fault is wrong.
"""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from glomar_schemas.decoding import decode
from glomar_schemas.envelope import Envelope, payload_type
from glomar_schemas.messages import Control, Request, encode
from glomar_schemas.sealing import Context, Part
from tests import samples
from tests.example import CHANNELS, example

_REQUEST = payload_type(Request)


def negative() -> Any:
    return {
        "about": (
            "Open each body as a Request stored under `subject`, and require `party` as its only signer at "
            "`at`; open each sealed part with `key_id`'s private key; take the padding off. Each must be "
            "refused with `error`: Malformed (not what the contract says) or Untrusted (a signature or key "
            "that does not hold). Deny and acknowledge; never ask for a redelivery."
        ),
        "envelopes": [*_payload_faults(), *_envelope_faults(), *_signer_faults()],
        "sealed": list(_sealed_faults()),
        "paddings": [
            {"name": name, "padded_hex": padded.hex(), "error": "Malformed"}
            for name, padded in (
                ("empty", b""),
                ("only zeros", bytes(16)),
                ("no marker", b"plaintext"),
                ("bytes after the marker", b"plaintext\x80\x00\x01"),
            )
        ],
    }


def _case(
    name: str, body: bytes, error: str = "Malformed", subject: str = "", at: datetime = samples.NOW
) -> dict[str, str]:
    return {
        "name": name,
        "subject": subject or samples.SUBJECTS.request(samples.REQUESTER, samples.REQUEST_ID),
        "party": samples.REQUESTER,
        "at": at.isoformat().replace("+00:00", "Z"),
        "body_base64": base64.b64encode(body).decode(),
        "error": error,
    }


def _signed(payload: bytes, kind: str = _REQUEST, party: str = samples.REQUESTER) -> bytes:
    signature = samples.signer(party).sign(kind, payload)
    return encode(Envelope(payload=payload, payload_type=kind, signatures=(signature,)))


def _payload_faults() -> Iterator[dict[str, str]]:
    """One change in the text of the payload each: what stood there, what stands there now."""
    payload = decode(example().request, Envelope, what="example").payload
    unit, issued = '"unit":"Unit 7"', '"issued_at":"2025-10-08T14:30:00Z"'
    for name, old, new in (
        ("duplicate key", '"agency":"ice"', '"agency":"fbi","agency":"ice"'),
        ("duplicate key, one spelt with an escape", '"agency":"ice"', r'"\u0061gency":"fbi","agency":"ice"'),
        ("duplicate key in a nested object", unit, unit + ',"unit":"Unit 8"'),
        ("unknown field", '"agency":"ice"', '"agency":"ice","priority":"high"'),
        ("missing field", '"ground":"failure-to-depart",', ""),
        ("missing type", '"type":"request",', ""),
        ("type of another message", '"type":"request"', '"type":"verdict"'),
        ("number as text", "[2022,2023]", '["2022","2023"]'),
        ("integer out of range", "[2022,2023]", "[2022,20230]"),
        ("fraction for an integer", "[2022,2023]", "[2022.0,2023]"),
        ("NaN", "[2022,2023]", "[NaN]"),
        ("naive datetime", issued, '"issued_at":"2025-10-08T14:30:00"'),
        ("datetime with a space", issued, '"issued_at":"2025-10-08 14:30:00Z"'),
        ("datetime with seven digits", issued, '"issued_at":"2025-10-08T14:30:00.0000001Z"'),
        ("year out of range", issued, '"issued_at":"9999-12-31T23:59:59-14:00"'),
        ("NUL via escape", unit, r'"unit":"Unit\u00007"'),
        ("newline via escape", unit, r'"unit":"Unit 7\n"'),
        ("format character (Cf)", unit, '"unit":"Unit\u202e 7"'),
        ("format character (Cf) via escape", unit, r'"unit":"Unit\u200b 7"'),
        ("lone surrogate", unit, r'"unit":"Unit \ud800"'),
        ("longer than its field", unit, '"unit":"' + "U" * 101 + '"'),
        ("base64 with stray bits", '"nonce":"', '"nonce":"*'),
        ("text after the object", "", ""),
    ):
        yield _case(name, _signed(_changed(payload, name, old, new)))
    yield _case("invalid UTF-8", _signed(payload.replace(b"Unit 7", b"Unit \xff")))
    yield _case("fields that name another subject", _signed(payload.replace(
        f'"id":"{samples.REQUEST_ID}"'.encode(), f'"id":"{samples.OTHER_ID}"'.encode()
    )))

"""Test vectors that every implementation must refuse, with the class of the error.

Each body is correctly signed unless the fault is the signature: it has only the named fault.
"""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from glomar_schemas.crypto.dsse import Envelope, payload_type
from glomar_schemas.crypto.sealing import Context, Part
from glomar_schemas.decoding import decode
from glomar_schemas.messages import Control, Request, encode

from tests.support import samples
from tests.support.vector_example import CHANNELS, example

_REQUEST = payload_type(Request)
_SUBJECT = samples.SUBJECTS.request(samples.REQUESTER, samples.REQUEST_ID)


def negative() -> Any:
    return {
        "about": (
            "Open each body as a Request stored under `subject`, and require `party` as its only signer at "
            "`at`; open each sealed part with `key_id`'s private key; take the padding off. Each must be "
            "refused with `error`: Malformed (not what the contract says) or Untrusted (a signature or key "
            "that does not hold). `layer` says what finds it: the text, its form (JSON Schema), its place, "
            "or the signature."
        ),
        "envelopes": [*_text_faults(), *_form_faults(), *_place_faults(), *_signature_faults()],
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
    layer: str, name: str, body: bytes, *, subject: str = _SUBJECT, at: datetime = samples.NOW
) -> dict[str, str]:
    return {
        "name": name,
        "layer": layer,
        "subject": subject,
        "party": samples.REQUESTER,
        "at": at.isoformat().replace("+00:00", "Z"),
        "body_base64": base64.b64encode(body).decode(),
        "error": "Untrusted" if layer == "signature" else "Malformed",
    }


def _signed(payload: bytes, kind: str = _REQUEST, party: str = samples.REQUESTER) -> bytes:
    signature = samples.signer(party).sign(kind, payload)
    return encode(Envelope(payload=payload, payload_type=kind, signatures=(signature,)))


def _text_faults() -> Iterator[dict[str, str]]:
    """One change in the text of the payload or of the envelope."""
    payload, body = _payload(), example().request
    agency, unit = b'"agency":"ice"', b'"unit":"Unit 7"'
    for name, old, new in (
        ("duplicate key", agency, b'"agency":"fbi",' + agency),
        ("duplicate key, one spelt with an escape", agency, rb'"\u0061gency":"fbi",' + agency),
        ("duplicate key in a nested object", unit, unit + b',"unit":"Unit 8"'),
        ("NaN", b"[2022,2023]", b"[NaN]"),
        ("NUL via escape", unit, rb'"unit":"Unit\u00007"'),
        ("newline via escape", unit, rb'"unit":"Unit 7\n"'),
        ("format character (Cf)", unit, '"unit":"Unit\u202e 7"'.encode()),
        ("format character (Cf) via escape", unit, rb'"unit":"Unit\u200b 7"'),
        ("lone surrogate", unit, rb'"unit":"Unit \ud800"'),
        ("invalid UTF-8", unit, b'"unit":"Unit \xff"'),
    ):
        yield _case("text", name, _signed(_swapped(payload, old, new)))
    yield _case("text", "base64 with stray bits", _signed(_with_stray_bits(payload)))
    yield _case("text", "text after the object", _signed(payload + b"{}"))
    twice = _swapped(body, b'{"payload":', b'{"payload":"e30=","payload":')
    yield _case("text", "duplicate key in the envelope", twice)
    yield _case("text", "signature with stray bits", _with_stray_bits(body))
    yield _case("text", "not JSON", b"\x00\x01\x02")
    yield _case("text", "empty", b"")


def _form_faults() -> Iterator[dict[str, str]]:
    """Forms that the JSON Schemas refuse, and times in another form."""
    payload, body = _payload(), example().request
    periods, issued = "[2022,2023]", '"issued_at":"2025-10-08T14:30:00Z"'
    for name, old, new in (
        ("unknown field", '"agency":"ice"', '"agency":"ice","priority":"high"'),
        ("missing field", '"ground":"failure-to-depart",', ""),
        ("missing type", '"type":"request",', ""),
        ("type of another message", '"type":"request"', '"type":"verdict"'),
        ("number as text", periods, '["2022","2023"]'),
        ("integer out of range", periods, "[2022,20230]"),
        ("fraction for an integer", periods, "[2022.0,2023]"),
        ("text longer than its field", "Unit 7", "U" * 101),
        ("naive datetime", issued, issued.replace("Z", "")),
        ("datetime with a space", issued, issued.replace("T", " ")),
        ("datetime with seven digits", issued, issued.replace("Z", ".0000001Z")),
        ("year out of range", issued, issued.replace("2025", "9999")),
    ):
        yield _case("form", name, _signed(_swapped(payload, old.encode(), new.encode())))
    yield _case("form", "nested deeply", _signed(b"[" * 5000 + b"]" * 5000))
    extra = _swapped(body, b'{"payload":', b'{"extra":1,"payload":')
    yield _case("form", "unknown field in the envelope", extra)
    unsigned = Envelope(payload=payload, payload_type=_REQUEST, signatures=())
    yield _case("form", "no signature", encode(unsigned))


def _place_faults() -> Iterator[dict[str, str]]:
    """Correctly signed, but for another subject or message type."""
    elsewhere = samples.SUBJECTS.request(samples.REQUESTER, samples.OTHER_ID)
    yield _case("place", "stored under another subject", example().request, subject=elsewhere)
    other = (f'"id":"{samples.REQUEST_ID}"'.encode(), f'"id":"{samples.OTHER_ID}"'.encode())
    yield _case("place", "fields that name another subject", _signed(_swapped(_payload(), *other)))
    yield _case("place", "payloadType of another message", _signed(_payload(), payload_type(Control)))


def _signature_faults() -> Iterator[dict[str, str]]:
    body = example().request
    envelope = decode(body, Envelope, what="example")
    (good,) = envelope.signatures
    damaged = msgspec.structs.replace(good, sig=bytes([good.sig[0] ^ 1]) + good.sig[1:])
    unknown = msgspec.structs.replace(good, keyid="0" * 32)
    altered = _swapped(_payload(), b"[2022,2023]", b"[2022,2024]")
    for name, changes in (
        ("bad signature", {"signatures": (damaged,)}),
        ("payload altered after signing", {"payload": altered}),
        ("key that the agreement does not name", {"signatures": (unknown,)}),
        ("one bad signature beside a good one", {"signatures": (good, damaged)}),
    ):
        yield _case("signature", name, encode(msgspec.structs.replace(envelope, **changes)))
    yield _case("signature", "signed by another party", _signed(_payload(), party=samples.HOLDER))
    yield _case("signature", "key after its validity", body, at=samples.VALID_UNTIL)


def _sealed_faults() -> Iterator[dict[str, Any]]:
    """Ciphertexts moved to another place, and damaged ones."""
    particulars = example().sealed["particulars"]
    home = CHANNELS["particulars"].context
    flipped = bytes([particulars.ciphertext[0] ^ 1]) + particulars.ciphertext[1:]
    own: Part = "particulars"
    for name, context, part, request_id, sealed in (
        ("moved to another request", home, own, samples.OTHER_ID, particulars),
        (
            "moved to another agency",
            Context("request", samples.AGREEMENT, "fbi"),
            own,
            samples.REQUEST_ID,
            particulars,
        ),
        (
            "moved to another agreement",
            Context("request", "other", "ice"),
            own,
            samples.REQUEST_ID,
            particulars,
        ),
        ("moved to another direction", samples.TO_AUDITOR, own, samples.REQUEST_ID, particulars),
        ("moved to another part", home, "answer", samples.REQUEST_ID, particulars),
        (
            "one bit of the ciphertext flipped",
            home,
            own,
            samples.REQUEST_ID,
            msgspec.structs.replace(particulars, ciphertext=flipped),
        ),
        (
            "under the wrap of another batch",
            home,
            own,
            samples.REQUEST_ID,
            msgspec.structs.replace(particulars, wrap=example().sealed["answer"].wrap),
        ),
        (
            "to a key that is not held",
            home,
            own,
            samples.REQUEST_ID,
            msgspec.structs.replace(particulars, key_id="0" * 32),
        ),
    ):
        yield {
            "name": name,
            "reader": samples.HOLDER,
            "direction": context.direction,
            "agreement": context.agreement,
            "agency": context.agency,
            "part": part,
            "request_id": request_id,
            "sealed": json.loads(encode(sealed)),
            "error": "Malformed",
        }


def _payload() -> bytes:
    return decode(example().request, Envelope, what="example").payload


def _swapped(text: bytes, old: bytes, new: bytes) -> bytes:
    """The text with its only `old` replaced. Raises ValueError if `old` is not there exactly once."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} is not there exactly once")
    return text.replace(old, new)


def _with_stray_bits(text: bytes) -> bytes:
    """The last padded base64 text with unused bits set: a lax decoder reads the same bytes."""
    at = text.rindex(b'="') - (2 if b'=="' in text[text.rindex(b'="') - 1 :] else 1)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:at] + bytes([alphabet[alphabet.index(text[at]) + 1]]) + text[at + 1 :]

"""Golden test vectors for programs in other languages, in schemas/vectors.

Keys, messages, signatures and leaves are generated each time and must be the same. Sealed parts are stored
and must still open (see tests/support/vector_example.py). PROTOCOL.md says how to use each file.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from glomar_schemas.crypto.dsse import Envelope, pre_authentication
from glomar_schemas.crypto.sealing import TAGS_SIZES, Part, associated_data, pad
from glomar_schemas.decoding import decode
from glomar_schemas.keys import key_id
from glomar_schemas.messages import ResultPending, ResultQuery, encode
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import note
from glomar_schemas.tlog.merkle import leaf_hash

from tests.generate.negative_vectors import negative
from tests.support import samples
from tests.support.vector_example import CHANNELS, example


def _keys() -> Any:
    return {
        "about": "Keys of the examples. The private ones are public and protect nothing.",
        "keys": [
            {
                "party": record.party,
                "use": record.use,
                "key_id": key_id(private.public_key()),
                "public": record.public,
                "private_pem": private.private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                ).decode(),
                "valid_from": record.valid_from.isoformat().replace("+00:00", "Z"),
                "valid_until": record.valid_until.isoformat().replace("+00:00", "Z"),
            }
            for record, private in zip(samples.RECORDS, samples.PRIVATE_KEYS.values(), strict=True)
        ],
    }


def _signed() -> Any:
    made = example()
    return {
        "about": "Stored messages: payload, the bytes that are signed (pae_hex), the whole body.",
        "messages": {
            "control": _signed_message(made.control, made.leaves[0].subject),
            "request": _signed_message(made.request, made.leaves[1].subject),
            "verdict": _signed_message(made.verdict, made.leaves[2].subject),
        },
    }


def _signed_message(body: bytes, subject: str) -> dict[str, Any]:
    envelope = decode(body, Envelope, what="example")
    return {
        "subject": subject,
        "payload_type": envelope.payload_type,
        "payload": envelope.payload.decode(),
        "pae_hex": pre_authentication(envelope.payload_type, envelope.payload).hex(),
        "signatures": json.loads(encode(envelope))["signatures"],
        "body": body.decode(),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }


def _sealed() -> Any:
    return {
        "about": (
            "Sealed parts. Sealing is randomised, so these were made once and kept: check them by opening "
            "each with its reader's sealing key and comparing the plaintext."
        ),
        "request_id": samples.REQUEST_ID,
        "parts": {part: _sealed_part(part) for part in CHANNELS},
    }


def _sealed_part(part: Part) -> dict[str, Any]:
    channel, plaintext = CHANNELS[part], example().plaintexts[part]
    return {
        "reader": channel.reader,
        "direction": channel.context.direction,
        "agreement": channel.context.agreement,
        "agency": channel.context.agency,
        "info": channel.context.info().decode(),
        "aad": associated_data(part, samples.REQUEST_ID).decode(),
        "padded_bytes": len(pad(plaintext, channel.sizes)),
        "plaintext": plaintext.decode(),
        "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
        "sealed": json.loads(encode(example().sealed[part])),
    }


def _plain() -> Any:
    queries = {
        "result-query": ResultQuery(request_id=samples.REQUEST_ID),
        "result-pending": ResultPending(request_id=samples.REQUEST_ID),
    }
    return {
        "about": "Messages that are neither signed nor sealed: result-query and its answer while waiting.",
        "messages": {name: encode(message).decode() for name, message in queries.items()},
    }


def _padding() -> Any:
    texts = {"empty": b"", "short": b"abc", "ends like padding": b"abc\x80\x00", "longest": bytes(255)}
    return {
        "about": "Padding to the first size that is larger than the plaintext.",
        "cases": [
            {
                "name": name,
                "sizes": list(TAGS_SIZES),
                "plaintext_hex": text.hex(),
                "padded_hex": pad(text, TAGS_SIZES).hex(),
            }
            for name, text in texts.items()
        ],
        "too_long": [{"sizes": list(TAGS_SIZES), "plaintext_bytes": TAGS_SIZES[-1]}],
    }


def _ledger() -> Any:
    origin = samples.SUBJECTS.origin(samples.OVERSIGHT)
    ledger_key = samples.signing_key(samples.OVERSIGHT, "ledger").public_key()
    return {
        "about": (
            "The leaves of control, request and verdict, and the receipt of the verdict in the log of these "
            "three; and, in no log, a gap. time_ns is text, since it is larger than 2**53."
        ),
        "vkey": note.format_vkey(origin, ledger_key),
        "leaves": [
            {
                "sequence": entry.sequence,
                "time_ns": str(entry.time_ns),
                "subject": entry.subject,
                "body_sha256": entry.body_sha256.hex(),
                "leaf": leaves.encode(entry).decode(),
                "leaf_hash": leaf_hash(leaves.encode(entry)).hex(),
            }
            for entry in example().leaves
        ],
        "gaps": [
            {
                "sequence": gap.sequence,
                "leaf": leaves.encode(gap).decode(),
                "leaf_hash": leaf_hash(leaves.encode(gap)).hex(),
            }
            for gap in (leaves.Gap(4), leaves.Gap(2**53 - 1))
        ],
        "receipt": example().receipt,
    }


def _file(make: Callable[[], Any]) -> bytes:
    return json.dumps(make(), indent=2, ensure_ascii=True).encode() + b"\n"


VECTORS: dict[str, Callable[[], bytes]] = {
    f"schemas/vectors/{name}.json": partial(_file, make)
    for name, make in (
        ("keys", _keys),
        ("signed", _signed),
        ("sealed", _sealed),
        ("plain", _plain),
        ("padding", _padding),
        ("ledger", _ledger),
        ("negative", negative),
    )
}

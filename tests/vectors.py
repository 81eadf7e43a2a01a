"""Golden test vectors for programs in other languages, in schemas/vectors. Called by generated.py.

Keys, messages, signatures and leaves are made anew each time and must come out the same. Sealing is
randomised, so what is sealed is made once and kept: as long as a kept ciphertext opens to the plaintext that
the code would seal today it stays as it is, else it is sealed again (and `--check` reports the file).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Struct

from glomar_schemas import leaf as leaves
from glomar_schemas import note, receipt
from glomar_schemas.decoding import decode
from glomar_schemas.envelope import Signer, open_envelope, pre_authentication, seal_envelope
from glomar_schemas.errors import Malformed
from glomar_schemas.keys import PrivateKey, key_id, public_text
from glomar_schemas.merkle import leaf_hash, node_hash
from glomar_schemas.messages import Release, ResultPending, ResultQuery, Sealed, encode
from glomar_schemas.sealing import (
    ANSWER_SIZES,
    PARTICULARS_SIZES,
    RELEASE_SIZES,
    TAGS_SIZES,
    Context,
    Part,
    Sealer,
    associated_data,
    pad,
)
from tests import samples
from tests.negative_vectors import envelopes_refused, paddings_refused, sealed_refused

FOLDER = "schemas/vectors"
KEPT = Path(__file__).resolve().parent.parent / FOLDER / "sealed.json"
SIZES: dict[Part, tuple[int, ...]] = {
    "particulars": PARTICULARS_SIZES,
    "answer": ANSWER_SIZES,
    "tags": TAGS_SIZES,
    "release": RELEASE_SIZES,
}
STREAM_TIMES_NS = (1_744_000_000_000_000_000, 1_759_933_801_123_456_789, 1_759_933_805_000_000_042)
"""Of the control, the request and the verdict: sequences 1, 2, 3 of the example's stream."""


class Example(Struct, frozen=True):
    """One request from sealing to release, as bytes of each step."""

    sealed: Mapping[Part, Sealed]
    plaintexts: Mapping[Part, bytes]
    control: bytes
    request: bytes
    verdict: bytes
    leaves: tuple[leaves.Leaf, ...]
    receipt: str


CHANNELS: dict[Part, tuple[str, Context]] = {
    "particulars": (samples.HOLDER, samples.TO_HOLDER),
    "answer": (samples.OVERSIGHT, samples.TO_AUDITOR),
    "tags": (samples.OVERSIGHT, samples.TO_AUDITOR),
    "release": (samples.REQUESTER, samples.TO_AGENCY),
}
"""Part -> who may open it, and in which context it is sealed."""


@cache
def example() -> Example:
    """The one example that all vectors show."""
    control = seal_envelope(
        samples.control(),
        [samples.signer(samples.HOLDER, "official"), samples.signer(samples.REQUESTER, "official")],
    )
    texts: dict[Part, bytes] = {
        "particulars": encode(samples.PERSON),
        "answer": encode(samples.CONFIRMED),
        "tags": encode(samples.TAGS),
    }
    sealed = _kept_or_sealed({"particulars": texts["particulars"]})
    request = seal_envelope(samples.request(sealed["particulars"]), [samples.signer(samples.REQUESTER)])
    sealed |= _kept_or_sealed({"answer": texts["answer"], "tags": texts["tags"]})
    verdict = seal_envelope(
        samples.verdict(request, texts["answer"], sealed["answer"], sealed["tags"]),
        [samples.signer(samples.HOLDER)],
    )
    entries = _leaves(control, request, verdict)
    proof = _receipt(entries)
    release = Release(
        request_id=samples.REQUEST_ID,
        sequence=entries[-1].sequence,
        time_ns=entries[-1].time_ns,
        verdict=verdict,
        answer=texts["answer"],
        receipt=proof,
    )
    texts["release"] = encode(release)
    sealed |= _kept_or_sealed({"release": texts["release"]})
    return Example(sealed, texts, control, request, verdict, entries, proof)


def _kept_or_sealed(plaintexts: Mapping[Part, bytes]) -> dict[Part, Sealed]:
    """The kept ciphertexts if all still open to these plaintexts, else new ones under one wrapped key."""
    party, context = CHANNELS[next(iter(plaintexts))]
    kept = json.loads(KEPT.read_bytes())["sealed"] if KEPT.is_file() else {}
    try:
        stored = {part: decode(json.dumps(kept[part]["sealed"]).encode(), Sealed, what=part) for part in plaintexts}
        opener = samples.opener(party)
        if all(
            opener.open(stored[part], context, part, samples.REQUEST_ID) == text
            for part, text in plaintexts.items()
        ):
            return stored
    except (KeyError, Malformed):
        pass
    sealer = Sealer(samples.RING.sealing_key(party, samples.NOW), context)
    return {
        part: sealer.seal(part, samples.REQUEST_ID, text, SIZES[part]) for part, text in plaintexts.items()
    }


def _leaves(*bodies: bytes) -> tuple[leaves.Leaf, ...]:
    subjects = (
        samples.SUBJECTS.control(1),
        samples.SUBJECTS.request(samples.REQUESTER, samples.REQUEST_ID),
        samples.SUBJECTS.verdict(samples.REQUESTER, samples.REQUEST_ID),
    )
    return tuple(
        leaves.Leaf(index + 1, time_ns, subject, hashlib.sha256(body).digest())
        for index, (time_ns, subject, body) in enumerate(zip(STREAM_TIMES_NS, subjects, bodies, strict=True))
    )


def _receipt(entries: tuple[leaves.Leaf, ...]) -> str:
    """Of the third leaf in the log of three: its one sibling is the node over the first two."""
    first, second, third = (leaf_hash(leaves.encode(entry)) for entry in entries)
    sibling = node_hash(first, second)
    checkpoint = note.Checkpoint(
        samples.SUBJECTS.origin(samples.OVERSIGHT), 3, node_hash(sibling, third)
    )
    signed = note.sign(checkpoint, samples.signing_key(samples.OVERSIGHT, "ledger"))
    return receipt.encode(receipt.Receipt(2, (sibling,), signed))


def _keys() -> Any:
    return {
        "about": "Private keys for tests. They are public and protect nothing.",
        "keys": [
            {
                "party": record.party,
                "use": record.use,
                "key_id": key_id(private.public_key()),
                "public": record.public,
                "private_pem": _pem(private),
                "valid_from": record.valid_from.isoformat().replace("+00:00", "Z"),
                "valid_until": record.valid_until.isoformat().replace("+00:00", "Z"),
            }
            for record, private in zip(samples.RECORDS, samples.PRIVATE_KEYS.values(), strict=True)
        ],
        "ledger_vkey": note.format_vkey(
            samples.SUBJECTS.origin(samples.OVERSIGHT),
            samples.signing_key(samples.OVERSIGHT, "ledger").public_key(),
        ),
    }


def _pem(private: PrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _signed() -> Any:
    made = example()
    return {
        "about": "Stored messages: what is signed (pae) and the whole body. Ed25519 gives the same bytes again.",
        "messages": {
            "control": _signed_message(made.control, samples.SUBJECTS.control(1)),
            "request": _signed_message(made.request, made.leaves[1].subject),
            "verdict": _signed_message(made.verdict, made.leaves[2].subject),
        },
    }


def _signed_message(body: bytes, subject: str) -> Any:
    tree = json.loads(body)
    payload = bytes.fromhex(_payload_hex(body))
    return {
        "subject": subject,
        "payload_type": tree["payloadType"],
        "payload": payload.decode(),
        "pae_hex": pre_authentication(tree["payloadType"], payload).hex(),
        "signatures": tree["signatures"],
        "body": body.decode(),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }

"""One request from sealing to receipt, as the vectors and PROTOCOL.md show it.

Sealing is randomised, so schemas/vectors/sealed.json stores the ciphertexts. A stored ciphertext is reused
while it opens to the plaintext that the code would seal today; else a new one replaces it.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.crypto.sealing import (
    ANSWER_SIZES,
    PARTICULARS_SIZES,
    RELEASE_SIZES,
    TAGS_SIZES,
    Context,
    Part,
    Sealer,
    pad,
)
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Release, Sealed, encode
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import note, receipt
from glomar_schemas.tlog.merkle import leaf_hash, node_hash
from msgspec import Struct

from tests.support import samples

STORED = Path(__file__).resolve().parents[2] / "schemas/vectors/sealed.json"

STREAM_TIMES_NS = (1_743_984_000_000_000_000, 1_759_933_801_123_456_789, 1_759_933_805_000_000_042)
"""The times of control, request and verdict: sequences 1, 2 and 3."""


class Channel(Struct, frozen=True):
    """reader: the party that opens a part; context: of the seal; sizes: of the padding."""

    reader: str
    context: Context
    sizes: tuple[int, ...]


CHANNELS: dict[Part, Channel] = {
    "particulars": Channel(samples.HOLDER, samples.TO_HOLDER, PARTICULARS_SIZES),
    "answer": Channel(samples.OVERSIGHT, samples.TO_AUDITOR, ANSWER_SIZES),
    "tags": Channel(samples.OVERSIGHT, samples.TO_AUDITOR, TAGS_SIZES),
    "release": Channel(samples.REQUESTER, samples.TO_AGENCY, RELEASE_SIZES),
}


class Example(Struct, frozen=True):
    """The bytes of each step."""

    sealed: Mapping[Part, Sealed]
    plaintexts: Mapping[Part, bytes]
    control: bytes
    request: bytes
    verdict: bytes
    leaves: tuple[leaves.Leaf, ...]
    receipt: str


@cache
def example() -> Example:
    control = seal_envelope(
        samples.control(),
        [samples.signer(samples.HOLDER, "official"), samples.signer(samples.REQUESTER, "official")],
    )
    texts: dict[Part, bytes] = {
        "particulars": encode(samples.PERSON),
        "answer": encode(samples.CONFIRMED),
        "tags": encode(samples.TAGS),
    }
    sealed = _stored_or_sealed({"particulars": texts["particulars"]})
    request = seal_envelope(samples.request(sealed["particulars"]), [samples.signer(samples.REQUESTER)])
    sealed |= _stored_or_sealed({"answer": texts["answer"], "tags": texts["tags"]})
    verdict = seal_envelope(
        samples.verdict(request, texts["answer"], sealed["answer"], sealed["tags"]),
        [samples.signer(samples.HOLDER)],
    )
    entries = _leaves(control, request, verdict)
    proof = _receipt(entries)
    release = Release(
        request_id=samples.REQUEST_ID,
        leaf=leaves.encode(entries[-1]),
        verdict=verdict,
        answer=pad(texts["answer"], ANSWER_SIZES),
        receipt=proof.encode(),
    )
    texts["release"] = encode(release)
    sealed |= _stored_or_sealed({"release": texts["release"]})
    return Example(sealed, texts, control, request, verdict, entries, proof)


def _stored_or_sealed(plaintexts: Mapping[Part, bytes]) -> dict[Part, Sealed]:
    """The stored ciphertexts if all open to these plaintexts, else new ones under one wrapped key."""
    channels = [CHANNELS[part] for part in plaintexts]
    reader, context = channels[0].reader, channels[0].context
    file = json.loads(STORED.read_bytes())["parts"] if STORED.is_file() else {}
    opener = samples.opener(reader)
    try:
        stored = {part: _read(file[part]["sealed"]) for part in plaintexts}
        opened = {part: opener.open(stored[part], context, part, samples.REQUEST_ID) for part in plaintexts}
    except (KeyError, Malformed):
        opened = {}
    if opened == plaintexts:
        return stored
    sealer = Sealer(samples.RING.sealing_key(reader, samples.NOW), context)
    return {
        part: sealer.seal(part, samples.REQUEST_ID, text, CHANNELS[part].sizes)
        for part, text in plaintexts.items()
    }


def _read(tree: object) -> Sealed:
    return decode(json.dumps(tree).encode(), Sealed, what="stored vector")


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
    """The receipt of the third leaf in a log of three: its one sibling is the node over the first two."""
    first, second, third = (leaf_hash(leaves.encode(entry)) for entry in entries)
    sibling = node_hash(first, second)
    checkpoint = note.Checkpoint(
        samples.SUBJECTS.origin(samples.OVERSIGHT), len(entries), node_hash(sibling, third)
    )
    signed = note.sign(checkpoint, samples.signing_key(samples.OVERSIGHT, "ledger"))
    return receipt.encode(receipt.Receipt(len(entries) - 1, (sibling,), signed))

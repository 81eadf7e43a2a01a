"""The published test vectors, checked by our own code.

vectors_check.mjs checks the same vectors; a difference is an error in one of the two or in PROTOCOL.md.
"""

import base64
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from glomar_schemas.crypto.dsse import (
    Signer,
    open_envelope,
    pre_authentication,
    require_signer,
    signers,
)
from glomar_schemas.crypto.sealing import Context, Opener, associated_data, pad, unpad
from glomar_schemas.decoding import decode
from glomar_schemas.errors import GlomarError, Malformed, Refused, Untrusted
from glomar_schemas.keys import KeyRecord, KeyRing, key_id, parse_public
from glomar_schemas.messages import (
    Answer,
    Control,
    Release,
    Request,
    ResultPending,
    ResultQuery,
    Sealed,
    Subject,
    Tags,
    Verdict,
    encode,
)
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import note, receipt
from glomar_schemas.tlog.merkle import leaf_hash

from tests.generate.__main__ import GENERATORS, ROOT, differing

VECTORS = ROOT / "schemas/vectors"
ERRORS: dict[str, type[GlomarError]] = {"Malformed": Malformed, "Untrusted": Untrusted}
SIGNED: dict[str, type[Any]] = {"control": Control, "request": Request, "verdict": Verdict}
SEALED: dict[str, type[Any]] = {"particulars": Subject, "answer": Answer, "tags": Tags, "release": Release}
PLAIN: dict[str, type[Any]] = {"result-query": ResultQuery, "result-pending": ResultPending}


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_bytes())


KEYS, MESSAGES, PARTS = load("keys")["keys"], load("signed")["messages"], load("sealed")
NEGATIVE, PADDING, LEDGER = load("negative"), load("padding"), load("ledger")
RING = KeyRing(
    decode(
        json.dumps(
            {name: key[name] for name in ("party", "use", "public", "valid_from", "valid_until")}
        ).encode(),
        KeyRecord,
        what="key vector",
    )
    for key in KEYS
)
NOW = datetime.fromisoformat("2025-10-08T14:30:00+00:00")


def private(key: Any) -> Any:
    return load_pem_private_key(key["private_pem"].encode(), password=None)


def opener(party: str) -> Opener:
    key = next(key for key in KEYS if (key["party"], key["use"]) == (party, "seal"))
    return Opener({key["key_id"]: private(key)})


def unseal(case: Any, request_id: str) -> bytes:
    sealed = decode(json.dumps(case["sealed"]).encode(), Sealed, what="sealed vector")
    context = Context(case["direction"], case["agreement"], case["agency"])
    return opener(case["reader"]).open(sealed, context, case["part"], request_id)


def named(cases: list[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@pytest.mark.parametrize("key", KEYS, ids=[f"{key['party']} {key['use']}" for key in KEYS])
def test_a_key_has_its_id_and_its_private_half(key: Any) -> None:
    public = parse_public(key["public"])
    assert key_id(public) == key["key_id"]
    assert private(key).public_key() == public
    kind = EllipticCurvePrivateKey if key["use"] == "seal" else Ed25519PrivateKey
    assert isinstance(private(key), kind)


@pytest.mark.parametrize("name", SIGNED)
def test_a_stored_message_opens_to_its_payload(name: str) -> None:
    vector = MESSAGES[name]
    message, envelope = open_envelope(vector["body"].encode(), SIGNED[name], vector["subject"])
    assert encode(message).decode() == vector["payload"] == envelope.payload.decode()
    assert envelope.payload_type == vector["payload_type"]
    assert hashlib.sha256(vector["body"].encode()).hexdigest() == vector["body_sha256"]


@pytest.mark.parametrize("name", SIGNED)
def test_a_stored_message_is_signed_over_the_published_bytes(name: str) -> None:
    vector = MESSAGES[name]
    signed = pre_authentication(vector["payload_type"], vector["payload"].encode())
    assert signed.hex() == vector["pae_hex"]
    for signature in vector["signatures"]:
        key = next(key for key in KEYS if key["key_id"] == signature["keyid"])
        again = Signer(private(key)).sign(vector["payload_type"], vector["payload"].encode())
        assert base64.b64encode(again.sig).decode() == signature["sig"], "Ed25519 is deterministic"


@pytest.mark.parametrize(
    ("name", "uses", "parties"),
    [
        ("request", ("sign",), {"ice"}),
        ("verdict", ("sign",), {"irs"}),
        ("control", ("official",), {"ice", "irs"}),
    ],
)
def test_a_stored_message_is_signed_by_those_it_speaks_for(
    name: str, uses: tuple[Any, ...], parties: set[str]
) -> None:
    vector = MESSAGES[name]
    _, envelope = open_envelope(vector["body"].encode(), SIGNED[name], vector["subject"])
    assert signers(envelope, RING, NOW, uses) == parties


@pytest.mark.parametrize("part", SEALED)
def test_a_sealed_part_opens_to_its_plaintext(part: str) -> None:
    vector = PARTS["parts"][part]
    plaintext = unseal(vector | {"part": part}, PARTS["request_id"])
    assert plaintext.decode() == vector["plaintext"]
    assert hashlib.sha256(plaintext).hexdigest() == vector["plaintext_sha256"]
    sealed = decode(json.dumps(vector["sealed"]).encode(), Sealed, what=part)
    assert len(sealed.ciphertext) == vector["padded_bytes"] + 16


@pytest.mark.parametrize("part", ["particulars", "answer", "tags"])
def test_a_sealed_message_comes_back_the_same(part: str) -> None:
    plaintext = PARTS["parts"][part]["plaintext"].encode()
    assert encode(decode(plaintext, SEALED[part], what=part)) == plaintext


def test_a_release_comes_back_the_same() -> None:
    plaintext = PARTS["parts"]["release"]["plaintext"].encode()
    assert encode(decode(plaintext, Release, what="release")) == plaintext


@pytest.mark.parametrize("part", SEALED)
def test_info_and_associated_data_are_the_published_texts(part: Any) -> None:
    vector = PARTS["parts"][part]
    context = Context(vector["direction"], vector["agreement"], vector["agency"])
    assert context.info().decode() == vector["info"]
    assert associated_data(part, PARTS["request_id"]).decode() == vector["aad"]


def test_answer_and_tags_of_one_batch_share_their_wrapped_key() -> None:
    parts = PARTS["parts"]
    assert parts["answer"]["sealed"]["wrap"] == parts["tags"]["sealed"]["wrap"]


def test_the_messages_of_the_example_refer_to_each_other() -> None:
    request, verdict = json.loads(MESSAGES["request"]["payload"]), json.loads(MESSAGES["verdict"]["payload"])
    release = json.loads(PARTS["parts"]["release"]["plaintext"])
    assert request["particulars"] == PARTS["parts"]["particulars"]["sealed"]
    assert verdict["answer"] == PARTS["parts"]["answer"]["sealed"]
    assert verdict["tags"] == PARTS["parts"]["tags"]["sealed"]
    assert verdict["request_digest"] == MESSAGES["request"]["body_sha256"]
    assert verdict["answer_digest"] == PARTS["parts"]["answer"]["plaintext_sha256"]
    assert base64.b64decode(release["verdict"]).decode() == MESSAGES["verdict"]["body"]
    assert unpad(base64.b64decode(release["answer"])).decode() == PARTS["parts"]["answer"]["plaintext"]
    assert base64.b64decode(release["receipt"]).decode() == LEDGER["receipt"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_message_comes_back_the_same(name: str) -> None:
    text = load("plain")["messages"][name].encode()
    assert encode(decode(text, PLAIN[name], what=name)) == text


@named(PADDING["cases"])
def test_padding_goes_on_and_comes_off(case: Any) -> None:
    plaintext, padded = bytes.fromhex(case["plaintext_hex"]), bytes.fromhex(case["padded_hex"])
    assert pad(plaintext, tuple(case["sizes"])) == padded
    assert unpad(padded) == plaintext


@pytest.mark.parametrize("case", PADDING["too_long"])
def test_what_does_not_fit_is_refused(case: Any) -> None:
    with pytest.raises(Malformed):
        pad(bytes(case["plaintext_bytes"]), tuple(case["sizes"]))


@pytest.mark.parametrize("case", LEDGER["leaves"], ids=[str(leaf["sequence"]) for leaf in LEDGER["leaves"]])
def test_a_leaf_has_its_bytes_and_its_hash(case: Any) -> None:
    entry = leaves.Leaf(
        case["sequence"], int(case["time_ns"]), case["subject"], bytes.fromhex(case["body_sha256"])
    )
    assert leaves.encode(entry).decode() == case["leaf"]
    assert leaf_hash(case["leaf"].encode()).hex() == case["leaf_hash"]
    assert leaves.decode(case["leaf"].encode()) == entry


@pytest.mark.parametrize("case", LEDGER["gaps"], ids=[str(gap["sequence"]) for gap in LEDGER["gaps"]])
def test_a_gap_has_its_bytes_and_its_hash_and_is_no_message(case: Any) -> None:
    gap = leaves.Gap(case["sequence"])
    assert leaves.encode(gap).decode() == case["leaf"]
    assert leaf_hash(case["leaf"].encode()).hex() == case["leaf_hash"]
    assert leaves.decode_entry(case["leaf"].encode()) == gap
    with pytest.raises(Malformed):
        leaves.decode(case["leaf"].encode())


def test_the_receipt_proves_the_verdict() -> None:
    verdict = leaves.decode(LEDGER["leaves"][-1]["leaf"].encode())
    checkpoint = receipt.check(LEDGER["receipt"], verdict, note.parse_vkey(LEDGER["vkey"]))
    assert checkpoint.size == len(LEDGER["leaves"])


@named(NEGATIVE["envelopes"])
def test_every_implementation_refuses_the_envelope(case: Any) -> None:
    with pytest.raises(Refused) as caught:
        _, envelope = open_envelope(base64.b64decode(case["body_base64"]), Request, case["subject"])
        require_signer(envelope, case["party"], RING, datetime.fromisoformat(case["at"]))
    assert type(caught.value) is ERRORS[case["error"]]


@named(NEGATIVE["sealed"])
def test_every_implementation_refuses_the_sealed_part(case: Any) -> None:
    with pytest.raises(ERRORS[case["error"]]):
        unseal(case, case["request_id"])


@named(NEGATIVE["paddings"])
def test_every_implementation_refuses_the_padding(case: Any) -> None:
    with pytest.raises(ERRORS[case["error"]]):
        unpad(bytes.fromhex(case["padded_hex"]))


def test_the_generated_files_are_those_that_the_code_makes() -> None:
    assert differing(ROOT, GENERATORS) == []


def test_a_changed_and_a_missing_file_are_both_reported(tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes(b"x")
    (tmp_path / "changed").write_bytes(b"y")
    made = {name: lambda: b"x" for name in ("same", "changed", "missing")}
    assert differing(tmp_path, made) == ["changed", "missing"]


def test_patterns_in_the_json_schemas_are_those_of_javascript() -> None:
    schemas = list((ROOT / "schemas/json").glob("*.json"))
    assert schemas
    assert [path.name for path in schemas if rb"\\Z" in path.read_bytes()] == []

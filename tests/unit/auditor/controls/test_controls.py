"""The file that travels between officials: drafting, signing, altering, and its explanation in words."""

import base64
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from glomar_auditor.controls import draft as drafting
from glomar_auditor.controls import draft_file
from glomar_auditor.controls.cli import sign_version
from glomar_auditor.controls.draft import DraftContext
from glomar_auditor.controls.draft_file import Draft, add_signature, open_draft
from glomar_auditor.controls.explain import explain
from glomar_schemas.agreement.controls import Hold, InForce, apply
from glomar_schemas.agreement.model import SignedAgreement, Trust, load_agreement
from glomar_schemas.agreement.versions import Versions, bundled_agreement
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.errors import Malformed, Misconfigured, Refused, Untrusted
from msgspec.structs import replace

from tests.support import samples
from tests.support.model_request import model_agreement

SIGNED = SignedAgreement(model_agreement(), samples.AGREEMENT_DIGEST, samples.RING)
VERSIONS = Versions({SIGNED.digest: SIGNED})
STARTED = InForce(1, SIGNED, versions=((1, SIGNED.digest),))
HELD = replace(STARTED, slot=2, holds=(Hold(2, "all", "Order of the court"),))
HOLDER, REQUESTER = (samples.signer(party, "official") for party in (samples.HOLDER, samples.REQUESTER))


def context(slot: int = 2, in_force: InForce | None = None) -> DraftContext:
    return DraftContext(slot, SIGNED, samples.SUBJECTS, samples.NOW, in_force)


def a_hold(scope: str = "all") -> Draft:
    return draft_file.from_control(drafting.hold(context(), scope, "Order of the court", "Until the hearing"))


def a_lift() -> Draft:
    return draft_file.from_control(drafting.lift(context(3, HELD), 2, "Order of the court", ""))


def signed_by(found: Draft, *signers: Signer) -> Draft:
    for signer in signers:
        found = add_signature(found, signer, SIGNED, samples.NOW)
    return found


def words(found: Draft) -> str:
    control, _ = open_draft(found, SIGNED, samples.NOW)
    return "\n".join(explain(found, control, SIGNED, samples.NOW))


def test_a_signed_draft_is_the_control_that_readers_put_in_force() -> None:
    body = signed_by(a_hold("jurisdiction:mad"), HOLDER).body

    applied = apply(STARTED, body, VERSIONS, samples.SUBJECTS, 2, samples.NOW)

    assert applied.in_force == replace(HELD, holds=(Hold(2, "jurisdiction:mad", "Order of the court"),))


def test_two_officials_sign_one_file_one_after_the_other() -> None:
    body = signed_by(a_lift(), HOLDER, REQUESTER).body

    assert apply(HELD, body, VERSIONS, samples.SUBJECTS, 3, samples.NOW).in_force == replace(STARTED, slot=3)


@pytest.mark.parametrize(
    "scope", ["", "everything", "agency:cbp", "agency:", "jurisdiction:Mars", "person:abc", "all:"]
)
def test_a_scope_that_would_hold_nothing_is_not_drafted(scope: str) -> None:
    with pytest.raises(Misconfigured, match="scope"):
        drafting.hold(context(), scope, "Order", "")


@pytest.mark.parametrize("in_force", [STARTED, HELD])
def test_what_is_no_hold_in_force_is_not_drafted_to_be_lifted(in_force: InForce) -> None:
    with pytest.raises(Misconfigured, match="control 1 is no hold in force"):
        drafting.lift(context(3, in_force), 1, "Order", "")


@pytest.mark.parametrize(
    ("slot", "authority", "place"),
    [(0, "Order", "slot"), (2, "x" * 201, "authority"), (2, "a\x1b[2J", "control or invisible character")],
)
def test_what_no_reader_would_accept_is_not_drafted(slot: int, authority: str, place: str) -> None:
    with pytest.raises(Malformed, match=place):
        draft_file.from_control(drafting.hold(context(slot), "all", authority, ""))


def test_a_key_signs_once() -> None:
    with pytest.raises(Refused, match="signed it already"):
        signed_by(a_lift(), HOLDER, HOLDER)


@pytest.mark.parametrize("use", ["sign", "official"])
def test_only_an_officials_key_of_the_agreement_signs(use: str) -> None:
    unknown = samples.signer("cbp" if use == "official" else samples.HOLDER, use)  # type: ignore[arg-type]

    with pytest.raises(Untrusted, match="does not name"):
        signed_by(a_hold(), unknown)


def test_an_official_whose_key_has_expired_does_not_sign() -> None:
    with pytest.raises(Untrusted, match="outside its validity"):
        add_signature(a_hold(), HOLDER, SIGNED, samples.VALID_UNTIL + timedelta(days=1))


def test_what_was_altered_after_it_was_signed_is_neither_signed_nor_shown() -> None:
    once = signed_by(a_lift(), HOLDER)
    altered = replace(once, payload=once.payload.replace(b'"lifts":2', b'"lifts":1'))
    assert altered != once

    for read in (lambda: signed_by(altered, REQUESTER), lambda: words(altered)):
        with pytest.raises(Untrusted, match="altered after it was signed"):
            read()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"slot":2', b'"slot":3'),
        (b"control.2", b"control.3"),
        (b'"agreement":"irs-ice-2025"', b'"agreement":"ssa-usda-2026"'),
        (b'"type":"control"', b'"type":"request"'),
        (b'"scope":"all"', b'"scope":"al"'),
    ],
)
def test_a_draft_that_is_no_control_of_its_slot_and_agreement_is_refused(old: bytes, new: bytes) -> None:
    drawn = a_hold()
    assert old in drawn.payload

    with pytest.raises(Malformed):
        signed_by(replace(drawn, payload=drawn.payload.replace(old, new)), HOLDER)


def test_a_hold_is_explained_with_who_signed_and_what_is_missing() -> None:
    unsigned, enough = words(a_hold("agency:ice")), words(signed_by(a_hold("agency:ice"), HOLDER))

    assert model_agreement().parties["ice"].name in unsigned
    assert "Order of the court" in unsigned and "Until the hearing" in unsigned
    assert "an official of one party" in unsigned
    assert f"Signed by an official of irs (key {HOLDER.key_id})" in enough
    assert "Enough have signed" in enough


def test_a_lift_is_explained_with_the_slot_that_it_lifts() -> None:
    assert "officials of two parties" in words(signed_by(a_lift(), HOLDER))
    both = words(signed_by(a_lift(), HOLDER, REQUESTER))
    assert "The hold of slot 2 ends." in both and "Enough have signed" in both


def test_the_file_travels_as_it_is_and_is_never_overwritten_by_a_new_draft(tmp_path: Path) -> None:
    file = tmp_path / "hold.json"
    draft_file.create(file, a_hold())
    assert draft_file.read(file) == a_hold()

    draft_file.replace(file, signed_by(a_hold(), HOLDER))
    with pytest.raises(Misconfigured, match="there is a file already"):
        draft_file.create(file, a_hold())

    assert draft_file.read(file) == signed_by(a_hold(), HOLDER)
    assert list(tmp_path.iterdir()) == [file]
    assert b'"type":"control"' in base64.b64decode(msgspec.json.decode(file.read_bytes())["payload"])


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"payload":"","payloadType":"x","more":1}'])
def test_a_file_that_is_no_draft_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "draft.json"
    file.write_bytes(content)

    with pytest.raises(Malformed, match=r"draft\.json"):
        draft_file.read(file)


def test_officials_sign_an_agreement_one_after_the_other(tmp_path: Path) -> None:
    file = tmp_path / "agreement-2.toml"
    file.write_bytes(bundled_agreement().read_bytes())

    for signer in (HOLDER, REQUESTER):
        signed = sign_version(file, signer)

    assert [each.keyid for each in signed] == [HOLDER.key_id, REQUESTER.key_id]
    officials = {
        party: samples.signing_key(party, "official").public_key()
        for party in (samples.HOLDER, samples.REQUESTER)
    }
    assert load_agreement(file, Trust(officials)).agreement.id == samples.AGREEMENT


def test_one_key_signs_an_agreement_once(tmp_path: Path) -> None:
    file = tmp_path / "agreement-2.toml"
    file.write_bytes(bundled_agreement().read_bytes())
    sign_version(file, HOLDER)

    with pytest.raises(Refused, match="signed it already"):
        sign_version(file, HOLDER)


def test_what_is_no_agreement_is_not_signed(tmp_path: Path) -> None:
    file = tmp_path / "agreement-2.toml"
    file.write_text("version = 2")

    with pytest.raises(Malformed):
        sign_version(file, HOLDER)
    assert not file.with_name("agreement-2.toml.sig").exists()

"""Keys: their files, their ids, and the ring that an agreement names."""

import base64
import hashlib
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.files import create
from glomar_schemas.keys import (
    KeyRing,
    KeyUse,
    PrivateKey,
    generate,
    key_id,
    parse_public,
    public_text,
    read_sealing_key,
    read_secret,
    read_signing_key,
    spki,
    write_private,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import (
    HOLDER,
    NOW,
    OVERSIGHT,
    PRIVATE_KEYS,
    RECORDS,
    REQUESTER,
    RING,
    VALID_FROM,
    VALID_UNTIL,
    sealing_key,
    signing_key,
)

READERS: list[tuple[KeyUse, Callable[[Path], Any]]] = [("sign", read_signing_key), ("seal", read_sealing_key)]
MOMENT = timedelta(microseconds=1)


def written(tmp_path: Path, key: PrivateKey) -> Path:
    path = tmp_path / "key.pem"
    write_private(path, key)
    return path


@pytest.mark.parametrize(("use", "read"), READERS)
def test_a_written_key_is_read_again(tmp_path: Path, use: KeyUse, read: Callable[[Path], Any]) -> None:
    key = generate(use)
    assert read(written(tmp_path, key)).public_key() == key.public_key()


def test_a_key_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(written(tmp_path, generate("sign")).stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, generate("sign"))
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="there is a file already"):
        write_private(path, generate("sign"))
    assert path.read_bytes() == before


@pytest.mark.parametrize(("use", "read"), READERS)
def test_a_missing_key_file_is_a_misconfiguration(
    tmp_path: Path, use: KeyUse, read: Callable[[Path], Any]
) -> None:
    with pytest.raises(Misconfigured, match="missing"):
        read(tmp_path / "absent.pem")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o601, 0o777])
@pytest.mark.parametrize(("use", "read"), READERS)
def test_a_key_file_open_to_others_is_refused_with_the_command_that_repairs_it(
    tmp_path: Path, use: KeyUse, read: Callable[[Path], Any], mode: int
) -> None:
    path = written(tmp_path, generate(use))
    path.chmod(mode)
    with pytest.raises(Misconfigured) as caught:
        read(path)
    assert caught.value.fix == f"Run: chmod 600 {path}"
    assert f"{mode:04o}" in caught.value.what


@pytest.mark.parametrize(("use", "read"), READERS)
def test_a_key_of_the_other_kind_is_refused(tmp_path: Path, use: KeyUse, read: Callable[[Path], Any]) -> None:
    other: KeyUse = "seal" if use == "sign" else "sign"
    with pytest.raises(Misconfigured, match="not a"):
        read(written(tmp_path, generate(other)))


def test_a_sealing_key_on_another_curve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="P-256"):
        read_sealing_key(written(tmp_path, ec.generate_private_key(ec.SECP384R1())))


@pytest.mark.parametrize(("use", "read"), READERS)
@pytest.mark.parametrize(
    "content", [b"", b"Zzyzxcanary", b"\xff\x00", b"-----BEGIN PRIVATE KEY-----\nQQ==\n"]
)
def test_garbage_in_a_key_file_is_refused_and_not_quoted(
    tmp_path: Path, use: KeyUse, read: Callable[[Path], Any], content: bytes
) -> None:
    path = tmp_path / "key.pem"
    create(path, content)
    with pytest.raises(Misconfigured) as caught:
        read(path)
    assert "Zzyzxcanary" not in str(caught.value)


def test_an_encrypted_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    pem = signing_key(HOLDER).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    create(path, pem)
    with pytest.raises(Misconfigured):
        read_signing_key(path)


def test_a_directory_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        read_secret(tmp_path)


def test_a_key_id_is_half_the_sha256_of_the_public_key() -> None:
    public = signing_key(HOLDER).public_key()
    assert key_id(public) == hashlib.sha256(spki(public)).hexdigest()[:32]


@pytest.mark.parametrize("private", PRIVATE_KEYS.values())
def test_a_public_key_survives_its_text(private: PrivateKey) -> None:
    public = private.public_key()
    assert parse_public(public_text(public)) == public


def test_other_kinds_of_public_key_are_refused() -> None:
    for key in (
        rsa.generate_private_key(65537, 2048).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
    ):
        der = key.public_bytes(
            Encoding.DER,
            PublicFormat.SubjectPublicKeyInfo,
        )
        with pytest.raises(Misconfigured, match="neither"):
            parse_public(base64.b64encode(der).decode())


@given(st.text())
def test_arbitrary_text_is_no_public_key(text: str) -> None:
    with pytest.raises(Misconfigured):
        parse_public(text)


def test_a_public_key_with_trailing_bytes_is_refused() -> None:
    der = spki(signing_key(HOLDER).public_key())
    with pytest.raises(Misconfigured):
        parse_public(base64.b64encode(der + b"\x00").decode())


def test_a_private_key_is_no_public_key() -> None:
    der = signing_key(HOLDER).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(Misconfigured):
        parse_public(base64.b64encode(der).decode())


def test_a_signer_is_found_by_key_id() -> None:
    public = signing_key(HOLDER).public_key()
    assert RING.signer(key_id(public), NOW) == (HOLDER, public)


def test_a_key_counts_from_its_first_moment_until_before_its_last() -> None:
    known = key_id(signing_key(HOLDER).public_key())
    assert RING.signer(known, VALID_FROM)[0] == HOLDER
    assert RING.signer(known, VALID_UNTIL - MOMENT)[0] == HOLDER
    for outside in (VALID_FROM - MOMENT, VALID_UNTIL):
        with pytest.raises(Untrusted, match="outside its validity"):
            RING.signer(known, outside)


@pytest.mark.parametrize("use", ["seal", "official", "ledger"])
def test_a_key_for_another_use_signs_nothing(use: KeyUse) -> None:
    party = OVERSIGHT if use == "ledger" else HOLDER
    with pytest.raises(Untrusted, match="does not name"):
        RING.signer(key_id(PRIVATE_KEYS[party, use].public_key()), NOW)


def test_a_stranger_signs_nothing() -> None:
    with pytest.raises(Untrusted, match="does not name"):
        RING.signer(key_id(generate("sign").public_key()), NOW)


def test_the_newest_valid_sealing_key_is_used() -> None:
    old = next(record for record in RECORDS if (record.party, record.use) == (HOLDER, "seal"))
    new = msgspec.structs.replace(
        old, public=public_text(generate("seal").public_key()), valid_from=NOW - timedelta(days=1)
    )
    ring = KeyRing([new, old])
    assert public_text(ring.sealing_key(HOLDER, NOW).public) == new.public
    assert public_text(ring.sealing_key(HOLDER, NOW - timedelta(days=2)).public) == old.public


def test_a_party_without_a_valid_sealing_key_can_not_be_sealed_to() -> None:
    for party, at in (("nobody", NOW), (HOLDER, VALID_UNTIL)):
        with pytest.raises(Untrusted, match="no sealing key"):
            RING.sealing_key(party, at)


def test_ledger_keys_count_at_any_time() -> None:
    assert RING.ledger_keys(OVERSIGHT) == [signing_key(OVERSIGHT, "ledger").public_key()]
    assert RING.ledger_keys(REQUESTER) == []


def test_one_key_can_not_belong_to_two_parties() -> None:
    record = RECORDS[0]
    with pytest.raises(Misconfigured, match="twice"):
        KeyRing([record, msgspec.structs.replace(record, party=OVERSIGHT)])


@pytest.mark.parametrize(("use", "public"), [("seal", signing_key(HOLDER)), ("sign", sealing_key(HOLDER))])
def test_a_key_that_can_not_do_its_use_is_refused(use: KeyUse, public: PrivateKey) -> None:
    with pytest.raises(Misconfigured, match="P-256"):
        KeyRing([msgspec.structs.replace(RECORDS[0], use=use, public=public_text(public.public_key()))])


def test_a_key_that_is_never_valid_is_refused() -> None:
    with pytest.raises(Misconfigured, match="before it begins"):
        KeyRing([msgspec.structs.replace(RECORDS[0], valid_until=VALID_FROM)])

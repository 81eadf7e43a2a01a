"""A party holds the private keys in force, and no others."""

from pathlib import Path

import pytest
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.keyholder import Keyholder, key_files
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.sealing import PARTICULARS_SIZES, Sealer
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.keys import KeyRecord, KeyRing, key_id, public_text, read_sealing_keys, write_private
from glomar_schemas.messages import Sealed

from tests.support import samples
from tests.support.model_request import model_agreement

FIRST, SECOND = samples.sealing_key(samples.HOLDER), samples.sealing_key("next epoch")
FIRST_ID, SECOND_ID = key_id(FIRST.public_key()), key_id(SECOND.public_key())
RECORD = KeyRecord(
    party=samples.HOLDER,
    use="seal",
    public=public_text(SECOND.public_key()),
    valid_from=samples.VALID_FROM,
    valid_until=samples.VALID_UNTIL,
)
BOTH = samples.RING.having(RECORD)


def in_force(ring: KeyRing) -> InForce:
    return InForce(1, SignedAgreement(model_agreement(), samples.AGREEMENT_DIGEST, ring))


def sealed_to(private_id: str) -> Sealed:
    key = BOTH.get(private_id)
    assert key is not None
    sealer = Sealer(key, samples.TO_HOLDER)
    return sealer.seal("particulars", samples.REQUEST_ID, b"who", PARTICULARS_SIZES)


def opens(keyholder: Keyholder, sealed: Sealed) -> bool:
    try:
        return keyholder.opener.open(sealed, samples.TO_HOLDER, "particulars", samples.REQUEST_ID) == b"who"
    except Malformed:
        return False


@pytest.fixture
def pattern(tmp_path: Path) -> Path:
    write_private(tmp_path / "irs.seal.pem", FIRST)
    write_private(tmp_path / "irs.seal.2.pem", SECOND)
    return tmp_path / "irs.seal*.pem"


def test_before_anything_is_in_force_nothing_opens(pattern: Path) -> None:
    assert not opens(Keyholder(samples.HOLDER, key_files(pattern)), sealed_to(FIRST_ID))


def test_a_key_opens_from_its_control_on(pattern: Path) -> None:
    keyholder = Keyholder(samples.HOLDER, key_files(pattern))
    keyholder.follow(in_force(samples.RING))
    assert (opens(keyholder, sealed_to(FIRST_ID)), opens(keyholder, sealed_to(SECOND_ID))) == (True, False)

    keyholder.follow(in_force(BOTH))

    assert opens(keyholder, sealed_to(FIRST_ID)) and opens(keyholder, sealed_to(SECOND_ID))


def test_a_destroyed_key_is_forgotten_with_all_that_it_has_unwrapped(pattern: Path) -> None:
    keyholder, sealed, other = (
        Keyholder(samples.HOLDER, key_files(pattern)),
        sealed_to(FIRST_ID),
        sealed_to(SECOND_ID),
    )
    keyholder.follow(in_force(BOTH))
    assert opens(keyholder, sealed) and opens(keyholder, other)

    keyholder.follow(in_force(BOTH.without(FIRST_ID)))

    assert (opens(keyholder, sealed), opens(keyholder, other)) == (False, True)
    assert [slot[0] for slot in keyholder.opener._unwrapped] == [SECOND_ID]


def test_a_missing_key_in_force_stops_its_party(tmp_path: Path) -> None:
    write_private(tmp_path / "irs.seal.pem", FIRST)
    keyholder = Keyholder(samples.HOLDER, key_files(tmp_path / "irs.seal.pem"))

    with pytest.raises(Misconfigured, match=SECOND_ID):
        keyholder.follow(in_force(BOTH))


def test_a_key_that_came_after_the_start_is_found(tmp_path: Path) -> None:
    write_private(tmp_path / "irs.seal.pem", FIRST)
    keyholder = Keyholder(samples.HOLDER, key_files(tmp_path / "irs.seal*.pem"))
    keyholder.follow(in_force(samples.RING))
    write_private(tmp_path / "irs.seal.2.pem", SECOND)

    keyholder.follow(in_force(BOTH))

    assert opens(keyholder, sealed_to(SECOND_ID))


def test_a_party_without_any_key_is_reported_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="missing"):
        key_files(tmp_path / "irs.seal*.pem")


def test_a_pattern_names_several_keys(pattern: Path) -> None:
    assert set(read_sealing_keys(pattern)) == {FIRST_ID, SECOND_ID}
    assert set(read_sealing_keys(pattern.with_name("irs.seal.pem"))) == {FIRST_ID}

"""The agreement's file and its signatures: what is loaded, and what is refused."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from glomar_schemas.agreement.model import (
    Agreement,
    Condition,
    Trust,
    load_agreement,
    load_trust,
    parse_agreement,
    sign_agreement,
)
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.errors import Malformed, Misconfigured, Untrusted
from glomar_schemas.keys import public_text

from tests.support.model_request import AGREEMENT_FILE, model_agreement
from tests.support.samples import HOLDER, OVERSIGHT, RECORDS, REQUESTER, sealing_key, signer, signing_key

RAW = AGREEMENT_FILE.read_bytes()
OFFICIALS = [signer(HOLDER, "official"), signer(REQUESTER, "official")]
TRUST = Trust({party: signing_key(party, "official").public_key() for party in (HOLDER, REQUESTER)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the first agreement, signed by both officials."""
    path = tmp_path / "agreement.toml"
    path.write_bytes(RAW)
    signature_file(path).write_bytes(sign_agreement(RAW, OFFICIALS))
    return path


def signature_file(path: Path) -> Path:
    return path.with_name("agreement.toml.sig")


def test_a_signed_agreement_is_loaded_with_the_digest_of_its_bytes(path: Path) -> None:
    signed = load_agreement(path, TRUST)
    assert signed.agreement == model_agreement()
    assert signed.digest == hashlib.sha256(RAW).hexdigest()


def test_a_deployment_appends_its_keys_before_the_parties_sign(path: Path) -> None:
    tables = [
        f'[[keys]]\nparty = "{key.party}"\nuse = "{key.use}"\npublic = "{key.public}"\n'
        f"valid_from = {key.valid_from.isoformat()}\nvalid_until = {key.valid_until.isoformat()}\n"
        for key in RECORDS
    ]
    raw = RAW + "\n".join(["", *tables]).encode()
    path.write_bytes(raw)
    signature_file(path).write_bytes(sign_agreement(raw, OFFICIALS))
    signed = load_agreement(path, TRUST)
    assert signed.agreement.keys == RECORDS
    assert signed.ring.sealing_key(HOLDER, RECORDS[0].valid_from).party == HOLDER


@pytest.mark.parametrize(
    ("signers", "fault"),
    [
        ([], "not signed by the official of irs"),
        (OFFICIALS[:1], "not signed by the official of ice"),
        (OFFICIALS[1:], "not signed by the official of irs"),
        ([signer(HOLDER), signer(REQUESTER)], "not signed by the official of irs"),
        ([OFFICIALS[0], signer(OVERSIGHT)], "not signed by the official of ice"),
    ],
    ids=["nobody", "holder only", "requester only", "service keys", "oversight for the requester"],
)
def test_without_both_officials_nothing_is_in_force(path: Path, signers: list[Signer], fault: str) -> None:
    signature_file(path).write_bytes(sign_agreement(RAW, signers))
    with pytest.raises(Untrusted, match=fault):
        load_agreement(path, TRUST)


@pytest.mark.parametrize("place", [RAW.index(b"days_after_order = 90") + 19, 2, len(RAW) - 1])
def test_one_altered_byte_breaks_the_signatures(path: Path, place: int) -> None:
    altered = bytearray(RAW)
    altered[place] = ord(" ") if altered[place] != ord(" ") else ord("\t")
    path.write_bytes(altered)
    with pytest.raises(Untrusted, match=r"signature of irs does not match the file\. It was altered"):
        load_agreement(path, TRUST)


def test_a_signature_over_another_kind_of_file_does_not_count(path: Path) -> None:
    wrong = [official.sign("application/vnd.glomar.control.v1+json", RAW) for official in OFFICIALS]
    signature_file(path).write_bytes(msgspec.json.encode(wrong))
    with pytest.raises(Untrusted, match="does not match the file"):
        load_agreement(path, TRUST)


def test_an_official_whom_the_trust_file_does_not_name_counts_for_nothing(path: Path) -> None:
    with pytest.raises(Untrusted, match="names no official of ice"):
        load_agreement(path, Trust({HOLDER: TRUST.officials[HOLDER]}))


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b'[{"keyid":"00","sig":"AA=="}]'])
def test_a_signature_file_of_another_form_is_refused(path: Path, content: bytes) -> None:
    signature_file(path).write_bytes(content)
    with pytest.raises(Malformed, match=r"agreement\.toml\.sig"):
        load_agreement(path, TRUST)


@pytest.mark.parametrize("name", ["agreement.toml", "agreement.toml.sig"])
def test_a_missing_file_is_named(path: Path, name: str) -> None:
    path.with_name(name).unlink()
    with pytest.raises(Misconfigured, match=f"{name}: can't be read"):
        load_agreement(path, TRUST)


@pytest.mark.parametrize(
    ("from_start", "from_end", "in_force"),
    [(-1, None, False), (0, None, True), (None, -1, True), (None, 0, False)],
    ids=["before its first moment", "its first moment", "its last moment", "after its last moment"],
)
def test_an_agreement_is_in_force_from_its_first_moment_to_its_last(
    path: Path, from_start: int | None, from_end: int | None, in_force: bool
) -> None:
    signed = load_agreement(path, TRUST)
    start, end = signed.agreement.valid_from, signed.agreement.valid_until
    now: datetime = end if from_start is None else start
    now += timedelta(microseconds=from_end or from_start or 0)
    if in_force:
        signed.require_in_force(now)
    else:
        with pytest.raises(Untrusted, match="not in force now"):
            signed.require_in_force(now)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("version = 1", "version = 1\nvershion = 2", "unknown field `vershion`"),
        ("window_days = 30", "window_days = 30\nlimitless = 1", r"field `limitless` - at `\$.limits`"),
        ("version = 1", "version =", "line 11"),
        ("version = 1", 'version = "1"', r"Expected `int`, got `str` - at `\$.version`"),
        ("window_days = 30", "window_days = -1", r"at `\$.limits.window_days`"),
        ('holder = "irs"', 'holder = "IRS"', r"at `\$.holder`"),
        ('holder = "irs"', 'holder = "nara"', r"no \[parties.nara\] table"),
        ('holder = "irs"', 'holder = "ice"', "one party has two roles"),
        ('requesters = ["ice"]', "requesters = []", r"at `\$.requesters`"),
        ('id = "L8"', 'id = "L7"', "two conditions have the same id"),
        ('id = "L8"', 'id = "sole use"', r"at `\$.conditions\[7\].id`"),
        ('id = "L9a"', 'id = "L9A"', r"at `\$.conditions\[8\].id`"),
        ('id = "L9a"', 'id = "L9ab"', r"at `\$.conditions\[8\].id`"),
        ('id = "L9a"', 'id = "L9b"', "two conditions have the same id"),
        ("valid_until = 2030-04-07T00:00:00-04:00", "valid_until = 2030-04-07", "at `\\$.valid_until`"),
        ("valid_until = 2030-04-07T00:00:00-04:00", "valid_until = 2030-04-07T00:00:00", "`\\$.valid_until`"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named_by_its_place(old: str, new: str, fault: str) -> None:
    assert old in RAW.decode()
    with pytest.raises(Malformed, match=fault) as raised:
        parse_agreement(RAW.decode().replace(old, new, 1).encode(), where="agreement.toml")
    assert raised.value.where == "agreement.toml"


@pytest.mark.parametrize(
    "raw", [b"\xff", b"id = [" + b"[" * 5000, b""], ids=["not UTF-8", "too deep", "empty"]
)
def test_what_is_no_agreement_at_all_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_agreement(raw, where="agreement.toml")


def test_refusals_that_would_not_fit_into_an_answer_are_refused_with_the_agreement() -> None:
    conditions = model_agreement().conditions
    crowd = [msgspec.structs.replace(conditions[0], id=f"L{n}", refusal="x" * 200) for n in range(99)]
    with pytest.raises(Malformed, match="longer than an answer"):
        parse_agreement(as_toml(crowd), where="agreement.toml")


def as_toml(conditions: list[Condition]) -> bytes:
    """The first agreement with other conditions; TOML's inline tables and JSON agree on plain strings."""
    head = RAW.decode().partition("[[conditions]]")[0]
    rows = msgspec.to_builtins(conditions)
    tables = [
        "[[conditions]]\n" + "\n".join(f"{key} = {msgspec.json.encode(row[key]).decode()}" for key in KEYS)
        for row in rows
    ]
    return "\n".join([head, *tables]).encode()


KEYS = ("id", "name", "citation", "holds", "refusal")


def pinned(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trust.toml"
    path.write_text(text)
    return path


def test_a_trust_file_pins_one_official_a_party(tmp_path: Path, path: Path) -> None:
    lines = [f'{party} = "{public_text(key)}"' for party, key in TRUST.officials.items()]
    trust = load_trust(pinned(tmp_path, "\n".join(lines)))
    assert trust.officials == TRUST.officials
    assert isinstance(load_agreement(path, trust).agreement, Agreement)


@pytest.mark.parametrize(
    ("text", "error", "fault"),
    [
        ('irs = "AAAA"', Misconfigured, "trust.toml: irs: not a base64 SubjectPublicKeyInfo"),
        ('irs = "not base64"', Misconfigured, "trust.toml: irs: not a base64"),
        (f'irs = "{public_text(sealing_key(HOLDER).public_key())}"', Misconfigured, "must be Ed25519"),
        ("\n".join(f'{p} = "{public_text(TRUST.officials[HOLDER])}"' for p in ("irs", "ice")),
         Misconfigured, "trust.toml: ice: the same key as another party's official"),
        ("irs = 7", Malformed, "Expected `str`, got `int`"),
        ("irs\nice = 1", Malformed, "line 1"),
    ],
    ids=["no key", "no base64", "a sealing key", "one key for two", "a number", "not TOML"],
)  # fmt: skip
def test_a_trust_file_that_pins_nothing_usable_is_refused(
    tmp_path: Path, text: str, error: type[Exception], fault: str
) -> None:
    with pytest.raises(error, match=fault):
        load_trust(pinned(tmp_path, text))


def test_a_missing_trust_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"trust\.toml: can't be read"):
        load_trust(tmp_path / "trust.toml")

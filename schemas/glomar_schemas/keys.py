"""Keys: their ids, their files, and the ring of public keys that an agreement names.

Private keys are PKCS #8 PEM files of mode 0600; public ones base64 SubjectPublicKeyInfo, so that any tool
reads both. A key id is the first 16 bytes of the SHA-256 of the SubjectPublicKeyInfo, in hex.
"""

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from msgspec import Meta, Struct

from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.files import create

KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
KeyUse = Literal["sign", "seal", "ledger", "official"]
SERVICE: tuple[KeyUse, ...] = ("sign",)
"""What signs a request or a verdict."""
OFFICIAL: tuple[KeyUse, ...] = ("official",)
"""What signs a control."""
_NKEY_BYTES = 2 + 32 + 2
"""What it is, the seed, and a CRC-16."""
PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


class KeyRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key as the agreement names it, and for what and when it counts."""

    party: str
    use: KeyUse
    public: Annotated[str, Meta(description="base64 SubjectPublicKeyInfo (RFC 5280)")]
    valid_from: Annotated[datetime, Meta(tz=True)]
    valid_until: Annotated[datetime, Meta(tz=True)]

    @property
    def key_id(self) -> str:
        """Raises Misconfigured if it is no key."""
        return key_id(parse_public(self.public))


class Key(Struct, frozen=True):
    """A KeyRecord, parsed."""

    id: str
    party: str
    use: KeyUse
    public: PublicKey
    valid_from: datetime
    valid_until: datetime


class KeyRing:
    """The public keys of an agreement, by id. Raises Misconfigured unless each key has one party and use.

    A key that two parties share would let one of them sign for both.
    """

    def __init__(self, records: Iterable[KeyRecord]) -> None:
        self._keys: dict[str, Key] = {}
        for record in records:
            self._add(record)

    def _add(self, record: KeyRecord) -> None:
        key = _parse(record)
        if key.id in self._keys:
            raise Misconfigured("one key is named twice", where=f"key of {key.party}")
        self._keys[key.id] = key

    def having(self, record: KeyRecord) -> "KeyRing":
        """A ring with one more key. Raises Misconfigured."""
        ring = self.without("")
        ring._add(record)
        return ring

    def without(self, key_id: str) -> "KeyRing":
        """A ring that does not know this key."""
        ring = KeyRing(())
        ring._keys = {id_: key for id_, key in self._keys.items() if id_ != key_id}
        return ring

    def get(self, key_id: str) -> Key | None:
        """Whatever it is for, and whether it is valid or not."""
        return self._keys.get(key_id)

    def signer(
        self, key_id: str, at: datetime, uses: Collection[KeyUse] = SERVICE
    ) -> tuple[str, Ed25519PublicKey]:
        """(party, key) of a key for one of these uses, valid at that moment. Raises Untrusted."""
        key = self._keys.get(key_id)
        if key is None or key.use not in uses or not isinstance(key.public, Ed25519PublicKey):
            raise Untrusted("signed by a key that the agreement does not name")
        if not key.valid_from <= at < key.valid_until:
            raise Untrusted("signed by a key outside its validity")
        return key.party, key.public

    def sealing_key(self, party: str, at: datetime) -> Key:
        """The party's newest sealing key that is valid at that moment. Raises Untrusted if it has none."""
        usable = [key for key in self.sealing_keys(party) if key.valid_from <= at < key.valid_until]
        if not usable:
            raise Untrusted(f"the agreement names no sealing key of {party} that is valid now")
        return max(usable, key=lambda key: key.valid_from)

    def sealing_keys(self, party: str) -> list[Key]:
        """The party's, of any validity: what was sealed to one may be opened until it is shredded."""
        return [key for key in self._keys.values() if key.party == party and key.use == "seal"]

    def ledger_keys(self, party: str) -> list[Ed25519PublicKey]:
        """The keys that may sign the party's checkpoints, of any validity: a receipt outlives its key."""
        return [
            key.public
            for key in self._keys.values()
            if key.party == party and key.use == "ledger" and isinstance(key.public, Ed25519PublicKey)
        ]


def spki(key: PublicKey) -> bytes:
    """A public key -> SubjectPublicKeyInfo, DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: PublicKey) -> str:
    return hashlib.sha256(spki(key)).hexdigest()[:32]


def public_text(key: PublicKey) -> str:
    """A public key -> the base64 that a KeyRecord holds."""
    return base64.b64encode(spki(key)).decode()


def parse_public(text: str, *, where: str = "public key") -> PublicKey:
    """Raises Misconfigured for anything but an Ed25519 or P-256 SubjectPublicKeyInfo in base64."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise Misconfigured("not a base64 SubjectPublicKeyInfo", where=where) from None
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise Misconfigured("neither an Ed25519 nor a P-256 key", where=where)


def generate(use: KeyUse) -> PrivateKey:
    """P-256 for sealing, Ed25519 for signatures."""
    return generate_private_key(SECP256R1()) if use == "seal" else Ed25519PrivateKey.generate()


def write_private(path: Path, key: PrivateKey) -> None:
    """Creates the file, for its owner alone, and never overwrites. Raises Misconfigured."""
    create(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def read_secret(path: Path) -> bytes:
    """Raises Misconfigured when the file is missing, unreadable, or open to anybody but its owner."""
    try:
        # The checked file and the read file are one: looked at through the same descriptor.
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & 0o077:
                raise Misconfigured(
                    f"key file is open to others (mode {stat.S_IMODE(mode):04o})",
                    where=str(path),
                    fix=f"Run: chmod 600 {path}",
                )
            return file.read()
    except FileNotFoundError:
        raise Misconfigured("key file is missing", where=str(path), fix="Check the key settings") from None
    except OSError as error:
        raise Misconfigured(f"key file can't be read ({error.strerror})", where=str(path)) from None


def require_nkey(path: Path) -> None:
    """Raises Misconfigured unless the file holds the seed of a user's nkey (NATS ADR-14) and nothing else.

    Called before nats-py reads the same file, which says what is wrong with it in a way of its own.
    """
    seed = read_secret(path).strip()
    try:
        raw = base64.b32decode(seed + b"=" * (-len(seed) % 8))
    except binascii.Error:
        raw = b""
    checksum = int.from_bytes(raw[-2:], "little")
    if len(raw) != _NKEY_BYTES or not seed.startswith(b"SU") or binascii.crc_hqx(raw[:-2], 0) != checksum:
        raise Misconfigured("not the seed of a user's nkey", where=str(path))


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    key = _read_private(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured("not an Ed25519 key", where=str(path))
    return key


def read_sealing_key(path: Path) -> EllipticCurvePrivateKey:
    key = _read_private(path)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise Misconfigured("not a P-256 key", where=str(path))
    return key


def read_sealing_keys(pattern: Path) -> dict[str, EllipticCurvePrivateKey]:
    """Key id -> key. pattern: a PEM file, or several by wildcards in the name. Raises Misconfigured."""
    # Without a match it is read as the name of a file, which says what is wrong.
    files = sorted(pattern.parent.glob(pattern.name)) or [pattern]
    keys = [read_sealing_key(file) for file in files]
    return {key_id(key.public_key()): key for key in keys}


def _read_private(path: Path) -> object:
    try:
        return load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured("not a PKCS #8 private key in PEM", where=str(path)) from None


def _parse(record: KeyRecord) -> Key:
    where = f"key of {record.party}"
    public = parse_public(record.public, where=where)
    if (record.use == "seal") != isinstance(public, EllipticCurvePublicKey):
        raise Misconfigured("a sealing key is P-256, every other key Ed25519", where=where)
    if record.valid_from >= record.valid_until:
        raise Misconfigured("a key whose validity ends before it begins", where=where)
    return Key(key_id(public), record.party, record.use, public, record.valid_from, record.valid_until)

"""The sealing key of one epoch: its encryption at rest, and its state. Pure.

At rest the key is encrypted under a key that is derived from two shares, one with each custodian. If one of
the three files is destroyed, the key can't be recovered.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.model import Retention
from glomar_schemas.errors import Malformed
from glomar_schemas.keys import KeyRecord
from glomar_schemas.messages import encode
from msgspec import Meta, Struct

SHARE_BYTES = 32
_NONCE_BYTES = 12

Shares = tuple[bytes, bytes]
"""Of the first and the second custodian, 32 random bytes each."""
EpochState = Literal["unnamed", "in force", "shredded"]
"""unnamed: no control names it. shredded: a control says that it is destroyed."""


class WrappedKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An epoch's file: the public record in the clear, the private key (PKCS #8, DER) under AES-256-GCM."""

    record: KeyRecord
    nonce: Annotated[bytes, Meta(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]
    ciphertext: bytes


class Epoch(Struct, frozen=True):
    """due: its retention has ended and it is not shredded. files: how many of its three files exist."""

    key_id: str
    valid_from: datetime
    valid_until: datetime
    retention_ends: datetime
    state: EpochState
    due: bool
    files: int


def make_shares() -> Shares:
    return os.urandom(SHARE_BYTES), os.urandom(SHARE_BYTES)


def wrap(private: EllipticCurvePrivateKey, record: KeyRecord, shares: Shares) -> WrappedKey:
    """record: of the public key."""
    nonce = os.urandom(_NONCE_BYTES)
    plaintext = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    ciphertext = _cipher(record.key_id, shares).encrypt(nonce, plaintext, encode(record))
    return WrappedKey(record=record, nonce=nonce, ciphertext=ciphertext)


def unwrap(wrapped: WrappedKey, shares: Shares) -> EllipticCurvePrivateKey:
    """Raises Malformed if a share belongs to another key or the file was altered."""
    try:
        cipher = _cipher(wrapped.record.key_id, shares)
        plaintext = cipher.decrypt(wrapped.nonce, wrapped.ciphertext, encode(wrapped.record))
    except (InvalidTag, ValueError):
        raise Malformed("does not open with the custodians' shares") from None
    private = load_der_private_key(plaintext, password=None)
    assert isinstance(private, EllipticCurvePrivateKey)
    return private


def retention_ends(valid_until: datetime, retention: Retention) -> datetime:
    """The time at which the retention of the last request sealed to the key ends."""
    return valid_until + timedelta(days=retention.particulars_days)


def survey(
    on_disk: Iterable[KeyRecord], files: Mapping[str, int], in_force: InForce, now: datetime
) -> list[Epoch]:
    """Every epoch in the agreement, in a control or on disk, oldest first. files: how many, by key id."""
    signed = in_force.require()
    agreement = signed.agreement
    known = {
        record.key_id: record
        for record in (*on_disk, *agreement.keys, *in_force.added)
        if (record.party, record.use) == (agreement.holder, "seal")
    }
    epochs = []
    for key_id, record in known.items():
        end, state = retention_ends(record.valid_until, agreement.retention), _state(key_id, in_force)
        due = state != "shredded" and end <= now
        count = files.get(key_id, 0)
        epochs.append(Epoch(key_id, record.valid_from, record.valid_until, end, state, due, count))
    return sorted(epochs, key=lambda epoch: (epoch.valid_from, epoch.key_id))


def _state(key_id: str, in_force: InForce) -> EpochState:
    if key_id in in_force.shredded:
        return "shredded"
    return "in force" if in_force.require().ring.get(key_id) else "unnamed"


def _cipher(key_id: str, shares: Shares) -> AESGCM:
    derived = HKDF(SHA256(), 32, salt=None, info=f"glomar/v1 epoch {key_id}".encode())
    return AESGCM(derived.derive(b"".join(shares)))

"""Keeps answers unreadable at rest: what the store holds of them is encrypted under a key of the agency.

The agreement asks for it ("answers are kept encrypted"), and a copied store file then tells nobody who was
confirmed. The keys are derived from the agency's sealing keys, so there is no further secret to keep.
"""

import hashlib
import hmac
import os
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from glomar_schemas.errors import IntegrityError

_NONCE_BYTES = 12
_FINGERPRINT_BYTES = 16


class Vault:
    """Encrypts what is stored under one request id; a blob moved to another id does not open.

    Any of the sealing keys reads what one of them wrote, so that they can be rotated.
    """

    def __init__(self, *sealing_keys: EllipticCurvePrivateKey) -> None:
        secrets = [key.private_numbers().private_value.to_bytes(32, "big") for key in sealing_keys]
        derived = [_derive(secret) for secret in secrets]
        self._ciphers = [AESGCM(keys[:32]) for keys in derived]
        self._hmac_keys = [keys[32:] for keys in derived]

    def lock(self, request_id: str, plaintext: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, plaintext, request_id.encode())

    def unlock(self, request_id: str, blob: bytes) -> bytes:
        """Raises IntegrityError: altered, moved, or written under another sealing key."""
        nonce, ciphertext = blob[:_NONCE_BYTES], blob[_NONCE_BYTES:]
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, ciphertext, request_id.encode())
        raise IntegrityError(
            "the stored answer does not open", where="store", fix="Was it written under another sealing key?"
        )

    def fingerprint(self, plaintext: bytes) -> bytes:
        """16 bytes that tell whether two asks are the same, without being guessable from the store."""
        return _fingerprint(self._hmac_keys[0], plaintext)

    def is_of(self, fingerprint: bytes, plaintext: bytes) -> bool:
        """True if one of the keys gave this plaintext that fingerprint."""
        return fingerprint in [_fingerprint(key, plaintext) for key in self._hmac_keys]


def _derive(secret: bytes) -> bytes:
    return HKDF(SHA256(), 64, salt=None, info=b"glomar/v1 requester store").derive(secret)


def _fingerprint(key: bytes, plaintext: bytes) -> bytes:
    return hmac.digest(key, plaintext, hashlib.sha256)[:_FINGERPRINT_BYTES]

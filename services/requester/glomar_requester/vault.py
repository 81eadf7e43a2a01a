"""Keeps answers unreadable at rest: what the store holds of them is encrypted under a key of the agency.

The agreement asks for it ("answers are kept encrypted"), and a copied store file then tells nobody who was
confirmed. The key is derived from the agency's sealing key, so there is no further secret to keep.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from glomar_schemas.errors import IntegrityError

_NONCE_BYTES = 12
_FINGERPRINT_BYTES = 16


class Vault:
    """Encrypts what is stored under one request id; a blob moved to another id does not open."""

    def __init__(self, sealing_key: EllipticCurvePrivateKey) -> None:
        secret = sealing_key.private_numbers().private_value.to_bytes(32, "big")
        derived = HKDF(SHA256(), 64, salt=None, info=b"glomar/v1 requester store").derive(secret)
        self._cipher = AESGCM(derived[:32])
        self._hmac_key = derived[32:]

    def lock(self, request_id: str, plaintext: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, request_id.encode())

    def unlock(self, request_id: str, blob: bytes) -> bytes:
        """Raises IntegrityError: altered, moved, or written under another sealing key."""
        nonce, ciphertext = blob[:_NONCE_BYTES], blob[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, request_id.encode())
        except (InvalidTag, ValueError):
            raise IntegrityError(
                "the stored answer does not open",
                where="store",
                fix="Was it written under another sealing key?",
            ) from None

    def fingerprint(self, plaintext: bytes) -> bytes:
        """16 bytes that tell whether two asks are the same, without being guessable from the store."""
        return hmac.digest(self._hmac_key, plaintext, hashlib.sha256)[:_FINGERPRINT_BYTES]

"""Making and checking Ed25519 signatures (RFC 8032), the most frequent costly step there is.
Called by whoever signs, or must know who signed.

By libsodium, which takes half of OpenSSL's time for it (docs/adr/0021). Keys stay those of `cryptography`.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError


class PrivateKey:
    """A private key, ready to sign."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        _, self._secret = crypto_sign_seed_keypair(private.private_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature alone, 64 bytes; always the same for the same message."""
        return bytes(crypto_sign(message, self._secret)[:crypto_sign_BYTES])


def holds(public: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    """Did that key make this signature of these bytes?"""
    # libsodium takes both as one, so another length would move the border between them.
    if len(signature) != crypto_sign_BYTES:
        return False
    try:
        crypto_sign_open(signature + signed, public.public_bytes_raw())
    except BadSignatureError:
        return False
    return True

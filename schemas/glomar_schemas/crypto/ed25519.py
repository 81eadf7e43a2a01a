"""Makes and checks Ed25519 signatures (RFC 8032).

It uses libsodium, which needs half of OpenSSL's time (docs/adr/0021). Keys stay those of `cryptography`.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError


class PrivateKey:
    """A private key, ready to sign."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        _, self._secret = crypto_sign_seed_keypair(private.private_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 B, the same each time for the same message."""
        return bytes(crypto_sign(message, self._secret)[:crypto_sign_BYTES])


def is_valid(public: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    """True if that key made this signature of these bytes."""
    # libsodium takes signature and message as one text: another length would move the border between them.
    if len(signature) != crypto_sign_BYTES:
        return False
    try:
        crypto_sign_open(signature + signed, public.public_bytes_raw())
    except BadSignatureError:
        return False
    return True

"""Sealing to one reader: HPKE (RFC 9180, P-256, HKDF-SHA256, AES-256-GCM) wraps a fresh AES-256-GCM key.

A batch shares one wrapped key, so the elliptic-curve operation runs once a batch and not once a message.
The HPKE info and the AES associated data bind a ciphertext to its channel, part and request.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.keys import Key
from glomar_schemas.messages import Sealed

Direction = Literal["request", "verdict", "release"]
Part = Literal["particulars", "answer", "tags", "release"]

PARTICULARS_SIZES = (1024, 2048, 4096, 8192, 16384)
ANSWER_SIZES = (1024, 4096, 8192)
TAGS_SIZES = (256,)
RELEASE_SIZES = (10240, 16384, 32768, 40960)
"""Padded plaintext sizes in bytes: the length of a ciphertext reveals only the size class.

They are large enough for any valid Subject, and for a release of a verdict with the largest answer (base64 in
base64), which still fits into a message.
"""

_SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_CACHED_KEYS = 256


class Context(Struct, frozen=True):
    """The channel of a wrapped key. Each message adds its own part and request id."""

    direction: Direction
    agreement: str
    agency: str

    def info(self) -> bytes:
        return f"glomar/v1 {self.direction} {self.agreement} {self.agency}".encode()


def associated_data(part: Part, request_id: str) -> bytes:
    return f"{part} {request_id}".encode()


class Sealer:
    """Seals any number of plaintexts of one batch and one context to one recipient."""

    def __init__(self, recipient: Key, context: Context) -> None:
        if not isinstance(recipient.public, EllipticCurvePublicKey):
            raise Misconfigured("a sealing key must be P-256", where=f"key of {recipient.party}")
        content_key = AESGCM.generate_key(256)
        self._key_id = recipient.id
        self._wrap = _SUITE.encrypt(content_key, recipient.public, info=context.info())
        self._cipher = AESGCM(content_key)

    def seal(self, part: Part, request_id: str, plaintext: bytes, sizes: tuple[int, ...]) -> Sealed:
        """Raises Malformed if the plaintext does not fit the largest size."""
        nonce = os.urandom(12)
        padded = pad(plaintext, sizes)
        ciphertext = self._cipher.encrypt(nonce, padded, associated_data(part, request_id))
        return Sealed(key_id=self._key_id, wrap=self._wrap, nonce=nonce, ciphertext=ciphertext)


class Opener:
    """Opens parts that were sealed to one party. It caches the last unwrapped batch keys."""

    def __init__(self, private_keys: Mapping[str, EllipticCurvePrivateKey]) -> None:
        self._private_keys = private_keys
        self._unwrapped: OrderedDict[tuple[str, bytes, bytes], AESGCM] = OrderedDict()

    def replace_keys(self, private_keys: Mapping[str, EllipticCurvePrivateKey]) -> None:
        """Replaces the private keys, and drops cached keys that another key has unwrapped."""
        self._private_keys = private_keys
        for cached in [cached for cached in self._unwrapped if cached[0] not in private_keys]:
            del self._unwrapped[cached]

    def has_key(self, key_id: str) -> bool:
        return key_id in self._private_keys

    def open(self, sealed: Sealed, context: Context, part: Part, request_id: str) -> bytes:
        """Raises Malformed if the key is not ours, or the ciphertext belongs to another message."""
        try:
            cipher = self._cipher(sealed, context.info())
            padded = cipher.decrypt(sealed.nonce, sealed.ciphertext, associated_data(part, request_id))
        except (InvalidTag, ValueError):
            raise Malformed("does not open with this key for this message", where=part) from None
        return unpad(padded)

    def _cipher(self, sealed: Sealed, info: bytes) -> AESGCM:
        private = self._private_keys.get(sealed.key_id)
        if private is None:
            raise Malformed("sealed to a key that is not held here")
        # With the key id: whether a message opens must not depend on the messages opened before.
        cached = (sealed.key_id, info, sealed.wrap)
        cipher = self._unwrapped.get(cached)
        if cipher is None:
            cipher = AESGCM(_SUITE.decrypt(sealed.wrap, private, info=info))
            self._unwrapped[cached] = cipher
            if len(self._unwrapped) > _CACHED_KEYS:
                self._unwrapped.popitem(last=False)
        return cipher


def pad(plaintext: bytes, sizes: tuple[int, ...]) -> bytes:
    """ISO/IEC 7816-4 padding to the smallest size that fits. Raises Malformed if none does."""
    for size in sizes:
        if len(plaintext) < size:
            return plaintext + b"\x80" + bytes(size - len(plaintext) - 1)
    raise Malformed(f"longer than {sizes[-1] - 1} bytes", where="sealed part")


def unpad(padded: bytes) -> bytes:
    """Removes the padding. Raises Malformed if there is none."""
    body = padded.rstrip(b"\x00")
    if not body.endswith(b"\x80"):
        raise Malformed("bad padding", where="sealed part")
    return body[:-1]

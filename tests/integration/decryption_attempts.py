"""Tries to open sealed particulars with the files of some directories, as a thief of all of them could.

Tries every private key, in any file form, and every wrapped key with each two shares.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
from glomar_runtime.bus.stream import Stored
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Request
from glomar_verifier.epochs.epoch import SHARE_BYTES, WrappedKey, unwrap

PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
P256_PKCS8 = bytes.fromhex("30818702010030130607 2a8648ce3d0201 06082a8648ce3d030107")
P256_PKCS8_BYTES = 138


def opened(requests: Iterable[Stored], *roots: Path) -> set[str]:
    """The subjects of the requests whose particulars open with a file below the roots."""
    keys = list(_private_keys(list(_contents(roots))))
    return {stored.subject for stored in requests if _opens(stored, keys)}


def _contents(roots: Iterable[Path]) -> Iterator[bytes]:
    return (path.read_bytes() for root in roots for path in sorted(root.rglob("*")) if path.is_file())


def _private_keys(contents: list[bytes]) -> Iterator[EllipticCurvePrivateKey]:
    secrets = {content for content in contents if len(content) == SHARE_BYTES}
    wrapped = [found for content in contents if (found := _wrapped(content))]
    for content in contents:
        blocks = [(load_pem_private_key, match[0]) for match in PEM.finditer(content)]
        starts = [match.start() for match in re.finditer(re.escape(P256_PKCS8), content)]
        blocks += [(load_der_private_key, content[at : at + P256_PKCS8_BYTES]) for at in starts]
        for load, block in blocks:
            try:
                key = load(block, None)
            except ValueError:
                continue
            if isinstance(key, EllipticCurvePrivateKey):
                yield key
    for secret in secrets:
        number = int.from_bytes(secret, "big")
        try:
            yield derive_private_key(number, SECP256R1())
        except ValueError:
            continue
    for one in wrapped:
        for shares in [*permutations(secrets, 2), *((secret, secret) for secret in secrets)]:
            try:
                yield unwrap(one, shares)
            except Refused:
                continue


def _wrapped(content: bytes) -> WrappedKey | None:
    try:
        return decode(content, WrappedKey, what="a file")
    except Refused:
        return None


def _opens(stored: Stored, keys: Iterable[EllipticCurvePrivateKey]) -> bool:
    request, _ = open_envelope(stored.body, Request, stored.subject)
    context = Context("request", request.agreement, request.agency)
    for key in keys:
        opener = Opener({request.particulars.key_id: key})
        try:
            opener.open(request.particulars, context, "particulars", request.id)
        except Refused:
            continue
        return True
    return False

"""Adds an official's signature to an agreement's `.sig`, beside those of the others. For `agreement sign`."""

from pathlib import Path

import msgspec
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.crypto.dsse import AGREEMENT_TYPE, Signature, Signer
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Misconfigured, Refused
from glomar_schemas.files import replace

Signatures = tuple[Signature, ...]


def add_signature(file: Path, signer: Signer) -> Signatures:
    """-> all signatures of it now. It is read first: what is no agreement is not signed.

    Raises Misconfigured (unreadable), Malformed, Refused for a key that has signed already.
    """
    raw, beside = _read(file), file.with_name(f"{file.name}.sig")
    parse_agreement(raw, where=str(file))
    before = decode(_read(beside), Signatures, what=str(beside)) if beside.exists() else ()
    if signer.key_id in (each.keyid for each in before):
        raise Refused("this key has signed it already", where=str(beside))
    signed = (*before, signer.sign(AGREEMENT_TYPE, raw))
    replace(beside, msgspec.json.encode(signed), mode=0o644)
    return signed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None

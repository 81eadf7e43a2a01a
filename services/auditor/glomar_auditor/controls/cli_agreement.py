"""`glomar-auditor agreement sign`: adds an official's signature to an agreement's `.sig` file."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.crypto.dsse import AGREEMENT_TYPE, Signature, Signer
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Misconfigured, Refused
from glomar_schemas.files import replace
from glomar_schemas.keys import read_signing_key

app = App("agreement", help="Signatures of officials under an agreement's file.")

Signatures = tuple[Signature, ...]


@app.command
def sign(
    file: Annotated[
        Path, Parameter(help="the agreement's version; the signatures are beside it, in FILE.sig")
    ],
    *,
    key: Annotated[Path, Parameter(help="the official's private key, PEM, of mode 0600")],
    as_json: Annotated[bool, Parameter("--json", help="print JSON")] = False,
) -> None:
    """Add one official's signature. Read it first, with `glomar-verifier agreement check`."""
    key_ids = [each.keyid for each in add_signature(file, Signer(read_signing_key(key)))]
    if as_json:
        print(json.dumps({"version": 1, "file": str(file), "signed_by": key_ids}))
    else:
        print(f"{file}.sig: {len(key_ids)} signed, the last with key {key_ids[-1]}")


def add_signature(file: Path, signer: Signer) -> Signatures:
    """-> all signatures of the agreement. It is decoded first: a file that is no agreement is not signed.

    Raises Misconfigured (unreadable), Malformed, Refused for a key that has signed already.
    """
    raw, signature_file = _read(file), file.with_name(f"{file.name}.sig")
    parse_agreement(raw, where=str(file))
    before: Signatures = ()
    if signature_file.exists():
        before = decode(_read(signature_file), Signatures, what=str(signature_file))
    if signer.key_id in (each.keyid for each in before):
        raise Refused("this key has signed it already", where=str(signature_file))
    signatures = (*before, signer.sign(AGREEMENT_TYPE, raw))
    replace(signature_file, msgspec.json.encode(signatures), mode=0o644)
    return signatures


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None

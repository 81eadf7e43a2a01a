"""The file that travels between officials: the DSSE envelope of a control, at first without signatures."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from glomar_schemas import files
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import Envelope, Signature, Signer, open_envelope, payload_type, signers
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Refused, Untrusted
from glomar_schemas.keys import OFFICIAL
from glomar_schemas.messages import Control, encode
from glomar_schemas.subjects import Subjects
from msgspec import Meta, Struct


class Draft(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}
):
    """An envelope that may have no signature yet."""

    payload: bytes
    payload_type: Annotated[str, Meta(max_length=100)]
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=8)] = ()

    @property
    def body(self) -> bytes:
        """The message body, as `publish` stores it."""
        return encode(
            Envelope(payload=self.payload, payload_type=self.payload_type, signatures=self.signatures)
        )


def from_control(control: Control) -> Draft:
    """Raises Malformed, naming the field, for a control that every reader would refuse."""
    payload = encode(control)
    decode(payload, Control, what="the control")
    return Draft(payload=payload, payload_type=payload_type(Control))


def agreement_digest(draft: Draft) -> str:
    """The digest of the agreement's version that the control names. Raises Malformed."""
    return decode(draft.payload, Control, what="the control").agreement_digest


def open_draft(draft: Draft, signed: SignedAgreement, at: datetime) -> tuple[Control, frozenset[str]]:
    """The control, and the parties whose officials have signed it so far.

    Raises Malformed if it is no control of this agreement; Untrusted if a signature is not valid, for example
    because the file was altered.
    """
    if draft.payload_type != payload_type(Control):
        raise Malformed("no control", where="payloadType")
    control = decode(draft.payload, Control, what="the control")
    if control.agreement != signed.agreement.id:
        raise Malformed("it belongs to another agreement", where="the control")
    if control.subject != Subjects(control.agreement).control(control.slot):
        raise Malformed("its subject is not that of its slot", where="the control")
    if not draft.signatures:
        return control, frozenset()
    _, envelope = open_envelope(draft.body, Control, control.subject)
    try:
        return control, signers(envelope, signed.ring, at, uses=OFFICIAL)
    except Untrusted as fault:
        raise Untrusted(fault.what, fix="Was it altered after it was signed? Draft it again") from None


def add_signature(draft: Draft, signer: Signer, signed: SignedAgreement, at: datetime) -> Draft:
    """Raises Refused for a key that has signed already, or that is not an official's at that moment."""
    open_draft(draft, signed, at)
    signed.ring.signer(signer.key_id, at, OFFICIAL)
    if signer.key_id in (each.keyid for each in draft.signatures):
        raise Refused("this key has signed it already", fix="It needs an official of another party")
    signature = signer.sign(draft.payload_type, draft.payload)
    return msgspec.structs.replace(draft, signatures=(*draft.signatures, signature))


def read(path: Path) -> Draft:
    """Raises Misconfigured (unreadable), Malformed."""
    return decode(files.read(path), Draft, what=str(path))


def create(path: Path, content: Draft) -> None:
    """Raises Misconfigured if there is a file: it may be signed already."""
    files.create(path, _text(content), mode=0o644)


def replace(path: Path, content: Draft) -> None:
    """Atomic: a reader never sees half of a file. Raises Misconfigured."""
    files.replace(path, _text(content), mode=0o644)


def _text(content: Draft) -> bytes:
    return msgspec.json.format(encode(content), indent=2) + b"\n"

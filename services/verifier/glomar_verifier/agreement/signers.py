"""Who signed an agreement, and whether each signature is valid. Pure.

Loading an agreement requires valid signatures (`load_agreement`); this reports the state of each.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from glomar_schemas.agreement.model import Agreement, Trust
from glomar_schemas.crypto.dsse import AGREEMENT_TYPE, Signature, pre_authentication
from glomar_schemas.keys import key_id, parse_public
from msgspec import Struct

HOLDS = "holds"


class SignatureStatus(Struct, frozen=True):
    """party: "" for an unknown key. state: `holds`, or what is wrong with the signature."""

    party: str
    office: str
    key: str
    state: str

    @property
    def is_unsound(self) -> bool:
        return self.state != HOLDS


def signature_statuses(
    raw: bytes, agreement: Agreement, signatures: tuple[Signature, ...], trust: Trust | None
) -> list[SignatureStatus]:
    """By the keys in the trust file; without one by those in the agreement, which is weaker evidence."""
    officials = trust.officials if trust else _own_officials(agreement)
    by_id = {key_id(key): (party, key) for party, key in officials.items()}
    found = []
    for signature in signatures:
        party, key = by_id.get(signature.keyid, ("", None))
        state = _state(raw, signature, key) if key else f"its key is in no {_source(trust)}"
        found.append(SignatureStatus(party, _office(agreement, party), signature.keyid, state))
    signed = {status.party for status in found}
    for party in (agreement.holder, *agreement.requesters):
        if party not in signed:
            state = "has not signed" if party in officials else f"has no official in the {_source(trust)}"
            found.append(SignatureStatus(party, _office(agreement, party), "", state))
    return found


def _source(trust: Trust | None) -> str:
    return "trust file" if trust else "[[keys]] table of the file"


def _own_officials(agreement: Agreement) -> dict[str, Ed25519PublicKey]:
    found = {}
    for record in agreement.keys:
        key = parse_public(record.public, where="keys")
        if record.use == "official" and isinstance(key, Ed25519PublicKey):
            found[record.party] = key
    return found


def _office(agreement: Agreement, party: str) -> str:
    return agreement.parties[party].signatory if party in agreement.parties else ""


def _state(raw: bytes, signature: Signature, key: Ed25519PublicKey) -> str:
    try:
        key.verify(signature.sig, pre_authentication(AGREEMENT_TYPE, raw))
    except InvalidSignature:
        return "does not match the file: it was altered after signing"
    return HOLDS

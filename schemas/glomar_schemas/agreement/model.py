"""The agreement as data: a TOML file that both parties signed, and what it allows. Called by every service.

Who vouches for its keys: the signatures are checked against the officials' keys that each party pinned for
itself (its trust file), never against keys that the file itself brings.
"""

import hashlib
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from glomar_schemas.crypto import ed25519
from glomar_schemas.crypto.dsse import AGREEMENT_TYPE, Signature, Signer, pre_authentication
from glomar_schemas.crypto.sealing import ANSWER_SIZES
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Misconfigured, Untrusted
from glomar_schemas.keys import KeyRecord, KeyRing, key_id, parse_public
from glomar_schemas.messages import Answer, Line, Moment, Officer, Refusal, Short, Text, Token, encode

T = TypeVar("T")

Count = Annotated[int, Meta(ge=0)]
NonBlankLine = Annotated[str, Meta(min_length=1, max_length=200)]
"""A line that may not be left blank: whoever is refused reads it."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: a field that the contract does not know is a mistake, not a comment."""


class Party(_Table, frozen=True, kw_only=True):
    name: Line
    signatory: Annotated[Line, Meta(description="the office that signed")]
    contact: Line


class Delegation(_Table, frozen=True, kw_only=True):
    """Who may authorise requests in the agency head's stead, and when."""

    id: Short
    agency: Token
    office: Line
    valid_from: date
    valid_until: Annotated[date, Meta(description="last day on which it counts")]


class Safeguards(_Table, frozen=True, kw_only=True):
    """The recipient's certificate under 26 U.S.C. 6103(p)(4), and the AI notifications on file."""

    agency: Token
    certificate: Short
    valid_until: Annotated[date, Meta(description="last day on which it counts")]
    analysis_notifications: tuple[Short, ...] = ()


class Allowed(_Table, frozen=True, kw_only=True):
    """What may be asked, and for what."""

    grounds: dict[Short, Line]
    statutes: dict[Short, tuple[Short, ...]]
    """ground -> the statutes that it may rest on."""
    intended_uses: dict[Short, Line]
    jurisdictions: tuple[Short, ...]
    earliest_tax_year: Annotated[int, Meta(ge=1900, le=2200)]
    removal_classes: tuple[Short, ...] = ()
    """Empty where the agreement is not about removal."""


class Limits(_Table, frozen=True, kw_only=True):
    """Numbers that the conditions refer to: of one agency, within the window, refused attempts included.

    An agreement that has no such limit leaves it out, and its condition as well.
    """

    days_after_order: Count | None = None
    """None where no clock runs from an order; a condition that counts on it then fails."""
    reason_min_characters: Count
    window_days: Count
    same_reason_people: Count
    """People about whom one and the same reason may be given."""
    open_cases_per_officer: Count
    addresses_per_name: Count | None = None
    """Addresses at which somebody of one name may be asked for."""
    people_per_address: Count | None = None
    """Names for which may be asked at one address."""
    requests_per_officer: Count | None = None
    requests_per_case: Count | None = None
    requests_per_day: Count | None = None
    """Of the agency, on one calendar day."""
    addresses_per_person: Count | None = None
    """Addresses at which one person of the register may be looked up, under whatever spelling of the name.
    No condition: whoever asks for more is told `deny`, as for somebody who is not there."""


class Retention(_Table, frozen=True, kw_only=True):
    audit_years: Count
    particulars_days: Count
    answer_days: Count


class Example(_Table, frozen=True, kw_only=True):
    """A lawful request, decided at `now`: the fields of a Request and a Subject, but for what is sealed.

    facts: what the record holder knows about it that follows from no list in this file.
    """

    now: Moment
    request: dict[str, object]
    particulars: dict[str, object]
    facts: dict[str, object] = {}


class Condition(_Table, frozen=True, kw_only=True):
    """One legal element: `holds` is CEL over request, particulars, agreement, facts, now and today."""

    id: Annotated[str, Meta(pattern=r"^L[0-9]{1,2}[a-z]?\Z")]
    name: NonBlankLine
    citation: NonBlankLine
    holds: Text
    refusal: NonBlankLine
    accepted: dict[str, object] = {}
    """An example that passes: dotted field names -> values laid over the agreement's example."""
    refused: dict[str, object] = {}
    """An example that fails this condition and no other."""


class Agreement(_Table, frozen=True, kw_only=True):
    """The whole file."""

    id: Token
    version: Annotated[int, Meta(ge=1)]
    title: Line
    authority: Line
    valid_from: Moment
    valid_until: Moment
    time_zone: Short
    address_form: Literal["us", "au"] = "us"
    holder: Token
    oversight: Token
    requesters: Annotated[tuple[Token, ...], Meta(min_length=1)]
    parties: dict[Token, Party]
    allowed: Allowed
    limits: Limits
    retention: Retention
    safeguards: tuple[Safeguards, ...]
    delegations: tuple[Delegation, ...]
    officers: tuple[Officer, ...]
    handling: tuple[Text, ...] = ()
    redactions: tuple[Line, ...] = ()
    """Values that the public version leaves out, as in `parties.x.contact` or `handling[3]`."""
    example: Example | None = None
    conditions: Annotated[tuple[Condition, ...], Meta(min_length=1)]
    keys: tuple[KeyRecord, ...] = ()


class SignedAgreement(Struct, frozen=True):
    """An agreement whose signatures were checked; `digest` is the SHA-256 of the file, in hex."""

    agreement: Agreement
    digest: str
    ring: KeyRing

    def require_in_force(self, now: datetime) -> None:
        """Raises Untrusted before its first and after its last moment."""
        if not self.agreement.valid_from <= now < self.agreement.valid_until:
            raise Untrusted(
                "the agreement is not in force now",
                where=self.agreement.id,
                fix=f"It runs from {self.agreement.valid_from} to {self.agreement.valid_until}",
            )


class Trust(Struct, frozen=True):
    """A trust file: party -> base64 public key of its official, pinned by the reader's own organisation."""

    officials: dict[str, Ed25519PublicKey]


def parse_agreement(raw: bytes, *, where: str) -> Agreement:
    """TOML -> Agreement. Raises Malformed naming the line or the field."""
    agreement = _from_toml(raw, Agreement, where)
    roles = (agreement.holder, agreement.oversight, *agreement.requesters)
    for party in roles:
        if party not in agreement.parties:
            raise Malformed(f"no [parties.{party}] table", where=where)
    if len(set(roles)) != len(roles):
        raise Malformed("one party has two roles; each watches the others", where=where)
    ids = [condition.id for condition in agreement.conditions]
    if len(set(ids)) != len(ids):
        raise Malformed("two conditions have the same id", where=where)
    _require_that_refusals_fit(agreement, where)
    return agreement


def load_agreement(path: Path, trust: Trust) -> SignedAgreement:
    """Reads the file and its `.sig`; the holder and every requester must have signed exactly these bytes.

    Raises Misconfigured (unreadable), Malformed (not an agreement), Untrusted (a signature is missing or
    does not hold).
    """
    raw, signatures = _read(path), _read(path.with_name(path.name + ".sig"))
    agreement = parse_agreement(raw, where=str(path))
    signed = decode(signatures, tuple[Signature, ...], what=f"{path}.sig")
    for party in (agreement.holder, *agreement.requesters):
        _require_signature(party, raw, signed, trust, str(path))
    return SignedAgreement(agreement, hashlib.sha256(raw).hexdigest(), KeyRing(agreement.keys))


def sign_agreement(raw: bytes, signers: list[Signer]) -> bytes:
    """The content of the `.sig` file: a JSON list of DSSE signatures over the file's bytes."""
    return msgspec.json.encode([signer.sign(AGREEMENT_TYPE, raw) for signer in signers])


def load_trust(path: Path) -> Trust:
    """Reads a trust file. Raises Misconfigured or Malformed."""
    officials: dict[str, Ed25519PublicKey] = {}
    for party, text in _from_toml(_read(path), dict[str, str], str(path)).items():
        key = parse_public(text, where=f"{path}: {party}")
        if not isinstance(key, Ed25519PublicKey):
            raise Misconfigured("an official's key must be Ed25519", where=f"{path}: {party}")
        if key_id(key) in map(key_id, officials.values()):
            raise Misconfigured("the same key as another party's official", where=f"{path}: {party}")
        officials[party] = key
    return Trust(officials)


def _require_that_refusals_fit(agreement: Agreement, where: str) -> None:
    """A request that fails every condition must be answerable, or it could never get its verdict."""
    refusals = tuple(
        Refusal(condition=condition.id, citation=condition.citation, message=condition.refusal)
        for condition in agreement.conditions
    )
    answer = Answer(outcome="deny", record_consulted=False, refusals=refusals, salt=bytes(16))
    if len(encode(answer)) >= ANSWER_SIZES[-1]:
        raise Malformed(
            f"all refusals together are longer than an answer ({ANSWER_SIZES[-1]} bytes)", where=where
        )


def _require_signature(
    party: str, raw: bytes, signatures: tuple[Signature, ...], trust: Trust, where: str
) -> None:
    official = trust.officials.get(party)
    if official is None:
        raise Untrusted(f"the trust file names no official of {party}", where=where)
    wanted = key_id(official)
    signature = next((signature for signature in signatures if signature.keyid == wanted), None)
    if signature is None:
        raise Untrusted(f"not signed by the official of {party}", where=where, fix="Nothing is answered")
    if not ed25519.holds(official, signature.sig, pre_authentication(AGREEMENT_TYPE, raw)):
        raise Untrusted(
            f"the signature of {party} does not fit the file", where=where, fix="It was altered after signing"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None


def _from_toml(raw: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), kind)
    except UnicodeDecodeError:
        raise Malformed("not UTF-8", where=where) from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Malformed(str(error), where=where) from None
    except RecursionError:
        raise Malformed("nested too deeply", where=where) from None

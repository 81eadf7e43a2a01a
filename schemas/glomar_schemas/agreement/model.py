"""The agreement: a TOML file that the parties signed, and what it allows.

Its signatures are checked against the officials' keys that each party has pinned in its own trust file, never
against keys in the agreement itself.
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
from glomar_schemas.files import read
from glomar_schemas.keys import KeyRecord, KeyRing, key_id, parse_public
from glomar_schemas.messages import Answer, Line, Moment, Officer, Refusal, Short, Text, Token, encode

T = TypeVar("T")

Count = Annotated[int, Meta(ge=0)]
NonBlankLine = Annotated[str, Meta(min_length=1, max_length=200)]
"""A line that must not be blank: a refused requester reads it."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. An unknown field is an error."""


class Party(_Table, frozen=True, kw_only=True):
    name: Line
    signatory: Annotated[Line, Meta(description="the office that signed")]
    contact: Line


class Delegation(_Table, frozen=True, kw_only=True):
    """The office that may authorise requests for the head of the agency, and from when until when."""

    id: Short
    agency: Token
    office: Line
    valid_from: date
    valid_until: Annotated[date, Meta(description="the last valid day")]


class Safeguards(_Table, frozen=True, kw_only=True):
    """The recipient's certificate under 26 U.S.C. 6103(p)(4), and the AI notifications on file."""

    agency: Token
    certificate: Short
    valid_until: Annotated[date, Meta(description="the last valid day")]
    analysis_notifications: tuple[Short, ...] = ()


class Allowed(_Table, frozen=True, kw_only=True):
    """Which requests the agreement allows."""

    grounds: dict[Short, Line]
    statutes: dict[Short, tuple[Short, ...]]
    """ground -> the statutes that may support it."""
    intended_uses: dict[Short, Line]
    jurisdictions: tuple[Short, ...]
    earliest_tax_year: Annotated[int, Meta(ge=1900, le=2200)]
    removal_classes: tuple[Short, ...] = ()
    """Empty if the agreement is not about removal."""


class Limits(_Table, frozen=True, kw_only=True):
    """Numbers that the conditions use: counted for one agency within the window, refused requests included.

    An agreement without such a limit omits the field and its condition.
    """

    days_after_order: Count | None = None
    """None if no period starts with an order; a condition that uses it then fails."""
    reason_min_characters: Count
    window_days: Count
    same_reason_people: Count
    """People for whom an agency may give the same reason."""
    open_cases_per_officer: Count
    addresses_per_name: Count | None = None
    """Addresses that may be requested for one name."""
    people_per_address: Count | None = None
    """Names that may be requested for one address."""
    requests_per_officer: Count | None = None
    requests_per_case: Count | None = None
    requests_per_day: Count | None = None
    """Of the agency, on one calendar day."""
    addresses_per_person: Count | None = None
    """Addresses that may be requested for one person of the register, over all spellings of the name.
    Not a condition: requests above it are answered `deny`, as for a person who is not in the register."""


class Retention(_Table, frozen=True, kw_only=True):
    audit_years: Count
    particulars_days: Count
    answer_days: Count


class Example(_Table, frozen=True, kw_only=True):
    """A lawful request, decided at `now`: the fields of a Request and of a Subject, without the sealed ones.

    facts: facts of the record holder that do not follow from this file.
    """

    now: Moment
    request: dict[str, object]
    particulars: dict[str, object]
    facts: dict[str, object] = {}


class Condition(_Table, frozen=True, kw_only=True):
    """One legal element. `holds` is CEL over request, particulars, agreement, facts, now and today."""

    id: Annotated[str, Meta(pattern=r"^L[0-9]{1,2}[a-z]?\Z")]
    name: NonBlankLine
    citation: NonBlankLine
    holds: Text
    refusal: NonBlankLine
    accepted: dict[str, object] = {}
    """An example that passes: dotted field names -> values that replace those of the agreement's example."""
    refused: dict[str, object] = {}
    """An example that fails only this condition."""


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
    """Values that the public version omits, such as `parties.x.contact` or `handling[3]`."""
    example: Example | None = None
    conditions: Annotated[tuple[Condition, ...], Meta(min_length=1)]
    keys: tuple[KeyRecord, ...] = ()


class SignedAgreement(Struct, frozen=True):
    """An agreement with valid signatures. digest: SHA-256 of the file, lower-case hex."""

    agreement: Agreement
    digest: str
    ring: KeyRing

    def require_in_force(self, now: datetime) -> None:
        """Raises Untrusted before `valid_from` and from `valid_until` on."""
        if not self.agreement.valid_from <= now < self.agreement.valid_until:
            raise Untrusted(
                "the agreement is not in force now",
                where=self.agreement.id,
                fix=f"It is in force from {self.agreement.valid_from} to {self.agreement.valid_until}",
            )


class Trust(Struct, frozen=True):
    """A trust file: party -> public key of its official, pinned by the reader's own organisation."""

    officials: dict[str, Ed25519PublicKey]


def parse_agreement(raw: bytes, *, where: str) -> Agreement:
    """TOML -> Agreement. Raises Malformed naming the line or the field."""
    agreement = _from_toml(raw, Agreement, where)
    roles = (agreement.holder, agreement.oversight, *agreement.requesters)
    for party in roles:
        if party not in agreement.parties:
            raise Malformed(f"no [parties.{party}] table", where=where)
    if len(set(roles)) != len(roles):
        raise Malformed("one party has two roles; each role needs its own party", where=where)
    ids = [condition.id for condition in agreement.conditions]
    if len(set(ids)) != len(ids):
        raise Malformed("two conditions have the same id", where=where)
    _require_that_refusals_fit(agreement, where)
    return agreement


def load_agreement(path: Path, trust: Trust) -> SignedAgreement:
    """Reads the file and its `.sig`. The holder and every requester must have signed exactly these bytes.

    Raises Misconfigured (unreadable), Malformed (not an agreement), Untrusted (a signature is missing or
    invalid).
    """
    raw, signatures = read(path), read(path.with_name(path.name + ".sig"))
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
    for party, text in _from_toml(read(path), dict[str, str], str(path)).items():
        key = parse_public(text, where=f"{path}: {party}")
        if not isinstance(key, Ed25519PublicKey):
            raise Misconfigured("an official's key must be Ed25519", where=f"{path}: {party}")
        if key_id(key) in map(key_id, officials.values()):
            raise Misconfigured("the same key as another party's official", where=f"{path}: {party}")
        officials[party] = key
    return Trust(officials)


def _require_that_refusals_fit(agreement: Agreement, where: str) -> None:
    """Raises Malformed if all refusals together do not fit into an answer: a request that fails every
    condition would never get a verdict.
    """
    refusals = tuple(
        Refusal(condition=condition.id, citation=condition.citation, message=condition.refusal)
        for condition in agreement.conditions
    )
    answer = Answer(outcome="deny", record_consulted=False, refusals=refusals, salt=bytes(16))
    if len(encode(answer)) >= ANSWER_SIZES[-1]:
        raise Malformed(
            f"all refusals together are longer than an answer may be ({ANSWER_SIZES[-1]} bytes)", where=where
        )


def _require_signature(
    party: str, raw: bytes, signatures: tuple[Signature, ...], trust: Trust, where: str
) -> None:
    official = trust.officials.get(party)
    if official is None:
        raise Untrusted(f"the trust file names no official of {party}", where=where)
    official_id = key_id(official)
    signature = next((signature for signature in signatures if signature.keyid == official_id), None)
    if signature is None:
        raise Untrusted(
            f"not signed by the official of {party}",
            where=where,
            fix="Requests are answered only under a signed agreement",
        )
    if not ed25519.is_valid(official, signature.sig, pre_authentication(AGREEMENT_TYPE, raw)):
        raise Untrusted(
            f"the signature of {party} does not match the file",
            where=where,
            fix="It was altered after signing",
        )


def _from_toml(raw: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), kind)
    except UnicodeDecodeError:
        raise Malformed("not UTF-8", where=where) from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Malformed(str(error), where=where) from None
    except RecursionError:
        raise Malformed("nested too deeply", where=where) from None

"""One fixed example of each object of the contract: keys, messages, a log.

Everything is synthetic and public: these private keys protect nothing and must never be deployed.
"""

import hashlib
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.keys import KeyRecord, KeyRing, KeyUse, key_id, public_text
from glomar_schemas.messages import Answer, Control, Officer, Request, Sealed, Subject, Tags, Verdict
from glomar_schemas.subjects import Subjects

REQUESTER, HOLDER, OVERSIGHT = "ice", "irs", "tigta"
AGREEMENT = "irs-ice-2025"
SUBJECTS = Subjects(AGREEMENT)
REQUEST_ID = "0199c3f2-6a00-7b1d-8c55-3f0a6d2e9b74"
OTHER_ID = "0199c3f2-6a01-7e02-9a41-77c1d0b5e386"

VALID_FROM = datetime(2025, 4, 7, tzinfo=UTC)
VALID_UNTIL = datetime(2027, 4, 7, tzinfo=UTC)
NOW = datetime(2025, 10, 8, 14, 30, tzinfo=UTC)

TO_HOLDER = Context("request", AGREEMENT, REQUESTER)
TO_AUDITOR = Context("verdict", AGREEMENT, REQUESTER)
TO_AGENCY = Context("release", AGREEMENT, REQUESTER)


def digest(text: str) -> bytes:
    return hashlib.sha256(f"glomar test vector: {text}".encode()).digest()


def signing_key(party: str, use: KeyUse = "sign") -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(digest(f"{party} {use}"))


def sealing_key(party: str) -> EllipticCurvePrivateKey:
    # Half the digest: always below the order of the curve.
    return derive_private_key(int.from_bytes(digest(f"{party} seal")[:16], "big"), SECP256R1())


def signer(party: str, use: KeyUse = "sign") -> Signer:
    return Signer(signing_key(party, use))


def opener(party: str) -> Opener:
    private = sealing_key(party)
    return Opener({key_id(private.public_key()): private})


PRIVATE_KEYS: dict[tuple[str, KeyUse], Ed25519PrivateKey | EllipticCurvePrivateKey] = {
    (REQUESTER, "sign"): signing_key(REQUESTER),
    (REQUESTER, "seal"): sealing_key(REQUESTER),
    (REQUESTER, "official"): signing_key(REQUESTER, "official"),
    (HOLDER, "sign"): signing_key(HOLDER),
    (HOLDER, "seal"): sealing_key(HOLDER),
    (HOLDER, "official"): signing_key(HOLDER, "official"),
    (OVERSIGHT, "sign"): signing_key(OVERSIGHT),
    (OVERSIGHT, "seal"): sealing_key(OVERSIGHT),
    (OVERSIGHT, "ledger"): signing_key(OVERSIGHT, "ledger"),
}

RECORDS = tuple(
    KeyRecord(
        party=party,
        use=use,
        public=public_text(private.public_key()),
        valid_from=VALID_FROM,
        valid_until=VALID_UNTIL,
    )
    for (party, use), private in PRIVATE_KEYS.items()
)
RING = KeyRing(RECORDS)

AGREEMENT_DIGEST = digest("agreement").hex()

PERSON = Subject(
    first_name="Marisol",
    last_name="Quandt-Ferreira",
    date_of_birth=date(1984, 2, 29),
    street_number="1180",
    street_name="Tamarack Ridge Rd",
    unit="Apt 4",
    city="Duluth",
    state="MN",
    zip="55811",
    reason="Synthetic example: the order was served in person and no departure has been recorded since.",
    case_id="EX-2025-000017",
    final_order_date=date(2025, 5, 2),
    removal_class="1227(a)(1)",
    relief_pending=False,
    wilfulness_attested=True,
)
CONFIRMED = Answer(outcome="confirm", record_consulted=True, salt=digest("salt")[:16])
TAGS = Tags(
    person=digest("person tag").hex(), reason=digest("reason tag").hex(), case=digest("case tag").hex()
)
PLACEHOLDER = Sealed(key_id="0" * 32, wrap=bytes(113), nonce=bytes(12), ciphertext=bytes(1040))


def request(particulars: Sealed = PLACEHOLDER, request_id: str = REQUEST_ID) -> Request:
    return Request(
        id=request_id,
        subject=SUBJECTS.request(REQUESTER, request_id),
        agreement=AGREEMENT,
        agreement_digest=AGREEMENT_DIGEST,
        agency=REQUESTER,
        officer=Officer(id="officer-2291", unit="Unit 7"),
        authorised_by="delegation-3",
        jurisdiction="US-MN",
        ground="failure-to-depart",
        statute="8 U.S.C. 1253(a)(1)(A)",
        tax_periods=(2022, 2023),
        intended_use="criminal-investigation",
        automated_analysis=False,
        issued_at=NOW,
        expires_at=datetime(2025, 10, 22, 14, 30, tzinfo=UTC),
        particulars=particulars,
    )


def verdict(
    request_body: bytes, answer_json: bytes, answer: Sealed = PLACEHOLDER, tags: Sealed = PLACEHOLDER
) -> Verdict:
    return Verdict(
        request_id=REQUEST_ID,
        subject=SUBJECTS.verdict(REQUESTER, REQUEST_ID),
        request_digest=hashlib.sha256(request_body).hexdigest(),
        agreement_digest=AGREEMENT_DIGEST,
        control_n=1,
        decided_at=datetime(2025, 10, 8, 14, 30, 5, tzinfo=UTC),
        verifier="glomar-verifier 0.1.0",
        answer_digest=hashlib.sha256(answer_json).hexdigest(),
        answer=answer,
        tags=tags,
    )


def control() -> Control:
    return Control(
        slot=1,
        subject=SUBJECTS.control(1),
        agreement=AGREEMENT,
        action="agreement",
        agreement_digest=AGREEMENT_DIGEST,
        authority="Memorandum of understanding, section 4",
        reason="First version",
        issued_at=VALID_FROM,
    )

"""The messages of the bus, as frozen tagged Structs.

On the wire bytes are base64 (RFC 4648), times RFC 3339 with an offset, dates ISO 8601. Constructors do not
validate; `decoding.decode` does. PROTOCOL.md says who signs, seals and publishes each message.
"""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from glomar_schemas.keys import KeyId, KeyRecord
from glomar_schemas.subjects import FIRST_YEAR, LAST_YEAR

Token = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
RequestId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z", description="UUIDv7 of the requester")]
VerdictToken = Annotated[
    str,
    Meta(
        pattern=r"^(?:[0-9A-Za-z_-]{1,64}|~[0-9]{1,20})\Z",
        description="the request's id; ~ and its sequence if the last token of its subject is not an id",
    ),
]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="SHA-256, lower-case hex")]
Short = Annotated[str, Meta(max_length=100)]
Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Moment = Annotated[datetime, Meta(tz=True)]
Year = Annotated[int, Meta(ge=FIRST_YEAR, le=LAST_YEAR)]
Sequence = Annotated[int, Meta(ge=1, le=2**53 - 1)]
"""Up to 2**53 - 1, the largest integer that every JSON reader keeps exactly."""
Slot = Sequence
Tag = Annotated[str, Meta(pattern=r"^[0-9a-f]{0,64}\Z", description="HMAC-SHA256, lower-case hex")]
Cause = Literal["wrong-match", "record-corrected", "unlawful-request", "court-order", "other"]
"""Why a verdict is recalled."""
Scope = Annotated[
    str,
    Meta(
        pattern=r"^(all|agency:[a-z0-9][a-z0-9-]{0,62}|jurisdiction:.{1,100}|person:[0-9a-f]{64})\Z",
        description="all | agency:X | jurisdiction:Y | person:TAG",
    ),
]


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all messages: frozen, a `type` field with the message's name, no unknown fields."""


class Sealed(Message, frozen=True, kw_only=True, tag="sealed"):
    """A padded plaintext under AES-256-GCM. Its key is wrapped to `key_id` by HPKE (RFC 9180)."""

    key_id: KeyId
    wrap: Annotated[
        bytes, Meta(min_length=113, max_length=113, description="HPKE enc (65) + sealed key (48)")
    ]
    nonce: Annotated[bytes, Meta(min_length=12, max_length=12)]
    ciphertext: bytes


class Officer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The official personally and directly engaged (26 U.S.C. 6103(i)(2)(A))."""

    id: Short
    unit: Short = ""


class Request(Message, frozen=True, kw_only=True, tag="request"):
    """One request. The clear fields state its legal basis; `particulars` is the sealed Subject."""

    id: RequestId
    subject: Line
    agreement: Token
    agreement_digest: Sha256
    agency: Token
    officer: Officer
    authorised_by: Annotated[Short, Meta(description="delegation id")]
    jurisdiction: Short
    ground: Short
    statute: Short
    tax_periods: Annotated[tuple[Year, ...], Meta(max_length=50)]
    intended_use: Short
    automated_analysis: Annotated[
        bool | Short,
        Meta(description="false, or the id of the safeguards notification; true if there is none"),
    ]
    issued_at: Moment
    expires_at: Moment
    particulars: Sealed


class Person(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name, birth date and address of the person who is asked about. "" or null: not given."""

    first_name: Short = ""
    middle_name: Short = ""
    last_name: Short = ""
    suffix: Short = ""
    date_of_birth: date | None = None
    street_number: Short = ""
    street_name: Line = ""
    unit: Short = ""
    po_box: Short = ""
    urbanization: Annotated[
        Short | UnsetType,
        Meta(description="of a Puerto Rican address (USPS Publication 28, section 292); absent: not given"),
    ] = UNSET
    city: Short = ""
    state: Short = ""
    zip: Short = ""


class Subject(Person, Message, frozen=True, kw_only=True, tag="subject"):
    """The particulars of the person, which only the record holder can read. "" or null: not given."""

    reason: Text = ""
    case_id: Short = ""
    final_order_date: date | None = None
    court_order_date: date | None = None
    removal_class: Short = ""
    relief_pending: bool | None = None
    wilfulness_attested: bool | None = None


class Refusal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One condition of the agreement that did not hold."""

    condition: Short
    citation: Line
    message: Line


class Answer(Message, frozen=True, kw_only=True, tag="answer"):
    """The answer to the requester. `refusals` is empty if a record was consulted."""

    outcome: Literal["confirm", "deny"]
    record_consulted: bool
    refusals: tuple[Refusal, ...] = ()
    salt: Annotated[
        bytes, Meta(min_length=16, max_length=16, description="random, so that nobody can guess the digest")
    ]


class Tags(Message, frozen=True, kw_only=True, tag="tags"):
    """HMACs under the holder's key: oversight counts by them, without names. "" if it was unreadable."""

    person: Tag = ""
    reason: Tag = ""
    case: Tag = ""


class Verdict(Message, frozen=True, kw_only=True, tag="verdict"):
    """The decision on one request. `answer` (an Answer) and `tags` (Tags) are sealed to the auditor."""

    request_id: VerdictToken
    subject: Line
    request_digest: Annotated[Sha256, Meta(description="of the request's body as stored")]
    agreement_digest: Sha256
    control_n: Annotated[Slot, Meta(description="the last control slot that the verifier had applied")]
    decided_at: Moment
    verifier: Line
    answer_digest: Annotated[Sha256, Meta(description="of the Answer's JSON before padding")]
    answer: Sealed
    tags: Sealed


class Control(Message, frozen=True, kw_only=True, tag="control"):
    """One slot of the control sequence. It takes effect from the next stream sequence on."""

    slot: Slot
    subject: Line
    agreement: Token
    action: Literal["agreement", "hold", "lift", "key", "shred"]
    agreement_digest: Sha256
    scope: Scope = "all"
    lifts: Annotated[Slot | None, Meta(description="the slot of the hold that a `lift` lifts")] = None
    key: Annotated[KeyRecord | None, Meta(description="of a `key`: the new key of its party")] = None
    key_id: Annotated[KeyId | None, Meta(description="of a `shred`: the destroyed sealing key")] = None
    authority: Line
    reason: Text = ""
    issued_at: Moment


class Recall(Message, frozen=True, kw_only=True, tag="recall"):
    """The record holder withdraws a verdict. Its recipient destroys the answer and sends an Ack."""

    request_id: RequestId
    subject: Line
    agreement: Token
    agency: Token
    verdict_digest: Annotated[Sha256, Meta(description="of the verdict's body as stored")]
    cause: Cause
    recalled_at: Moment
    recalled_by: Annotated[Line, Meta(description="the office that recalls, never a person's name")]


class Ack(Message, frozen=True, kw_only=True, tag="ack"):
    """The requester's certificate that it has destroyed a recalled or expired answer."""

    request_id: RequestId
    subject: Line
    agreement: Token
    agency: Token
    cause: Literal["recall", "expiry"]
    destroyed_at: Moment
    certified_by: Annotated[Line, Meta(description="the office or system that certifies")]


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """A control or a recall that the auditor sends to the agency concerned, after it is in the ledger."""

    leaf: Annotated[bytes, Meta(description="its entry in the ledger: sequence, time, subject, digest")]
    body: Annotated[bytes, Meta(description="the message's body as stored (a DSSE envelope)")]
    receipt: Annotated[bytes, Meta(description="tlog-proof@v1 of the leaf, UTF-8")]


class NoticesQuery(Message, frozen=True, kw_only=True, tag="notices-query"):
    """Asks the auditor for the notices after a stream sequence, oldest first. after 0: from the start."""

    after: Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Notices(Message, frozen=True, kw_only=True, tag="notices"):
    """One page of notices. through: it is complete up to this sequence; more: ask again from there."""

    notices: tuple[Notice, ...]
    through: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    more: bool


class Release(Message, frozen=True, kw_only=True, tag="release"):
    """A verdict that the auditor releases, sealed to the requester's agency, after it is in the ledger."""

    request_id: VerdictToken
    leaf: Annotated[
        bytes, Meta(description="the verdict's entry in the ledger: sequence, time, subject, digest")
    ]
    verdict: Annotated[bytes, Meta(description="the verdict's body as stored (a DSSE envelope)")]
    answer: Annotated[
        bytes, Meta(description="the Answer's JSON, which answer_digest names, padded as in the verdict")
    ]
    receipt: Annotated[bytes, Meta(description="tlog-proof@v1 of the leaf, UTF-8")]


class ResultQuery(Message, frozen=True, kw_only=True, tag="result-query"):
    """Asks the auditor to send a release again."""

    request_id: RequestId


class ResultPending(Message, frozen=True, kw_only=True, tag="result-pending"):
    """Answer to a ResultQuery: no verdict is released yet."""

    request_id: RequestId


def encode(message: Struct) -> bytes:
    """A message -> compact JSON, UTF-8."""
    return _ENCODER.encode(message)


_ENCODER = msgspec.json.Encoder()

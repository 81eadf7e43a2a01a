"""Verifies a release: every check between a sealed push and a result that is handed out. Pure.

A stored release is verified again each time it is read. An answer that fails a check is not handed out.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, TypeVar

from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.crypto.sealing import unpad
from glomar_schemas.decoding import decode
from glomar_schemas.errors import IntegrityError, Refused
from glomar_schemas.messages import Answer, Refusal, Release, ResultPending, Sealed, Verdict
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import Checkpoint
from msgspec import Struct

from glomar_requester.ask import RequestRecord
from glomar_requester.identity import Identity
from glomar_requester.store.records import Cause

T = TypeVar("T")

Outcome = Literal["confirm", "deny", "refused", "rejected", "unanswered", "recalled", "expired"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Result(Struct, frozen=True, kw_only=True):
    """The outcome of one request.

    confirm | deny: a record was looked up. refused: denied before any lookup; `refusals` say why.
    rejected: never accepted by the bus. unanswered: no answer in time; it may still come.
    recalled | expired: the answer may not be handed out any more.
    `sequence` is the verdict's in the stream; the ledger's leaf is `sequence - 1`.
    """

    request_id: str
    reference: str
    outcome: Outcome
    refusals: tuple[Refusal, ...] = ()
    sequence: int | None = None
    trace_id: str = ""
    receipt_ok: bool = False
    decided_at: datetime | None = None
    witnessed: bool = True
    """False: unanswered, because the quorum of witnesses has not yet cosigned the answer's receipt."""


class Proof(Struct, frozen=True):
    """A verified result, its receipt (tlog-proof@v1, the leaf in `extra`) and the receipt's checkpoint."""

    result: Result
    receipt: str
    body_sha256: str
    """Of the verdict in the ledger, in hex."""
    checkpoint: Checkpoint


class VerifiedRelease(Struct, frozen=True):
    """A result with its proof: the verdict's leaf in the ledger and the checkpoint that covers it.

    receipt: tlog-proof@v1. retain_until: from then on the answer must be destroyed.
    """

    result: Result
    leaf: Leaf
    checkpoint: Checkpoint
    receipt: str
    retain_until: datetime

    def proof(self) -> Proof:
        """Its receipt can be verified without any other file."""
        receipt = receipts.with_leaf(self.receipt, self.leaf)
        return Proof(self.result, receipt, self.leaf.body_sha256.hex(), self.checkpoint)


class AnswerWithdrawn(Refused):
    """There was a verdict, and its answer is destroyed here. outcome: as in a result file."""

    outcome: ClassVar[Literal["recalled", "expired"]]


class Recalled(AnswerWithdrawn):
    """The record holder has recalled the verdict."""

    outcome = "recalled"


class Expired(AnswerWithdrawn):
    """The agreement's retention period for the answer is over."""

    outcome = "expired"


def answer_withdrawn(cause: Cause, request_id: str) -> AnswerWithdrawn:
    """The error for an answer that was withdrawn for this cause."""
    if cause == "recall":
        return Recalled(
            "the record holder has recalled the answer", where=request_id, fix="Use no copy of it"
        )
    return Expired(
        "the answer has expired and is destroyed", where=request_id, fix="Send a new request if it is lawful"
    )


def require_not_expired(retain_until: datetime, now: datetime, request_id: str) -> None:
    """Raises Expired, also before the answer is destroyed."""
    if now >= retain_until:
        raise answer_withdrawn("expiry", request_id)


def open_release(raw: bytes, request_id: str, identity: Identity) -> bytes | None:
    """A push, or a reply to `result` -> the Release's JSON, not yet verified. None: not released yet.

    Raises IntegrityError if it was not sealed to this agency for this request.
    """
    sealed = _read(raw, Sealed | ResultPending)  # type: ignore[arg-type]
    if isinstance(sealed, ResultPending):
        return None
    try:
        return identity.opener.open(sealed, identity.from_auditor, "release", request_id)
    except Refused as fault:
        raise _broken(fault.what) from None


def verify_release(release_json: bytes, request: RequestRecord, identity: Identity) -> VerifiedRelease:
    """Checks everything, from the holder's signature to the ledger's. Raises IntegrityError."""
    release = _read(release_json, Release)
    subject = identity.subjects.verdict(identity.agency, request.request_id)
    try:
        verdict, envelope = open_envelope(release.verdict, Verdict, subject)
        leaf = leaves.decode(release.leaf)
        at = moment(leaf)
        signed = identity.agreement_under(verdict.agreement_digest)
        if signed is None:
            raise _broken(
                "decided under a version of the agreement that was not in force or is not installed",
                "Install every signed version",
            )
        require_signer(envelope, signed.agreement.holder, signed.ring, at)
        plaintext = unpad(release.answer)
        answer = decode(plaintext, Answer, what="answer")
        receipt = release.receipt.decode()
        checkpoint = check_receipt(receipt, leaf, identity)
    except (Refused, UnicodeDecodeError) as fault:
        raise _broken(fault.what if isinstance(fault, Refused) else "not UTF-8") from None
    if leaf.subject != subject or leaf.body_sha256 != hashlib.sha256(release.verdict).digest():
        raise _broken("the ledger's leaf is of another message")
    if verdict.answer_digest != hashlib.sha256(plaintext).hexdigest():
        raise _broken("the answer is not the one that the holder signed")
    _require_consistent(release, verdict, answer, request)
    retain_until = verdict.decided_at + timedelta(days=signed.agreement.retention.answer_days)
    return VerifiedRelease(_result(request, leaf, verdict, answer), leaf, checkpoint, receipt, retain_until)


def _result(request: RequestRecord, leaf: Leaf, verdict: Verdict, answer: Answer) -> Result:
    return Result(
        request_id=request.request_id,
        reference=request.reference,
        outcome=answer.outcome if answer.record_consulted else "refused",
        refusals=answer.refusals,
        sequence=leaf.sequence,
        trace_id=request.trace_id,
        receipt_ok=True,
        decided_at=verdict.decided_at,
    )


def _require_consistent(release: Release, verdict: Verdict, answer: Answer, request: RequestRecord) -> None:
    """Every part is about this request, and none contradicts another."""
    if release.request_id != request.request_id:
        raise _broken("it is for another request")
    if verdict.request_digest != request.digest:
        raise _broken("the verdict is about other bytes than those that were sent")
    if answer.outcome == "confirm" and not answer.record_consulted:
        raise _broken("a confirmation without a lookup")
    if answer.record_consulted and answer.refusals:
        raise _broken("it gives reasons after a lookup")


def check_receipt(text: str, leaf: Leaf, identity: Identity) -> Checkpoint:
    """Under any key of the ledger. Raises Refused."""
    return receipts.check_under(text, leaf, identity.open_checkpoint)


def missing_cosignatures(receipt: str, identity: Identity, now: datetime | None = None) -> str:
    """What a checked receipt lacks of the agency's quorum of cosignatures; "" if nothing.

    now: when the answer is accepted; cosignatures must be fresh then. Raises IntegrityError for an invalid
    cosignature or a log that the policy does not list.
    """
    quorum = identity.quorum
    if quorum is None:
        return ""
    note = receipts.parse(receipt).checkpoint
    at = None if now is None else now.timestamp()
    try:
        if quorum.policy.logs:
            quorum.policy.open(note)
        return quorum.policy.check_quorum(note, now=at, max_age_s=quorum.max_age_s).missing
    except Refused as fault:
        raise _broken(fault.what) from None


def moment(leaf: Leaf) -> datetime:
    """The stream time, to the microsecond."""
    return _EPOCH + timedelta(microseconds=leaf.time_ns // 1000)


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return decode(raw, kind, what="release")
    except Refused as fault:
        raise _broken(fault.what) from None


def _broken(what: str, fix: str = "Keep it as evidence and contact the auditor") -> IntegrityError:
    return IntegrityError(what, where="release", fix=fix)

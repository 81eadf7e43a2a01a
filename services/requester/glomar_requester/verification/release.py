"""Believing a release: every check between a sealed push and an answer that is handed on. Pure.

Called by the client for each release, and again whenever a stored one is read. An answer that fails any
check is given to nobody.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

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

from glomar_requester.ask import Asked
from glomar_requester.identity import Identity

T = TypeVar("T")

Outcome = Literal["confirm", "deny", "refused", "rejected", "unanswered", "recalled", "expired"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Result(Struct, frozen=True, kw_only=True):
    """What became of one request.

    confirm | deny: a record was looked up. refused: denied before any lookup, `refusals` say why.
    rejected: never accepted by the bus. unanswered: no answer in time; it may still come.
    recalled | expired: there was an answer, and it may not be handed out any more.
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
    """False: unanswered, for the answer that came has no quorum of witnesses yet."""


class Proven(Struct, frozen=True):
    """A result with what proves it: the ledger's entry of the verdict, and the checkpoint that covers it.

    receipt: as other tools read it; kept_until: from then on the answer must be destroyed.
    """

    result: Result
    leaf: Leaf
    checkpoint: Checkpoint
    receipt: str
    kept_until: datetime

    def file(self) -> str:
        """The receipt with its leaf, which can be checked on its own."""
        return receipts.with_leaf(self.receipt, self.leaf)


def open_release(raw: bytes, request_id: str, identity: Identity) -> bytes | None:
    """A push, or an answer to `result` -> the Release's JSON, not yet verified. None: not released yet.

    Raises IntegrityError when it was not sealed to this agency for this request.
    """
    sealed = _read(raw, Sealed | ResultPending)  # type: ignore[arg-type]
    if isinstance(sealed, ResultPending):
        return None
    try:
        return identity.opener.open(sealed, identity.from_auditor, "release", request_id)
    except Refused as fault:
        raise _broken(fault.what) from None


def verify(release_json: bytes, asked: Asked, identity: Identity) -> Proven:
    """Checks everything, from the holder's signature to the ledger's. Raises IntegrityError."""
    release = _read(release_json, Release)
    subject = identity.subjects.verdict(identity.agency, asked.request_id)
    try:
        verdict, envelope = open_envelope(release.verdict, Verdict, subject)
        leaf = leaves.decode(release.leaf)
        at = moment(leaf)
        signed = identity.under(verdict.agreement_digest)
        if signed is None:
            raise _broken(
                "decided under another version of the agreement than those that were in force",
                "Install every version that was signed",
            )
        require_signer(envelope, signed.agreement.holder, signed.ring, at)
        plaintext = unpad(release.answer)
        answer = decode(plaintext, Answer, what="answer")
        receipt = release.receipt.decode()
        checkpoint = check_receipt(receipt, leaf, identity)
    except (Refused, UnicodeDecodeError) as fault:
        raise _broken(fault.what if isinstance(fault, Refused) else "not UTF-8") from None
    if leaf.subject != subject or leaf.body_sha256 != hashlib.sha256(release.verdict).digest():
        raise _broken("the ledger's entry is of another message")
    if verdict.answer_digest != hashlib.sha256(plaintext).hexdigest():
        raise _broken("the answer is not the one that the holder signed")
    _require_agreement_of(release, verdict, answer, asked)
    refused = not answer.record_consulted
    result = Result(
        request_id=asked.request_id,
        reference=asked.reference,
        outcome="refused" if refused else answer.outcome,
        refusals=answer.refusals,
        sequence=leaf.sequence,
        trace_id=asked.trace_id,
        receipt_ok=True,
        decided_at=verdict.decided_at,
    )
    kept_until = verdict.decided_at + timedelta(days=signed.agreement.retention.answer_days)
    return Proven(result, leaf, checkpoint, receipt, kept_until)


def _require_agreement_of(release: Release, verdict: Verdict, answer: Answer, asked: Asked) -> None:
    """Each part was made for this request, and they say the same."""
    if release.request_id != asked.request_id:
        raise _broken("it is for another request")
    if verdict.request_digest != asked.digest:
        raise _broken("the verdict is about other bytes than those that were asked")
    if answer.outcome == "confirm" and not answer.record_consulted:
        raise _broken("a confirmation without a lookup")
    if answer.record_consulted and answer.refusals:
        raise _broken("reasons are given after a lookup")


def check_receipt(text: str, leaf: Leaf, identity: Identity) -> Checkpoint:
    """Under any key of the ledger. Raises Refused."""
    return receipts.check_under(text, leaf, identity.open_checkpoint)


def quorum_lacks(receipt: str, identity: Identity, now: datetime | None = None) -> str:
    """What keeps a checked receipt from being cosigned by the agency's quorum; "" if nothing does.

    now: when its answer is taken; cosignatures must be fresh then. Raises IntegrityError for a cosignature
    that does not hold, or a log that the policy does not list.
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


def _broken(what: str, fix: str = "Keep it as evidence and ask the auditor") -> IntegrityError:
    return IntegrityError(what, where="release", fix=fix)

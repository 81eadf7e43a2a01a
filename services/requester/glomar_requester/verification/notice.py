"""Verifies notices: controls and recalls with their receipts; and folds the controls that are in force. Pure.

Stored notices of controls are verified again at each start.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from glomar_schemas.agreement.controls import InForce, apply
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.decoding import decode
from glomar_schemas.errors import IntegrityError, Malformed, Misconfigured, Untrusted
from glomar_schemas.messages import Notice, Recall
from glomar_schemas.subjects import MAX_NOTICE_BYTES
from glomar_schemas.tlog import leaf as leaves
from msgspec import Struct

from glomar_requester.identity import Identity
from glomar_requester.verification.release import check_receipt, moment


class VerifiedNotice(Struct, frozen=True):
    """A message that the ledger holds, with its place and time. Its signature is not yet verified."""

    sequence: int
    at: datetime
    subject: str
    body: bytes

    @property
    def slot(self) -> int | None:
        """A control's number; None for a recall."""
        *_, kind, token = self.subject.split(".")
        return int(token) if kind == "control" else None


class ControlState(Struct, frozen=True):
    """What is in force, as far as the agency knows.

    fault: why it cannot apply the latest control; it must send no request then.
    """

    in_force: InForce
    fault: Misconfigured | None = None


def open_notice(notice: Notice, identity: Identity) -> VerifiedNotice:
    """Verifies the receipt, and that the message is for this agency. Raises Refused."""
    leaf = leaves.decode(notice.leaf)
    if leaf.body_sha256 != hashlib.sha256(notice.body).digest():
        raise Untrusted("the ledger's leaf is of another message", where="notice")
    try:
        check_receipt(notice.receipt.decode(), leaf, identity)
    except UnicodeDecodeError:
        raise Malformed("a receipt that is not UTF-8", where="notice") from None
    except IntegrityError as fault:
        raise Untrusted(fault.what, where="notice") from None
    address = identity.subjects.parse(leaf.subject)
    slot = address.kind == "control" and address.token.isascii() and address.token.isdigit()
    if not slot and (address.kind, address.agency) != ("recall", identity.agency):
        raise Untrusted("neither a control nor a recall to this agency", where="notice")
    return VerifiedNotice(leaf.sequence, moment(leaf), leaf.subject, notice.body)


def read_notice(raw: bytes, identity: Identity) -> VerifiedNotice:
    """A notice as pushed or stored. Raises Refused."""
    return open_notice(decode(raw, Notice, what="notice", max_bytes=MAX_NOTICE_BYTES), identity)


def open_recall(notice: VerifiedNotice, identity: Identity) -> Recall:
    """Raises Refused unless the record holder signed it: a recall of anybody else has no effect."""
    recall, envelope = open_envelope(notice.body, Recall, notice.subject)
    signed = identity.signed
    require_signer(envelope, signed.agreement.holder, signed.ring, notice.at)
    return recall


def fold_controls(controls: Iterable[VerifiedNotice], identity: Identity) -> ControlState:
    """Controls in any order, with gaps: an agency is not notified of every control."""
    state = InForce()
    for control in sorted(controls, key=lambda each: each.sequence):
        slot = control.slot
        if slot is None or slot <= state.slot:
            continue
        try:
            state = apply(
                state,
                control.body,
                identity.versions,
                identity.subjects,
                control.sequence,
                control.at,
                slot=slot,
            ).in_force
        except Misconfigured as fault:
            return ControlState(state, fault)
    return ControlState(state)


class AgencyState:
    """The agency's identity under the controls that it knows."""

    def __init__(self, identity: Identity) -> None:
        self._base = identity
        self._controls: dict[int, VerifiedNotice] = {}
        self._fault: Misconfigured | None = None
        self.identity = identity
        """For verifying what is received."""

    def require_identity(self) -> Identity:
        """For sending requests. Raises Misconfigured while the agreement in force is not installed."""
        if self._fault is not None:
            raise self._fault
        return self.identity

    def apply(self, controls: Iterable[VerifiedNotice]) -> None:
        """Idempotent: known controls are ignored."""
        fresh = {each.sequence: each for each in controls if each.sequence not in self._controls}
        if fresh:
            self._controls.update(fresh)
            folded = fold_controls(self._controls.values(), self._base)
            self._fault = folded.fault
            self.identity = self._base.with_controls(folded.in_force)

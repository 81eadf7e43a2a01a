"""Believing a notice: a control or a recall that the auditor says the ledger holds. Pure.

Called by the client for each notice, pushed or asked for, and again for the stored controls at a start.
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


class Noticed(Struct, frozen=True):
    """A message that the ledger holds: place, time, and what was stored. Who signed it is not yet known."""

    sequence: int
    at: datetime
    subject: str
    body: bytes

    @property
    def slot(self) -> int | None:
        """Of a control; None for a recall."""
        *_, kind, token = self.subject.split(".")
        return int(token) if kind == "control" else None


class Known(Struct, frozen=True):
    """What an agency knows to be in force. fault: why it can't follow; it must not ask then."""

    in_force: InForce
    fault: Misconfigured | None = None


def open_notice(notice: Notice, identity: Identity) -> Noticed:
    """Checks that the ledger holds it. Raises Refused: it is nothing that this agency may be told of."""
    leaf = leaves.decode(notice.leaf)
    if leaf.body_sha256 != hashlib.sha256(notice.body).digest():
        raise Untrusted("the ledger's entry is of another message", where="notice")
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
    return Noticed(leaf.sequence, moment(leaf), leaf.subject, notice.body)


def read_notice(raw: bytes, identity: Identity) -> Noticed:
    """A notice as pushed or stored. Raises Refused."""
    return open_notice(decode(raw, Notice, what="notice", max_bytes=MAX_NOTICE_BYTES), identity)


def open_recall(noticed: Noticed, identity: Identity) -> Recall:
    """Raises Refused if it is not the record holder's: it is in the ledger, and changes nothing."""
    recall, envelope = open_envelope(noticed.body, Recall, noticed.subject)
    signed = identity.signed
    require_signer(envelope, signed.agreement.holder, signed.ring, noticed.at)
    return recall


def fold(controls: Iterable[Noticed], identity: Identity) -> Known:
    """What is in force by these controls, in any order and with gaps: not every one is told to an agency."""
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
            return Known(state, fault)
    return Known(state)


class Standing:
    """The agency as its identity says, under what it was told of since. Called by sender and receiver."""

    def __init__(self, identity: Identity) -> None:
        self._base = identity
        self._controls: dict[int, Noticed] = {}
        self._fault: Misconfigured | None = None
        self.identity = identity
        """For reading what came."""

    def require(self) -> Identity:
        """For asking. Raises Misconfigured while the version of the agreement in force is not installed."""
        if self._fault is not None:
            raise self._fault
        return self.identity

    def learn(self, controls: Iterable[Noticed]) -> None:
        """Each as often as it comes."""
        fresh = {each.sequence: each for each in controls if each.sequence not in self._controls}
        if fresh:
            self._controls.update(fresh)
            known = fold(self._controls.values(), self._base)
            self._fault = known.fault
            self.identity = self._base.knowing(known.in_force)

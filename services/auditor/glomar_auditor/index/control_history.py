"""The controls of a stream in their order, and whose signatures hold. Called by reports and `show`; pure."""

from bisect import bisect_left
from typing import Any

from glomar_runtime.bus.stream import Stored, moment
from glomar_schemas.agreement.controls import InForce, apply, ordered
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Ack, Control, Recall, Request, Verdict
from glomar_schemas.subjects import Subjects

from glomar_auditor.index.orders import Order

_KINDS: dict[str, type[Any]] = {"request": Request, "verdict": Verdict, "recall": Recall, "ack": Ack}


class Docket:
    """Fed with a stream's controls in the order of their sequences, or of their slots."""

    def __init__(self, versions: Versions, subjects: Subjects) -> None:
        self._versions = versions
        self._subjects = subjects
        self._early: dict[int, Stored] = {}
        self._sequences: list[int] = []
        self._states = [InForce()]
        self.orders: list[Order] = []

    @property
    def in_force(self) -> InForce:
        return self._states[-1]

    def at(self, sequence: int) -> InForce:
        """What was in force when the stream stored that sequence."""
        return self._states[bisect_left(self._sequences, sequence)]

    def add(self, control: Stored) -> None:
        """Raises Misconfigured for a version of the agreement that is not installed."""
        token = self._subjects.parse(control.subject).token
        if token.isascii() and token.isdecimal():
            self._early[int(token)] = control
        # A slot that was filled too early waits for those before it.
        while (found := self._early.pop(self.in_force.slot + 1, None)) is not None:
            self._apply(found, max(*self._sequences[-1:], control.sequence, found.sequence))

    def judge(self, stored: Stored) -> str:
        """Why a message does not count, "" if it does: its signature, by the keys in force then."""
        kind = self._subjects.parse(stored.subject).kind
        if kind == "control":
            self.add(stored)
            return ""
        signed = self.at(stored.sequence).signed
        if signed is None:
            return "no agreement was in force"
        try:
            _, envelope = open_envelope(stored.body, _KINDS[kind], stored.subject)
            party = self._speaker(stored, kind, signed)
            require_signer(envelope, party, signed.ring, moment(stored.time_ns))
        except Refused as fault:
            return fault.what
        return ""

    def _speaker(self, stored: Stored, kind: str, signed: SignedAgreement) -> str:
        by_holder = kind in ("verdict", "recall")
        return signed.agreement.holder if by_holder else self._subjects.parse(stored.subject).agency

    def _apply(self, stored: Stored, since: int) -> None:
        state, at = self.in_force, moment(stored.time_ns)
        subject = self._subjects.control(state.slot + 1)
        applied = apply(state, stored.body, self._versions, self._subjects, stored.sequence, at)
        control: Control | None = None
        parties: tuple[str, ...] = ()
        try:
            control, signers = ordered(state, stored.body, self._versions, subject, at)
            parties = tuple(sorted(signers))
        except Refused:
            pass
        self.orders.append(Order(state.slot + 1, stored.sequence, at, control, parties, applied.fault))
        self._sequences.append(since)
        self._states.append(applied.in_force)

"""Checks each stored message's signature by the keys that were in force at its sequence."""

from typing import Any

from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored, moment
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Ack, Recall, Request, Verdict
from glomar_schemas.subjects import Subjects

_KINDS: dict[str, type[Any]] = {"request": Request, "verdict": Verdict, "recall": Recall, "ack": Ack}


class SignatureCheck:
    """Checks stored messages by the keys in force at their sequence; a control is added to the history."""

    def __init__(self, history: ControlHistory, subjects: Subjects) -> None:
        self._history = history
        self._subjects = subjects

    def fault(self, stored: Stored) -> str:
        """Why a message does not count; "" if it does. Raises as `ControlHistory.add`."""
        address = self._subjects.parse(stored.subject)
        if address.kind == "control":
            self._history.add(stored)
            return ""
        signed = self._history.before(stored.sequence).signed
        if signed is None:
            return "no agreement was in force"
        party = signed.agreement.holder if address.kind in ("verdict", "recall") else address.agency
        try:
            _, envelope = open_envelope(stored.body, _KINDS[address.kind], stored.subject)
            require_signer(envelope, party, signed.ring, moment(stored.time_ns))
        except Refused as fault:
            return fault.what
        return ""

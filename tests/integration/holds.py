"""Placing and lifting holds as officials do, carried by the operator of the bus."""

from datetime import UTC, datetime

from glomar_local.provision.credentials import OPERATOR, official
from glomar_schemas.crypto.dsse import Signer, seal_envelope
from glomar_schemas.messages import Control
from msgspec.structs import replace

from tests.integration.bus import Bus


class Officials:
    """Draws the next control, signs it and has it stored."""

    def __init__(self, bus: Bus, slot: int = 1) -> None:
        """slot: the last one that is filled."""
        self._bus = bus
        self._slot = slot

    def hold(self, scope: str) -> tuple[int, int]:
        """-> (slot, stream sequence) of a hold that the holder's official alone has placed."""
        return self._store(self._control("hold", scope=scope), ["irs"])

    def lift(self, slot: int) -> int:
        """-> stream sequence of the control with which two officials lift it."""
        return self._store(replace(self._control("lift"), lifts=slot), ["irs", "ice"])[1]

    def _control(self, action: str, scope: str = "all") -> Control:
        system, slot = self._bus.system, self._slot + 1
        return Control(
            slot=slot,
            subject=self._bus.subjects.control(slot),
            agreement=system.agreement.id,
            action=action,  # type: ignore[arg-type]
            agreement_digest=system.signed.digest,
            scope=scope,
            authority="Order of the court",
            issued_at=datetime.now(UTC),
        )

    def _store(self, control: Control, parties: list[str]) -> tuple[int, int]:
        body = seal_envelope(control, self._signers(parties))
        answer = self._bus.wire(OPERATOR).ask(control.subject.encode(), body)
        self._slot += 1
        return control.slot, int(answer["seq"])

    def _signers(self, parties: list[str]) -> list[Signer]:
        return [official(self._bus.system.layout, party) for party in parties]

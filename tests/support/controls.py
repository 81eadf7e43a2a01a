"""Controls of the officials, published by the operator of the bus."""

from collections.abc import Sequence
from datetime import UTC, datetime

from glomar_local.provision.credentials import OPERATOR, official
from glomar_schemas.crypto.dsse import Signer, seal_envelope
from glomar_schemas.keys import KeyRecord
from glomar_schemas.messages import Control
from msgspec.structs import replace

from tests.support.bus import Bus

BOTH = ("irs", "ice")


class ControlPublisher:
    """Writes, signs and stores the control of the next slot."""

    def __init__(self, bus: Bus, slot: int = 1) -> None:
        """slot: the last filled one."""
        self._bus = bus
        self._slot = slot

    def hold(self, scope: str) -> tuple[int, int]:
        """A hold, signed by the holder's official alone -> (slot, stream sequence)."""
        return self._store(self._control("hold", scope=scope), ["irs"])

    def lift(self, slot: int) -> int:
        """A lift, signed by two officials -> stream sequence."""
        return self._store(replace(self._control("lift"), lifts=slot), BOTH)[1]

    def key(self, record: KeyRecord, parties: Sequence[str] = BOTH) -> int:
        """-> stream sequence, as of the methods below."""
        return self._store(replace(self._control("key"), key=record), parties)[1]

    def shred(self, key_id: str, parties: Sequence[str] = BOTH) -> int:
        return self._store(replace(self._control("shred"), key_id=key_id), parties)[1]

    def agreement(self, digest: str, parties: Sequence[str] = BOTH) -> int:
        return self._store(replace(self._control("agreement"), agreement_digest=digest), parties)[1]

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

    def _store(self, control: Control, parties: Sequence[str]) -> tuple[int, int]:
        body = seal_envelope(control, self._signers(parties))
        answer = self._bus.wire(OPERATOR).ask(control.subject.encode(), body)
        self._slot += 1
        return control.slot, int(answer["seq"])

    def _signers(self, parties: Sequence[str]) -> list[Signer]:
        return [official(self._bus.system.layout, party) for party in parties]

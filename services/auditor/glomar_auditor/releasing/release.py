"""From a recorded verdict to the release that its agency may read. Pure; called by the app after the sync.

No audit, no answer: the outcome is sealed to the auditor, and this is the only place where it is opened.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence

from glomar_runtime.bus.stream import Stored, moment
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.crypto.sealing import ANSWER_SIZES, RELEASE_SIZES, Context, Opener, Sealer, pad
from glomar_schemas.errors import Refused, Untrusted
from glomar_schemas.messages import Release, Sealed, Verdict, encode
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.leaf import encode as encode_leaf
from msgspec import Struct

log = logging.getLogger(__name__)


class Outgoing(Struct, frozen=True):
    """A release ready to be pushed to its agency."""

    agency: str
    request_id: str
    sealed: Sealed
    verdict_sequence: int


class Releaser:
    """Opens verdicts with the auditor's key and seals them, with their receipts, to the agencies."""

    def __init__(self, receipt: Callable[[int], str], subjects: Subjects, opener: Opener) -> None:
        """receipt: of the leaf with that index."""
        self._receipt = receipt
        self._subjects = subjects
        self._opener = opener

    def releases(self, verdicts: Sequence[Stored], in_force: InForce) -> list[Outgoing]:
        """Recorded verdicts, sealed to their agencies with one key a batch."""
        signed = in_force.signed
        if signed is None:
            # Whose verdict could it be? None is released, now or later.
            return []
        sealers: dict[str, Sealer] = {}
        outgoing = []
        for message in verdicts:
            try:
                address = self._subjects.parse(message.subject)
                if address.agency not in sealers:
                    sealers[address.agency] = _sealer(signed, address.agency, message.time_ns)
                sealed = self._release(message, signed, sealers[address.agency])
            except Refused as fault:
                # It stays recorded as what it is; an answer that its holder did not sign is never handed on.
                log.error("withheld", extra={"sequence": message.sequence, "fault": fault.what})
                continue
            outgoing.append(Outgoing(address.agency, address.token, sealed, message.sequence))
        return outgoing

    def _release(self, stored: Stored, signed: SignedAgreement, sealer: Sealer) -> Sealed:
        """Raises Refused if the verdict is not one that the holder signed for this slot."""
        address = self._subjects.parse(stored.subject)
        verdict, envelope = open_envelope(stored.body, Verdict, stored.subject)
        require_signer(envelope, signed.agreement.holder, signed.ring, moment(stored.time_ns))
        context = Context("verdict", signed.agreement.id, address.agency)
        answer = self._opener.open(verdict.answer, context, "answer", verdict.request_id)
        release = Release(
            request_id=verdict.request_id,
            leaf=encode_leaf(stored_leaf(stored)),
            verdict=stored.body,
            # Padded again: a release's size must not tell confirm from deny.
            answer=pad(answer, ANSWER_SIZES),
            receipt=self._receipt(stored.sequence - 1).encode(),
        )
        return sealer.seal("release", verdict.request_id, encode(release), RELEASE_SIZES)


def _sealer(signed: SignedAgreement, agency: str, time_ns: int) -> Sealer:
    """For all releases to one agency in one batch. Raises Untrusted if it has no valid sealing key."""
    if agency not in signed.agreement.requesters:
        raise Untrusted("not a requester of this agreement", where="verdict subject")
    key = signed.ring.sealing_key(agency, moment(time_ns))
    return Sealer(key, Context("release", signed.agreement.id, agency))


def stored_leaf(message: Stored) -> Leaf:
    """A stored message as the ledger records it."""
    return Leaf(message.sequence, message.time_ns, message.subject, hashlib.sha256(message.body).digest())

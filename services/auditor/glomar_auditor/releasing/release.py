"""Writes releases: a recorded verdict with its receipt, sealed to the agency that may read it.

The outcome is sealed to the auditor, so no verdict is read before it is recorded. Only this module opens it.
"""

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
from glomar_schemas.tlog.leaf import encode as encode_leaf
from msgspec import Struct

from glomar_auditor.ledger.ledger import stored_leaf

log = logging.getLogger(__name__)


class SealedRelease(Struct, frozen=True):
    """A release, ready to be published to its agency."""

    agency: str
    request_id: str
    sealed: Sealed
    verdict_sequence: int


class ReleaseWriter:
    """Opens verdicts with the auditor's key and seals them, with their receipts, to the agencies."""

    def __init__(self, receipt: Callable[[int], str], subjects: Subjects, opener: Opener) -> None:
        """receipt: leaf index -> the receipt of that leaf."""
        self._receipt = receipt
        self._subjects = subjects
        self._opener = opener

    def write(self, verdicts: Sequence[Stored], in_force: InForce) -> list[SealedRelease]:
        """The releases of recorded verdicts, in order; one ephemeral key for each agency and call.

        A verdict that its holder did not sign for its subject is logged and left out.
        """
        signed = in_force.signed
        if signed is None:
            # Without an agreement nobody's verdict can be verified, so nothing is released.
            return []
        sealers: dict[str, Sealer] = {}
        releases = []
        for message in verdicts:
            try:
                address = self._subjects.parse(message.subject)
                if address.agency not in sealers:
                    sealers[address.agency] = _sealer(signed, address.agency, message.time_ns)
                sealed = self._release(message, signed, sealers[address.agency])
            except Refused as fault:
                log.error("withheld", extra={"sequence": message.sequence, "fault": fault.what})
                continue
            releases.append(SealedRelease(address.agency, address.token, sealed, message.sequence))
        return releases

    def _release(self, stored: Stored, signed: SignedAgreement, sealer: Sealer) -> Sealed:
        """Raises Refused unless the holder signed the verdict for this subject."""
        address = self._subjects.parse(stored.subject)
        verdict, envelope = open_envelope(stored.body, Verdict, stored.subject)
        require_signer(envelope, signed.agreement.holder, signed.ring, moment(stored.time_ns))
        context = Context("verdict", signed.agreement.id, address.agency)
        answer = self._opener.open(verdict.answer, context, "answer", verdict.request_id)
        release = Release(
            request_id=verdict.request_id,
            leaf=encode_leaf(stored_leaf(stored)),
            verdict=stored.body,
            # Padded again: the size of a release must not tell confirm from deny.
            answer=pad(answer, ANSWER_SIZES),
            receipt=self._receipt(stored.sequence - 1).encode(),
        )
        return sealer.seal("release", verdict.request_id, encode(release), RELEASE_SIZES)


def _sealer(signed: SignedAgreement, agency: str, time_ns: int) -> Sealer:
    """Seals releases to one agency. Raises Untrusted if it has no valid sealing key."""
    if agency not in signed.agreement.requesters:
        raise Untrusted("not a requester of this agreement", where="verdict subject")
    key = signed.ring.sealing_key(agency, moment(time_ns))
    return Sealer(key, Context("release", signed.agreement.id, agency))

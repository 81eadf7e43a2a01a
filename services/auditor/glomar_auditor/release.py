"""From a recorded verdict to the release that its agency may read. Pure; called by the app after the sync.

No audit, no answer: the outcome is sealed to the auditor, and this is the only place where it is opened.
"""

import hashlib

from glomar_runtime.delivery import Stored, moment
from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.envelope import open_envelope, require_signer
from glomar_schemas.errors import Untrusted
from glomar_schemas.leaf import Leaf
from glomar_schemas.leaf import encode as encode_leaf
from glomar_schemas.messages import Release, Sealed, Verdict, encode
from glomar_schemas.sealing import ANSWER_SIZES, RELEASE_SIZES, Context, Opener, Sealer, pad
from glomar_schemas.subjects import Subjects


class Releaser:
    """Opens verdicts with the auditor's key and seals them, with their receipts, to the agencies."""

    def __init__(self, signed: SignedAgreement, subjects: Subjects, opener: Opener) -> None:
        self._signed = signed
        self._subjects = subjects
        self._opener = opener

    def sealer(self, agency: str, time_ns: int) -> Sealer:
        """For all releases to one agency in one batch. Raises Untrusted if it has no valid sealing key."""
        if agency not in self._signed.agreement.requesters:
            raise Untrusted("not a requester of this agreement", where="verdict subject")
        key = self._signed.ring.sealing_key(agency, moment(time_ns))
        return Sealer(key, Context("release", self._signed.agreement.id, agency))

    def release(self, stored: Stored, receipt: str, sealer: Sealer) -> Sealed:
        """Raises Refused if the verdict is not one that the holder signed for this slot."""
        address = self._subjects.parse(stored.subject)
        verdict, envelope = open_envelope(stored.body, Verdict, stored.subject)
        require_signer(envelope, self._signed.agreement.holder, self._signed.ring, moment(stored.time_ns))
        context = Context("verdict", self._signed.agreement.id, address.agency)
        answer = self._opener.open(verdict.answer, context, "answer", verdict.request_id)
        release = Release(
            request_id=verdict.request_id,
            leaf=encode_leaf(stored_leaf(stored)),
            verdict=stored.body,
            # Padded again: a release's size must not tell confirm from deny.
            answer=pad(answer, ANSWER_SIZES),
            receipt=receipt.encode(),
        )
        return sealer.seal("release", verdict.request_id, encode(release), RELEASE_SIZES)


def stored_leaf(message: Stored) -> Leaf:
    """A stored message as the ledger records it."""
    return Leaf(message.sequence, message.time_ns, message.subject, hashlib.sha256(message.body).digest())

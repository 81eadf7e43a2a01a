"""The control sequence folded into what is in force. Pure; called by whoever decides and whoever releases.

Slots are consecutive from 1. The first one says which agreement this incarnation runs under.
"""

from datetime import datetime

from msgspec import Struct

from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.envelope import open_envelope, signers
from glomar_schemas.errors import IntegrityError, Untrusted
from glomar_schemas.keys import OFFICIAL
from glomar_schemas.messages import Control
from glomar_schemas.subjects import Subjects


class InForce(Struct, frozen=True):
    """slot: the last control applied, 0 for none. Nothing may be decided while there is none."""

    slot: int = 0


def apply(state: InForce, body: bytes, signed: SignedAgreement, subjects: Subjects, at: datetime) -> InForce:
    """The state after the control in slot `state.slot + 1`; `at` is its stream time.

    Raises Malformed or Untrusted for a control that is not what it must be, IntegrityError for one that
    this version does not know: whoever can't tell what is in force must not decide.
    """
    slot = state.slot + 1
    control, envelope = open_envelope(body, Control, subjects.control(slot))
    parties = signers(envelope, signed.ring, at, uses=OFFICIAL)
    if control.action != "agreement":
        raise IntegrityError(
            f"control {slot} is a {control.action}", where=subjects.root, fix="Run a version that knows it"
        )
    agreement = signed.agreement
    if not {agreement.holder, *agreement.requesters} <= parties:
        raise Untrusted("an agreement needs the officials of all its parties", where=f"control {slot}")
    if control.agreement_digest != signed.digest:
        raise Untrusted(
            "another version of the agreement is in force than the one in the settings",
            where=f"control {slot}",
        )
    return InForce(slot)

"""What an agency is told of: believed only with the ledger's proof, and followed with gaps."""

from datetime import timedelta
from typing import Any

import pytest
from glomar_requester.identity import Identity, make_identity
from glomar_requester.verification.notice import Noticed, Standing, fold, open_notice, open_recall
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.errors import Misconfigured, Refused
from glomar_schemas.keys import KeyRecord, public_text
from glomar_schemas.messages import Notice
from msgspec.structs import replace

from tests.support import samples
from tests.unit.requester import world
from tests.unit.requester.world import NOW, a_control, a_recall, notice, officials

ID = samples.REQUEST_ID
HOLDER = samples.signer(samples.HOLDER)
BOTH = (samples.HOLDER, samples.REQUESTER)
SIGNED = world.signed_agreement()
NEXT = SignedAgreement(replace(SIGNED.agreement, version=2), "b" * 64, SIGNED.ring)
NEW_KEY = KeyRecord(
    party=samples.HOLDER,
    use="seal",
    public=public_text(samples.sealing_key("next epoch").public_key()),
    valid_from=NOW,
    valid_until=NOW + timedelta(days=60),
)
GENUINE = notice(a_recall(ID), 5, HOLDER)


def identity() -> Identity:
    return make_identity(
        samples.REQUESTER,
        SIGNED,
        samples.signer(samples.REQUESTER),
        samples.sealing_key(samples.REQUESTER),
        versions=Versions({each.digest: each for each in (SIGNED, NEXT)}),
    )


def control(slot: int, action: str, parties: tuple[str, ...], **fields: Any) -> Noticed:
    told = notice(a_control(slot, action, **fields), 10 * slot, *officials(*parties))
    return open_notice(told, identity())


FIRST = control(1, "agreement", BOTH)
ADDED = control(4, "key", BOTH, key=NEW_KEY)
RENEWED = control(9, "agreement", BOTH, agreement_digest=NEXT.digest)


def test_a_recall_that_the_ledger_holds_is_believed() -> None:
    noticed = open_notice(GENUINE, identity())
    assert (noticed.sequence, noticed.at, noticed.slot) == (5, NOW, None)
    assert open_recall(noticed, identity()) == a_recall(ID)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(notice(a_recall(ID), 5, HOLDER, ledger_key=samples.HOLDER), id="not the ledger's key"),
        pytest.param(replace(GENUINE, body=GENUINE.body + b" "), id="another body"),
        pytest.param(
            replace(GENUINE, leaf=notice(a_recall(samples.OTHER_ID), 5, HOLDER).leaf), id="another leaf"
        ),
        pytest.param(
            replace(GENUINE, receipt=notice(a_recall(ID), 6, HOLDER).receipt), id="proof of another leaf"
        ),
        pytest.param(replace(GENUINE, receipt=b"\xff"), id="no text"),
        pytest.param(notice(a_recall(ID, "cbp"), 5, HOLDER), id="a recall to another agency"),
        pytest.param(
            notice(
                replace(a_control(1, "hold"), subject=samples.SUBJECTS.control("one")),
                5,
                *officials(samples.HOLDER),
            ),
            id="a slot that is no number",
        ),
    ],
)
def test_what_the_ledger_does_not_hold_for_this_agency_is_refused(forged: Notice) -> None:
    with pytest.raises(Refused):
        open_notice(forged, identity())


@pytest.mark.parametrize("party", [samples.REQUESTER, samples.OVERSIGHT])
def test_a_recall_counts_by_the_holders_signature_alone(party: str) -> None:
    noticed = open_notice(notice(a_recall(ID), 5, samples.signer(party)), identity())
    with pytest.raises(Refused):
        open_recall(noticed, identity())


def test_controls_are_followed_with_gaps_and_in_any_order() -> None:
    known = fold([RENEWED, ADDED, FIRST], identity())
    assert known.fault is None and known.in_force.slot == 9
    assert known.in_force.versions == ((10, SIGNED.digest), (90, NEXT.digest))


def test_one_seals_to_the_newest_key_that_controls_have_added() -> None:
    standing = Standing(identity())
    standing.learn([FIRST])
    before = standing.require().signed.ring.sealing_key(samples.HOLDER, NOW)
    standing.learn([ADDED])
    after = standing.require().signed.ring.sealing_key(samples.HOLDER, NOW)
    assert (before.id, after.id) != (after.id, after.id)
    assert after.id == NEW_KEY.key_id


def test_one_asks_under_the_version_in_force_and_believes_the_ones_before() -> None:
    standing = Standing(identity())
    standing.learn([FIRST])
    assert standing.require().signed.digest == SIGNED.digest
    assert standing.identity.under(NEXT.digest) is None, "it has not come into force"
    standing.learn([RENEWED])
    assert standing.require().signed.digest == NEXT.digest
    before = standing.identity.under(SIGNED.digest)
    assert before is not None and before.agreement.version == 1
    assert standing.identity.under("c" * 64) is None


def test_a_forged_control_changes_nothing() -> None:
    alone = control(4, "key", (samples.HOLDER,), key=NEW_KEY)
    assert fold([FIRST, alone], identity()).in_force.added == ()


def test_an_agency_without_the_version_in_force_does_not_ask_but_still_reads() -> None:
    standing = Standing(world.identity())
    standing.learn([FIRST, RENEWED])
    with pytest.raises(Misconfigured, match="another version"):
        standing.require()
    assert standing.identity.under(SIGNED.digest) is not None

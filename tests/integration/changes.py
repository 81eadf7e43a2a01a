"""New epochs and agreement versions, and requests of an agency that has not yet received a control."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

from glomar_auditor.controls.cli import sign_version
from glomar_local.layout import Layout
from glomar_local.provision.credentials import epoch_files, official
from glomar_requester import Ask, Profile, Question
from glomar_requester.identity import Identity, load_identity
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_schemas.agreement.model import SignedAgreement, load_agreement, load_trust
from glomar_schemas.keys import KeyRecord
from glomar_schemas.messages import Answer
from glomar_verifier.cli import app
from msgspec.structs import replace

from tests.support.bus import Bus
from tests.support.commands import run_in_process
from tests.support.controls import BOTH
from tests.support.recorded import await_verdicts, open_verdict

REMOVED_JURISDICTION = "mad"
"""The second version does not list it."""
SOON = timedelta(seconds=5)
"""A key is valid from then on: long enough for its control to be stored before."""


def new_epoch(layout: Layout, lasts: timedelta) -> KeyRecord:
    """Valid from SOON on."""
    start = datetime.now(UTC) + SOON
    return epoch_files(layout).create("irs", start, start + lasts)


def second_version(layout: Layout, folder: Path) -> SignedAgreement:
    """Signed by all parties; it allows one jurisdiction less. folder: where it is written."""
    text = layout.agreement.read_text(encoding="utf-8")
    for old, new in (("\nversion = 1\n", "\nversion = 2\n"), (f'"{REMOVED_JURISDICTION}", ', "")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "agreement-2.toml"
    path.write_text(text, encoding="utf-8")
    for party in BOTH:
        sign_version(path, official(layout, party))
    return load_agreement(path, load_trust(layout.trust))


def wait_for(moment: datetime) -> None:
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(left)


def command(layout: Layout, *arguments: str) -> CompletedProcess[str]:
    """`glomar-verifier …` of the record holder, in this process."""
    return run_in_process(app, [*arguments, "--config", str(layout.settings("verifier"))])


def identity_with(used: Profile, *records: KeyRecord) -> Identity:
    """An agency that knows these keys and those of the agreement, and no other control."""
    identity = load_identity(used)
    ring = identity.signed.ring
    for record in records:
        ring = ring.having(record)
    return replace(identity, signed=replace(identity.signed, ring=ring))


def ask_late(bus: Bus, identity: Identity, asks: Sequence[Ask]) -> list[Answer]:
    """Requests of an agency that has received no control since `identity` was loaded -> the answers."""
    now = datetime.now(UTC)
    ids = [new_request_id(int(now.timestamp() * 1000), os.urandom(10)) for _ in asks]
    labels = [Label(request_id, "") for request_id in ids]
    prepared = compose([Question(ask) for ask in asks], labels, identity, now)
    subjects = [identity.subjects.request(identity.agency, request_id) for request_id in ids]
    for subject, each in zip(subjects, prepared, strict=True):
        stored = bus.wire(identity.agency).ask(subject.encode(), each.body)
        assert stored.get("seq"), stored
    verdicts = await_verdicts(bus, identity.agency, ids)
    return [open_verdict(bus.system, verdicts[request_id], identity.agency)[1] for request_id in ids]

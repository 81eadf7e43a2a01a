"""Keys, shreddings and versions as officials put them in force, and an agency that knows of them."""

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

from tests.integration.bus import Bus
from tests.integration.evidence import await_verdicts, opened
from tests.integration.holds import Officials
from tests.integration.officials import typed

BOTH = ("irs", "ice")
GONE = "mad"
"""A jurisdiction that the second version no longer lists."""
SOON = timedelta(seconds=5)
"""Enough for a control to be stored before the key that it names counts."""


class Changing(Officials):
    """Officials who change what is in force -> the stream sequence of each control."""

    def key(self, record: KeyRecord, parties: Sequence[str] = BOTH) -> int:
        return self._store(replace(self._control("key"), key=record), list(parties))[1]

    def shred(self, key_id: str, parties: Sequence[str] = BOTH) -> int:
        return self._store(replace(self._control("shred"), key_id=key_id), list(parties))[1]

    def agreement(self, digest: str, parties: Sequence[str] = BOTH) -> int:
        return self._store(replace(self._control("agreement"), agreement_digest=digest), list(parties))[1]


def new_epoch(layout: Layout, lasts: timedelta) -> KeyRecord:
    """Counts from soon on."""
    start = datetime.now(UTC) + SOON
    return epoch_files(layout).create("irs", start, start + lasts)


def second_version(layout: Layout, folder: Path) -> SignedAgreement:
    """Signed by all, it allows one jurisdiction less. folder: not always where services look."""
    text = layout.agreement.read_text(encoding="utf-8")
    for old, new in (("\nversion = 1\n", "\nversion = 2\n"), (f'"{GONE}", ', "")):
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
    """`glomar-verifier …` as the holder types it; in this process, which spares the program's start."""
    return typed(app, [*arguments, "--config", str(layout.settings("verifier"))])


def knowing(used: Profile, *records: KeyRecord) -> Identity:
    """An agency that knows of these keys besides those of the agreement, and of no control else."""
    identity = load_identity(used)
    ring = identity.signed.ring
    for record in records:
        ring = ring.having(record)
    return replace(identity, signed=replace(identity.signed, ring=ring))


def ask_late(bus: Bus, identity: Identity, asks: Sequence[Ask]) -> list[Answer]:
    """The answers to an agency that has heard of no control since `identity` was loaded, past its client."""
    now = datetime.now(UTC)
    ids = [new_request_id(int(now.timestamp() * 1000), os.urandom(10)) for _ in asks]
    labels = [Label(request_id, "") for request_id in ids]
    prepared = compose([Question(ask) for ask in asks], labels, identity, now)
    subjects = [identity.subjects.request(identity.agency, request_id) for request_id in ids]
    for subject, each in zip(subjects, prepared, strict=True):
        stored = bus.wire(identity.agency).ask(subject.encode(), each.body)
        assert stored.get("seq"), stored
    verdicts = await_verdicts(bus, identity.agency, ids)
    return [opened(bus.system, verdicts[request_id], identity.agency)[1] for request_id in ids]

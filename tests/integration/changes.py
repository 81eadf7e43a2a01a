"""Keys, shreddings and versions as officials put them in force, and an agency that knows of them."""

import asyncio
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from glomar_local.child import program
from glomar_local.layout import Layout
from glomar_requester import Ask, Client, Profile, Question, Result
from glomar_requester.connection import connect
from glomar_requester.identity import Identity, load_identity
from glomar_requester.store import Store
from glomar_schemas.keys import KeyRecord
from glomar_schemas.versions import Versions
from glomar_verifier.epochs.files import EpochFiles
from msgspec.structs import replace

from tests.integration.asking import LIMIT_S
from tests.integration.holds import Officials

BOTH = ("irs", "ice")
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


def epoch_files(layout: Layout) -> EpochFiles:
    return EpochFiles(layout.epochs, (layout.custodian("a"), layout.custodian("b")))


def new_epoch(layout: Layout, lasts: timedelta) -> KeyRecord:
    """Counts from soon on."""
    start = datetime.now(UTC) + SOON
    return epoch_files(layout).create("irs", start, start + lasts)


def wait_for(moment: datetime) -> None:
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(left)


def command(layout: Layout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`glomar-verifier …` as the holder types it."""
    config = ("--config", str(layout.settings("verifier")))
    return subprocess.run(
        [program("glomar-verifier"), *arguments, *config], capture_output=True, text=True, timeout=60
    )


def knowing(used: Profile, *records: KeyRecord) -> Identity:
    """The agency, which seals to the newest of these keys."""
    identity = load_identity(used)
    [signed] = identity.versions.by_digest.values()
    ring = signed.ring
    for record in records:
        ring = ring.having(record)
    return replace(identity, versions=Versions({signed.digest: replace(signed, ring=ring)}))


def ask_as(identity: Identity, used: Profile, asks: Sequence[Ask]) -> list[Result]:
    """Results in the order of the asks; each is asked anew."""

    async def run() -> list[Result]:
        connection = await connect(used.url, used.nkey)
        try:
            async with Client(connection, identity, Store(used.store)) as client:
                await connection.subscribe(client.releases, cb=client.receive)
                questions = [Question(each) for each in asks]
                found = {r.reference: r async for r in client.ask_many(questions, timeout_s=LIMIT_S)}
                return [found[each.reference] for each in asks]
        finally:
            await connection.close()

    return asyncio.run(run())

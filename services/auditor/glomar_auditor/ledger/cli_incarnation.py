"""`glomar-auditor incarnation`: a new stream and ledger that rest on the ones before."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_runtime.bus.connection import connect
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.errors import Misconfigured
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import VerifierKey
from msgspec import Struct

from glomar_auditor.ledger import incarnations
from glomar_auditor.ledger.fsck import require_ledger
from glomar_auditor.ledger.lock import claim
from glomar_auditor.settings import AuditorSettings

app = App("incarnation", help="A new stream and ledger that rest on the ones before.")

Config = Annotated[Path, Parameter(help="the auditor's TOML file, with the new `incarnation` and `ledger`")]
Previous = Annotated[Path, Parameter(help="the directory of the ledger before")]
AsJson = Annotated[bool, Parameter("--json", help="print JSON")]


class Plan(Struct, frozen=True):
    """The new incarnation, and the keys under which its ledger and the one before may be signed."""

    settings: AuditorSettings
    subjects: Subjects
    keys: list[VerifierKey]
    keys_before: list[VerifierKey]


@app.command(name="open")
def open_(*, config: Config, previous: Previous, as_json: AsJson = False) -> None:
    """Make the final checkpoint of the ledger before the first message of the new stream. May be repeated.

    The ledger before is verified whole, and never opened for writing again.
    """
    plan = _load(config)
    # Before it is claimed, which would make the directory.
    require_ledger(previous)
    lock = claim(previous)
    try:
        note = incarnations.final_checkpoint(previous, plan.keys_before)
        asyncio.run(_publish(plan, note))
        incarnations.finish(previous, note)
    finally:
        os.close(lock)
    _say(note, plan.subjects, as_json)


@app.command
def check(*, config: Config, previous: Previous, as_json: AsJson = False) -> None:
    """Verify both ledgers, and that the new one rests on the one before. Exit code 6 if not."""
    plan = _load(config)
    note = incarnations.final_checkpoint(previous, plan.keys_before)
    size = incarnations.verified(plan.settings.ledger, plan.keys).size
    incarnations.require_chained(plan.settings.ledger, size, plan.subjects, note)
    _say(note, plan.subjects, as_json)


def _load(config: Path) -> Plan:
    settings = load_settings(AuditorSettings, config)
    if settings.incarnation == 1:
        raise Misconfigured("the first one rests on no other", where="incarnation", fix="Set the new number")
    newest = load_versions(settings.agreement, load_trust(settings.trust)).newest
    subjects, oversight = Subjects(newest.agreement.id, settings.incarnation), newest.agreement.oversight
    ring = newest.ring.ledger_keys(oversight)
    keys_before = incarnations.log_keys(subjects.predecessor, oversight, ring)
    return Plan(settings, subjects, incarnations.log_keys(subjects, oversight, ring), keys_before)


async def _publish(plan: Plan, note: bytes) -> None:
    client = await connect(plan.settings, "glomar-auditor incarnation", quiet=True)
    try:
        await incarnations.publish_opening(client, plan.subjects, note)
    finally:
        await client.close()


def _say(note: bytes, subjects: Subjects, as_json: bool) -> None:
    origin, size, *_ = note.decode().split("\n")
    if as_json:
        print(json.dumps({"version": 1, "stream": subjects.stream, "previous": origin, "size": int(size)}))
    else:
        print(f"{subjects.stream} opens with the final checkpoint of {origin}, size {size}, as sequence 1")

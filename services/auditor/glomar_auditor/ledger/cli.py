"""`glomar-auditor archive` and `incarnation`: one file of a ledger, and its successor. stdout is data."""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_runtime.bus.connection import connected
from glomar_runtime.cli import AsJson, print_result, progress
from glomar_runtime.settings import load_settings
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import read_signing_key
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import VerifierKey, format_vkey, parse_vkey
from msgspec import Struct

from glomar_auditor.ledger import incarnations
from glomar_auditor.ledger.archive import freeze
from glomar_auditor.ledger.fsck import require_ledger
from glomar_auditor.ledger.lock import claim
from glomar_auditor.ledger.view import LAST_NS, in_zone, open_view, signed_prefix, to_ns
from glomar_auditor.settings import AuditorSettings

incarnation = App("incarnation", help="A new stream and ledger, chained to the previous ones.")

Config = Annotated[Path, Parameter(help="the auditor's TOML file, with the new `incarnation` and `ledger`")]
Previous = Annotated[Path, Parameter(help="the directory of the previous ledger")]


def archive(
    out: Annotated[Path, Parameter(help="the tar file to write; refuses to overwrite")],
    *,
    until: Annotated[
        datetime | None, Parameter(help="only what was stored before, such as 2027-01-01")
    ] = None,
    entries: Annotated[int | None, Parameter(help="only the first so many entries")] = None,
    checkpoint: Annotated[Path | None, Parameter(help="an older checkpoint, such as a cosigned one")] = None,
    config: Annotated[Path, Parameter(help="the auditor's TOML file")],
    as_json: Annotated[bool, Parameter("--json", negative="", help="print JSON")] = False,
) -> None:
    """Freeze the ledger under its newest checkpoint, or its beginning; also while the auditor runs.

    With --until or --entries the checkpoint over the beginning is signed now, with the ledger's key. Check
    the file with `verify`.
    """
    if sum(given is not None for given in (until, entries, checkpoint)) > 1:
        raise Misconfigured(
            "more than one is given", where="--until, --entries, --checkpoint", fix="Give only one of them"
        )
    settings = load_settings(AuditorSettings, config)
    agreement = settings.load_versions().newest.agreement
    origin = Subjects(agreement.id, settings.incarnation).origin(agreement.oversight)
    signer = read_signing_key(settings.ledger_key)
    view = open_view(settings.ledger, [parse_vkey(format_vkey(origin, signer.public_key()))], checkpoint)
    if entries is not None and not 0 < entries <= view.size:
        raise Misconfigured(f"the ledger has {view.size} entries", where="--entries", fix="Give fewer")
    if until is not None or entries is not None:
        until_ns = to_ns(in_zone(until, agreement.time_zone)) if until else LAST_NS
        view = signed_prefix(settings.ledger, view, signer, until_ns=until_ns, most=entries or view.size)
    with progress("freezing") as advance:
        digest = freeze(view, out, advance)
    root = view.checkpoint.root.hex()
    shape = {"file": str(out), "sha256": digest, "origin": origin, "size": view.size, "root": root}
    print_result(shape, f"{out}: {view.size} entries of {origin}, root {root}, sha256 {digest}", as_json)


class Plan(Struct, frozen=True):
    """The new incarnation, the keys that may sign its ledger, and those of the previous ledger."""

    settings: AuditorSettings
    subjects: Subjects
    keys: list[VerifierKey]
    previous_keys: list[VerifierKey]


@incarnation.command(name="open")
def open_(*, config: Config, previous: Previous, as_json: AsJson = False) -> None:
    """Store the final checkpoint of the previous ledger as the first message of the new stream. Idempotent.

    The previous ledger is verified whole first, and never opened for writing again.
    """
    plan = _load(config)
    # Before the claim, which would create the directory.
    require_ledger(previous)
    lock = claim(previous)
    try:
        note = incarnations.final_checkpoint(previous, plan.previous_keys)
        asyncio.run(_publish(plan, note))
        incarnations.finish(previous, note)
    finally:
        os.close(lock)
    _say(note, plan.subjects, as_json)


@incarnation.command
def check(*, config: Config, previous: Previous, as_json: AsJson = False) -> None:
    """Verify both ledgers, and that the new one is chained to the previous one. Exit code 6 if not."""
    plan = _load(config)
    note = incarnations.final_checkpoint(previous, plan.previous_keys)
    size = incarnations.verified(plan.settings.ledger, plan.keys).size
    incarnations.require_chained(plan.settings.ledger, size, plan.subjects, note)
    _say(note, plan.subjects, as_json)


def _load(config: Path) -> Plan:
    settings = load_settings(AuditorSettings, config)
    if settings.incarnation == 1:
        raise Misconfigured(
            "the first incarnation has no previous one", where="incarnation", fix="Set the new number"
        )
    newest = settings.load_versions().newest
    subjects, oversight = Subjects(newest.agreement.id, settings.incarnation), newest.agreement.oversight
    ring = newest.ring.ledger_keys(oversight)
    previous_keys = incarnations.log_keys(subjects.predecessor, oversight, ring)
    return Plan(settings, subjects, incarnations.log_keys(subjects, oversight, ring), previous_keys)


async def _publish(plan: Plan, note: bytes) -> None:
    async with connected(plan.settings, "glomar-auditor incarnation") as client:
        await incarnations.publish_opening(client, plan.subjects, note)


def _say(note: bytes, subjects: Subjects, as_json: bool) -> None:
    origin, size, *_ = note.decode().split("\n")
    text = f"{subjects.stream} opens with the final checkpoint of {origin}, size {size}, as sequence 1"
    print_result({"stream": subjects.stream, "previous": origin, "size": int(size)}, text, as_json)

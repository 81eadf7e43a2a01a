"""`glomar-verifier epoch`: create, list and destroy sealing keys. stdout: data, stderr: messages."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_runtime.bus.connection import connected
from glomar_runtime.bus.controls import latest_in_force
from glomar_runtime.cli import AsJson, print_result, utc
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.errors import Misconfigured, Refused
from glomar_schemas.subjects import Subjects

from glomar_verifier.epochs.epoch import survey
from glomar_verifier.epochs.files import EpochFiles
from glomar_verifier.settings import VerifierSettings

app = App(
    "epoch",
    help="The keys to which particulars are sealed: one for each epoch, shredded when its retention ends.",
)

EPOCH = timedelta(days=31)
OVERLAP = timedelta(days=7)
"""Time in which the next key is in force too: a requester that learns of it late still seals to this one."""

Config = Annotated[Path, Parameter(help="the verifier's TOML file")]
KeyId = Annotated[str, Parameter(help="as `epoch list` shows it")]


@app.command
def new(
    *,
    from_: Annotated[datetime, Parameter("--from", help="UTC, unless an offset is given")],
    until: Annotated[datetime | None, Parameter(help="default: 38 days later")] = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Create a key. Others seal to it once a control names it. Nothing is sent."""
    settings, versions = _load(config)
    since = utc(from_)
    end = utc(until) if until else since + EPOCH + OVERLAP
    if end <= since:
        raise Misconfigured("an epoch that ends before it begins", where="--until")
    record = epoch_files(settings).create(versions.newest.agreement.holder, since, end)
    text = f"key id  {record.key_id}\nparty   {record.party}\npublic  {record.public}\n"
    text += f"from    {since.isoformat()}\nuntil   {end.isoformat()}"
    print_result({"key_id": record.key_id, **msgspec.to_builtins(record)}, text, as_json)


@app.command(name="list")
def list_(*, config: Config, as_json: AsJson = False) -> None:
    """List every epoch: its state, when it is to be shredded, and how many files of its key exist."""
    settings, versions = _load(config)
    files = epoch_files(settings)
    in_force = asyncio.run(_in_force(settings, versions))
    records = files.records()
    ids = {record.key_id for record in (*records, *in_force.require().agreement.keys, *in_force.added)}
    counts = {key_id: files.files(key_id) for key_id in ids}
    epochs = survey(records, counts, in_force, datetime.now(UTC))
    if as_json:
        print(json.dumps({"version": 1, "epochs": msgspec.to_builtins(epochs)}))
        return
    for epoch in epochs:
        days = (epoch.valid_from, epoch.valid_until, epoch.retention_ends)
        since, until, ends = (f"{day:%Y-%m-%d}" for day in days)
        due = ", DUE TO BE SHREDDED" if epoch.due else ""
        print(f"{epoch.key_id}  {since} to {until}, retained to {ends}")
        print(f"    {epoch.state}, {epoch.files} of 3 files{due}")


@app.command
def destroy(key_id: KeyId, *, config: Config, as_json: AsJson = False) -> None:
    """Destroy a key that a control has shredded: its wrapped file and both shares. Can be repeated.

    Without such a control: exit code 3, and nothing is changed.
    """
    settings, versions = _load(config)
    in_force = asyncio.run(_in_force(settings, versions))
    if key_id not in in_force.shredded:
        raise Refused(
            "no valid control has shredded this key",
            where=f"control 1 to {in_force.slot}",
            fix="Nothing was changed. Publish the control first: glomar-auditor control draft shred",
        )
    count = epoch_files(settings).destroy(key_id)
    text = f"{key_id}: {count} of 3 files were there and are destroyed"
    print_result({"key_id": key_id, "files_destroyed": count}, text, as_json)


def epoch_files(settings: VerifierSettings) -> EpochFiles:
    return EpochFiles(settings.epochs, (settings.custodian_a, settings.custodian_b))


def _load(config: Path) -> tuple[VerifierSettings, Versions]:
    settings = load_settings(VerifierSettings, config)
    return settings, settings.load_versions()


async def _in_force(settings: VerifierSettings, versions: Versions) -> InForce:
    async with connected(settings, "glomar-verifier epoch", quiet=False) as client:
        subjects = Subjects(versions.newest.agreement.id, settings.incarnation)
        return await latest_in_force(client, versions, subjects)

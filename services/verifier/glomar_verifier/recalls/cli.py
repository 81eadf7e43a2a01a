"""`glomar-verifier recall` and `recalls`: take verdicts back, see what is outstanding. stdout is data."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_runtime.bus.connection import connect
from glomar_runtime.bus.controls import latest_in_force
from glomar_runtime.cli import Advance, progress
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.model import SignedAgreement, load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.errors import Malformed, Misconfigured, Refused
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Cause
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.client import Client

from glomar_verifier.decisions.ledger_watch import OwnVerdicts, open_own
from glomar_verifier.decisions.publish import unheard
from glomar_verifier.recalls.recall import Already, Made, Recaller, Standing, standings
from glomar_verifier.recalls.recall_file import Row, Wanted, read_rows
from glomar_verifier.settings import VerifierSettings

IN_FLIGHT = 32
LONGEST_OFFICE = 200

Config = Annotated[Path, Parameter(help="the verifier's TOML file")]
AsJson = Annotated[bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")]


def recall(
    request_id: Annotated[str, Parameter(help="whose verdict is taken back")] = "",
    *,
    agency: Annotated[str, Parameter(help="who asked; with --file for rows that do not say")] = "",
    cause: Annotated[Cause | None, Parameter(help="why; with --file for rows that do not say")] = None,
    by: Annotated[str, Parameter(help="the office that recalls; no person's name")],
    file: Annotated[Path | None, Parameter(help="CSV: request_id, and agency, cause if they differ")] = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Take a verdict back: the agency is told at once, and must destroy the answer and say so.

    With --file many at once; a row that can't be recalled is reported with its line, and the others go on.
    Exit code 3 if a verdict was not there, or (without --file) recalled already.
    """
    if bool(request_id) == (file is not None):
        raise Misconfigured("neither or both given", where="request id, --file", fix="Give one of them")
    if not 0 < len(by) <= LONGEST_OFFICE:
        raise Misconfigured(f"not 1 to {LONGEST_OFFICE} characters", where="--by")
    if file is None:
        if not agency or cause is None:
            raise Misconfigured("missing", where="--agency" if not agency else "--cause")
        made = asyncio.run(_recall_one(Wanted(request_id=request_id, agency=agency, cause=cause), by, config))
        if as_json:
            print(msgspec.json.encode({"version": 1, **msgspec.to_builtins(made)}).decode())
        else:
            print(f"{made.request_id}: recalled, sequence {made.sequence}")
        return
    rows = list(read_rows(file, agency, cause))
    with progress("recalling") as advance:
        counts = asyncio.run(_recall_many(rows, by, config, file, advance))
    summary = {name: counts[name] for name in ("recalled", "already", "refused", "bad_rows")}
    if as_json:
        print(msgspec.json.encode({"version": 1, "rows": len(rows), **summary}).decode())
    else:
        print(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.items()))
    if failed := counts["refused"] + counts["bad_rows"]:
        raise Refused(f"{failed} of {len(rows)} rows not recalled", where=str(file))


def recalls(
    *,
    outstanding: Annotated[bool, Parameter(negative="", help="only what no ack has come for")] = False,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """List all recalls, and whether each was acknowledged and when."""

    async def run() -> list[Standing]:
        async with _holder(config) as holder:
            every = [each async for each in standings(holder.client, holder.subjects, holder.signed)]
            return [each for each in every if not outstanding or each.acknowledged_at is None]

    found = asyncio.run(run())
    waiting = sum(each.acknowledged_at is None for each in found)
    if as_json:
        shape = {"version": 1, "outstanding": waiting, "recalls": found}
        print(msgspec.json.encode(shape).decode())
        return
    for each in found:
        state = f"destroyed {each.destroyed_at:%Y-%m-%d %H:%M:%S %Z}" if each.destroyed_at else "OUTSTANDING"
        when = f"{each.recalled_at:%Y-%m-%d %H:%M:%S %Z}"
        print(f"{each.request_id}  {each.agency}  {each.cause}  recalled {when}  {state}")
    print(f"{len(found)} recalls, {waiting} outstanding", file=sys.stderr)


async def _recall_one(wanted: Wanted, by: str, config: Path) -> Made:
    async with _holder(config) as holder:
        return await holder.recaller(by).recall(wanted)


async def _recall_many(rows: list[Row], by: str, config: Path, file: Path, advance: Advance) -> Counter[str]:
    counts: Counter[str] = Counter()
    limit = asyncio.Semaphore(IN_FLIGHT)

    async def one(recaller: Recaller, row: Row) -> None:
        async with limit:
            outcome, fault = "bad_rows", row.fault
            if row.wanted is not None:
                outcome, fault = await _outcome(recaller, row.wanted)
        counts[outcome] += 1
        advance(counts.total(), len(rows))
        if fault:
            print(f"{file}: line {row.line}: {fault}", file=sys.stderr)

    async with _holder(config) as holder:
        recaller = holder.recaller(by)
        try:
            async with asyncio.TaskGroup() as group:
                for row in rows:
                    group.create_task(one(recaller, row))
        except ExceptionGroup as faults:
            # Nothing is lost: run again, and what is recalled by now is said to be.
            raise faults.exceptions[0] from None
    return counts


async def _outcome(recaller: Recaller, wanted: Wanted) -> tuple[str, str]:
    """What is counted, and what is said of it."""
    try:
        await recaller.recall(wanted)
    except Already as fault:
        return "already", fault.what
    except Malformed as fault:
        return "bad_rows", fault.what
    except Refused as fault:
        return "refused", fault.what
    return "recalled", ""


class _Holder(Struct):
    client: Client
    subjects: Subjects
    signed: SignedAgreement
    signer: Signer
    own: OwnVerdicts | None

    def recaller(self, office: str) -> Recaller:
        acknowledged = self.own.acknowledged if self.own else unheard
        return Recaller(self.client, self.subjects, self.signed, self.signer, office, acknowledged)


@asynccontextmanager
async def _holder(config: Path) -> AsyncIterator[_Holder]:
    """Connected as the record holder, with the agreement in force. Raises Misconfigured, Unreachable."""
    settings = load_settings(VerifierSettings, config)
    versions = load_versions(settings.agreement, load_trust(settings.trust))
    signer = Signer(read_signing_key(settings.signing_key))
    subjects = Subjects(versions.newest.agreement.id, settings.incarnation)
    own = open_own(settings, versions, subjects, lambda: versions.newest.ring)
    try:
        client = await connect(settings, "glomar-verifier recalls", quiet=True)
        try:
            in_force = await latest_in_force(client, versions, subjects)
            yield _Holder(client, subjects, in_force.require(), signer, own)
        finally:
            await client.close()
    finally:
        if own is not None:
            own.close()

"""`glomar-verifier recall` and `recalls`: recall verdicts, list recalls. stdout: data, stderr: messages."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_runtime.bus.connection import connected
from glomar_runtime.bus.controls import latest_in_force
from glomar_runtime.cli import Advance, progress
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.errors import Malformed, Misconfigured, Refused
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Cause
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.client import Client

from glomar_verifier.decisions.ledger_watch import VerifierLedgerWatch, open_ledger_watch
from glomar_verifier.decisions.store_verdicts import ignore_stored
from glomar_verifier.recalls.recall import AlreadyRecalled, Recaller, RecallState, StoredRecall, recall_states
from glomar_verifier.recalls.recall_file import RecallRow, RecallTarget, read_rows
from glomar_verifier.settings import VerifierSettings

IN_FLIGHT = 32
LONGEST_OFFICE = 200

Config = Annotated[Path, Parameter(help="the verifier's TOML file")]
AsJson = Annotated[bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")]


def recall(
    request_id: Annotated[str, Parameter(help="the request whose verdict is recalled")] = "",
    *,
    agency: Annotated[str, Parameter(help="the requester; with --file: for rows without one")] = "",
    cause: Annotated[Cause | None, Parameter(help="why; with --file: for rows without one")] = None,
    by: Annotated[str, Parameter(help="the office that recalls; no person's name")],
    file: Annotated[Path | None, Parameter(help="CSV: request_id, and agency, cause if they differ")] = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Recall a verdict: the agency is notified at once, and must destroy the answer and acknowledge that.

    With --file many at once: a row that can't be recalled is reported with its line, and the others go on.
    Exit code 3 if there is no such verdict, or (without --file) if it was recalled before.
    """
    if bool(request_id) == (file is not None):
        raise Misconfigured("neither or both given", where="request id, --file", fix="Give one of them")
    if not 0 < len(by) <= LONGEST_OFFICE:
        raise Misconfigured(f"not 1 to {LONGEST_OFFICE} characters", where="--by")
    if file is not None:
        _recall_file(file, agency, cause, by, config, as_json)
        return
    if not agency or cause is None:
        raise Misconfigured("missing", where="--agency" if not agency else "--cause")
    target = RecallTarget(request_id=request_id, agency=agency, cause=cause)
    stored = asyncio.run(_recall_one(target, by, config))
    if as_json:
        print(msgspec.json.encode({"version": 1, **msgspec.to_builtins(stored)}).decode())
    else:
        print(f"{stored.request_id}: recalled, sequence {stored.sequence}")


def _recall_file(file: Path, agency: str, cause: Cause | None, by: str, config: Path, as_json: bool) -> None:
    """Raises Refused if a row was not recalled."""
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
    outstanding: Annotated[
        bool, Parameter(negative="", help="only recalls without an acknowledgement")
    ] = False,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """List all recalls, and when each was acknowledged."""

    async def run() -> list[RecallState]:
        async with _holder(config) as holder:
            every = [each async for each in recall_states(holder.client, holder.subjects, holder.signed)]
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


async def _recall_one(target: RecallTarget, by: str, config: Path) -> StoredRecall:
    async with _holder(config) as holder:
        return await holder.recaller(by).recall(target)


async def _recall_many(
    rows: list[RecallRow], by: str, config: Path, file: Path, advance: Advance
) -> Counter[str]:
    counts: Counter[str] = Counter()
    limit = asyncio.Semaphore(IN_FLIGHT)

    async def one(recaller: Recaller, row: RecallRow) -> None:
        async with limit:
            outcome, fault = "bad_rows", row.fault
            if row.target is not None:
                outcome, fault = await _outcome(recaller, row.target)
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
            # Nothing is lost: a second run reports the rows that were recalled before.
            raise faults.exceptions[0] from None
    return counts


async def _outcome(recaller: Recaller, target: RecallTarget) -> tuple[str, str]:
    """(the count that it adds to, the message or "")."""
    try:
        await recaller.recall(target)
    except AlreadyRecalled as fault:
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
    ledger_watch: VerifierLedgerWatch | None

    def recaller(self, office: str) -> Recaller:
        on_stored = self.ledger_watch.on_stored if self.ledger_watch else ignore_stored
        return Recaller(self.client, self.subjects, self.signed, self.signer, office, on_stored)


@asynccontextmanager
async def _holder(config: Path) -> AsyncIterator[_Holder]:
    """Connects as the record holder, with the agreement in force. Raises Misconfigured, Unreachable."""
    settings = load_settings(VerifierSettings, config)
    versions = settings.load_versions()
    signer = Signer(read_signing_key(settings.signing_key))
    subjects = Subjects(versions.newest.agreement.id, settings.incarnation)
    ledger_watch = open_ledger_watch(settings, versions, subjects, lambda: versions.newest.ring)
    try:
        async with connected(settings, "glomar-verifier recalls") as client:
            in_force = await latest_in_force(client, versions, subjects)
            yield _Holder(client, subjects, in_force.require(), signer, ledger_watch)
    finally:
        if ledger_watch is not None:
            ledger_watch.close()

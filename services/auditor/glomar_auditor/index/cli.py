"""`glomar-auditor rebuild-index`, `search` and `show`. stdout is data, stderr is people."""

import asyncio
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_runtime.cli import progress
from glomar_schemas.errors import Misconfigured

from glomar_auditor.index.context import Sight, sight
from glomar_auditor.index.database import Damaged, Index, Wanted, remove
from glomar_auditor.index.fill import fill
from glomar_auditor.index.periods import LAST_NS, in_zone, to_ns
from glomar_auditor.index.request_history import Story, stories
from glomar_auditor.index.search import EVERY_OUTCOME, Matter, search

NAME = "glomar-auditor"

Config = Annotated[Path, Parameter("--config", help="the auditor's TOML file")]
AsJson = Annotated[bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")]
Since = Annotated[datetime | None, Parameter(help="from then on; in the agreement's time zone")]
Until = Annotated[datetime | None, Parameter(help="before then")]


def rebuild_index(*, config: Config, as_json: AsJson = False) -> None:
    """Make the index anew from ledger and stream, also while the auditor runs. Each message is checked."""

    async def run() -> tuple[Path, int]:
        async with sight(config, NAME) as seen:
            path = seen.settings.index_file
            index = _emptied(seen, path)
            with progress("indexing") as advance:
                await fill(index, seen.reading, seen.client, seen.subjects.stream, seen.view, advance=advance)
            size = index.size
            index.close()
            return path, size

    path, size = asyncio.run(run())
    print(
        msgspec.json.encode({"version": 1, "index": str(path), "size": size}).decode()
        if as_json
        else f"{path}: {size} entries"
    )


def find(
    *,
    since: Since = None,
    until: Until = None,
    agency: str = "",
    officer: Annotated[str, Parameter(help="the officer's id")] = "",
    condition: Annotated[str, Parameter(help="refused under this condition, such as L2")] = "",
    outcome: Annotated[str, Parameter(help="|".join(EVERY_OUTCOME))] = "",
    request_id: Annotated[str, Parameter("--id", help="the request's id")] = "",
    trace_id: str = "",
    limit: Annotated[int, Parameter(help="the newest so many; 0: all")] = 100,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Find requests in the index. What it finds is no evidence: `show` proves it."""
    if outcome not in ("", *EVERY_OUTCOME):
        raise Misconfigured("no such outcome", where="--outcome", fix=f"One of {', '.join(EVERY_OUTCOME)}")
    if limit < 0:
        raise Misconfigured("less than 0", where="--limit")

    async def run() -> tuple[list[Matter], int, int, int]:
        async with sight(config, NAME) as seen:
            zone = seen.agreement.time_zone
            wanted = Wanted(
                since_ns=to_ns(in_zone(since, zone)) if since else 0,
                until_ns=to_ns(in_zone(until, zone)) if until else LAST_NS,
                agency=agency,
                officer=officer,
                request_id=request_id,
                trace=trace_id.lower(),
            )
            index = seen.index()
            every = list(search(index, seen.reading, wanted, condition=condition, outcome=outcome))
            return every[-limit:] if limit else every, len(every), index.size, seen.view.size

    found, total, size, ledger_size = asyncio.run(run())
    if size < ledger_size:
        print(f"{NAME}: the index has {size} of {ledger_size} entries so far", file=sys.stderr)
    if as_json:
        shape = {"version": 1, "indexed": size, "ledger": ledger_size, "total": total, "requests": found}
        print(msgspec.json.encode(shape).decode())
        return
    for matter in found:
        print(_line(matter))
    print(
        f"{total} requests" + (f", the newest {len(found)} shown" if len(found) < total else ""),
        file=sys.stderr,
    )


def show(
    request_id: Annotated[str, Parameter(help="a request's id, or its sequence")],
    *,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """The whole story of one request from ledger and stream, with a proof of each message."""

    async def run() -> list[Story]:
        async with sight(config, NAME) as seen:
            return await stories(seen, request_id)

    found = asyncio.run(run())
    if as_json:
        print(msgspec.json.encode({"version": 1, "stories": found}).decode())
    else:
        print("\n\n".join("\n".join(_told(story)) for story in found))


def _emptied(seen: Sight, path: Path) -> Index:
    try:
        index = seen.index(write=True)
        index.clear()
    except Damaged:
        remove(path)
        index = seen.index(write=True)
    return index


def _line(matter: Matter) -> str:
    what = f"{matter.outcome} {','.join(matter.conditions)}".strip()
    fields = (
        f"{matter.sequence:>8}",
        f"{matter.at:%Y-%m-%d %H:%M:%S}Z",
        matter.agency,
        matter.officer or "-",
        matter.ground or "-",
        matter.request_id,
        what + (f" ({matter.fault})" if matter.fault else ""),
    )
    return "  ".join(fields)


def _told(story: Story) -> Iterator[str]:
    yield f"Request {story.request_id} of {story.agency}: {story.outcome or 'no outcome'}; {story.state}"
    yield ""
    for name, value in story.clear.items():
        if name not in ("id", "agency"):
            yield f"  {name:<19} {_plain(value)}"
    for refusal in story.refusals:
        yield f"  refused under {refusal.condition} ({refusal.citation}): {refusal.message}"
    yield ""
    for told in story.messages:
        yield f"  {told.kind:<8} sequence {told.sequence}, {told.at:%Y-%m-%d %H:%M:%S.%f} UTC"
        yield f"           {told.subject}"
        yield f"           sha256 {told.sha256}"
        count = f"does not count: {told.fault}" if told.fault else "signed by whom it must be"
        yield f"           in the ledger as leaf {told.sequence - 1}: proved; {count}"
    for hold in story.holds:
        end = (
            f"lifted by slot {hold.lifted_slot} at {hold.lifted_at:%Y-%m-%d %H:%M:%S}"
            if hold.lifted_at
            else "in force"
        )
        yield f"  hold     slot {hold.slot}, sequence {hold.sequence}, {hold.scope}: {hold.authority}; {end}"
    yield ""
    yield f"  checkpoint {story.origin}, {story.size} entries, root {story.root}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{inner}" for inner in value.values() if inner)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, islice(value, 50)))
    return str(value)

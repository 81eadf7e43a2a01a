"""`glomar-auditor rebuild-index`, `search` and `show`."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_runtime.cli import progress
from glomar_schemas.errors import Misconfigured
from msgspec.structs import replace

from glomar_auditor.index.context import OversightContext, open_context
from glomar_auditor.index.database import Damaged, Index, RequestFilter, remove
from glomar_auditor.index.fill import fill
from glomar_auditor.index.request_history import RequestHistory, request_histories
from glomar_auditor.index.search import EVERY_OUTCOME, RequestSummary, search
from glomar_auditor.ledger.view import LAST_NS, in_zone, to_ns

NAME = "glomar-auditor"

Config = Annotated[Path, Parameter("--config", help="the auditor's TOML file")]
AsJson = Annotated[bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")]
Since = Annotated[datetime | None, Parameter(help="from then on; in the agreement's time zone")]
Until = Annotated[datetime | None, Parameter(help="before then")]


def rebuild_index(*, config: Config, as_json: AsJson = False) -> None:
    """Rebuild the index from ledger and stream, also while the auditor runs. Each message is checked."""

    async def run() -> tuple[Path, int]:
        async with open_context(config, NAME) as context:
            path, stream = context.settings.index_file, context.subjects.stream
            index = _cleared(context, path)
            with progress("indexing") as advance:
                await fill(index, context.reader, context.client, stream, context.view, advance=advance)
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
    limit: Annotated[int, Parameter(help="show the newest N; 0: all")] = 100,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Find requests in the index. The result is no evidence: `show` proves it."""
    if outcome not in ("", *EVERY_OUTCOME):
        raise Misconfigured("no such outcome", where="--outcome", fix=f"One of {', '.join(EVERY_OUTCOME)}")
    if limit < 0:
        raise Misconfigured("less than 0", where="--limit", fix="Give 0 or more")

    wanted = RequestFilter(agency=agency, officer=officer, request_id=request_id, trace=trace_id.lower())

    async def run() -> tuple[list[RequestSummary], int, int]:
        async with open_context(config, NAME) as context:
            index = context.index()
            period = in_period(wanted, since, until, context.agreement.time_zone)
            found = list(search(index, context.reader, period, condition=condition, outcome=outcome))
            return found, index.size, context.view.size

    found, size, ledger_size = asyncio.run(run())
    shown = found[-limit:] if limit else found
    if size < ledger_size:
        print(f"{NAME}: the index has {size} of {ledger_size} entries so far", file=sys.stderr)
    if as_json:
        shape = {"version": 1, "indexed": size, "ledger": ledger_size, "total": len(found), "requests": shown}
        print(msgspec.json.encode(shape).decode())
    else:
        _print_summaries(shown, len(found))


def show(
    request_id: Annotated[str, Parameter(help="a request's id, or its sequence")],
    *,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """The history of one request from ledger and stream, with a proof of each message."""

    async def run() -> list[RequestHistory]:
        async with open_context(config, NAME) as context:
            return await request_histories(context, request_id)

    found = asyncio.run(run())
    if as_json:
        print(msgspec.json.encode({"version": 1, "stories": found}).decode())
    else:
        print("\n\n".join("\n".join(_history_lines(history)) for history in found))


def in_period(
    wanted: RequestFilter, since: datetime | None, until: datetime | None, zone: str
) -> RequestFilter:
    """The same filter for one period. A time without a zone is in `zone`; None: no limit."""
    return replace(
        wanted,
        since_ns=to_ns(in_zone(since, zone)) if since else 0,
        until_ns=to_ns(in_zone(until, zone)) if until else LAST_NS,
    )


def _cleared(context: OversightContext, path: Path) -> Index:
    try:
        index = context.index(write=True)
        index.clear()
    except Damaged:
        remove(path)
        index = context.index(write=True)
    return index


def _print_summaries(shown: Sequence[RequestSummary], total: int) -> None:
    for summary in shown:
        print(_summary_line(summary))
    more = f", the newest {len(shown)} shown" if len(shown) < total else ""
    print(f"{total} requests{more}", file=sys.stderr)


def _summary_line(summary: RequestSummary) -> str:
    what = f"{summary.outcome} {','.join(summary.conditions)}".strip()
    fields = (
        f"{summary.sequence:>8}",
        f"{summary.at:%Y-%m-%d %H:%M:%S}Z",
        summary.agency,
        summary.officer or "-",
        summary.ground or "-",
        summary.request_id,
        what + (f" ({summary.fault})" if summary.fault else ""),
    )
    return "  ".join(fields)


def _history_lines(history: RequestHistory) -> Iterator[str]:
    outcome = history.outcome or "no outcome"
    yield f"Request {history.request_id} of {history.agency}: {outcome}; {history.state}"
    yield ""
    for name, value in history.clear.items():
        if name not in ("id", "agency"):
            yield f"  {name:<19} {_plain(value)}"
    for refusal in history.refusals:
        yield f"  refused under {refusal.condition} ({refusal.citation}): {refusal.message}"
    yield ""
    for message in history.messages:
        yield f"  {message.kind:<8} sequence {message.sequence}, {message.at:%Y-%m-%d %H:%M:%S.%f} UTC"
        yield f"           {message.subject}"
        yield f"           sha256 {message.sha256}"
        signature = f"does not count: {message.fault}" if message.fault else "signed by the right party"
        yield f"           in the ledger as leaf {message.sequence - 1}: proved; {signature}"
    for hold in history.holds:
        end = (
            f"lifted by slot {hold.lifted_slot} at {hold.lifted_at:%Y-%m-%d %H:%M:%S}"
            if hold.lifted_at
            else "in force"
        )
        yield f"  hold     slot {hold.slot}, sequence {hold.sequence}, {hold.scope}: {hold.authority}; {end}"
    yield ""
    yield f"  checkpoint {history.origin}, {history.size} entries, root {history.root}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{inner}" for inner in value.values() if inner)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, islice(value, 50)))
    return str(value)

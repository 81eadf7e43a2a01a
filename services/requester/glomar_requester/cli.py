"""`glomar-requester`: the service and the commands. stdout is data, stderr is for people."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import App, Parameter
from glomar_runtime.cli import progress, run_cli
from glomar_runtime.cli_receipt import verify_receipt, write_receipt
from glomar_runtime.settings import load_settings
from glomar_schemas.errors import IntegrityError, Misconfigured, TimedOut
from glomar_schemas.files import require_distinct
from glomar_schemas.request_file import COLUMNS, Ask, parse_ask

from glomar_requester.ask import BadForm
from glomar_requester.client import Client
from glomar_requester.files.read_requests import BadRow
from glomar_requester.files.result_file import open_results
from glomar_requester.files.submit import Submission, Summary
from glomar_requester.settings import RequesterSettings
from glomar_requester.verification.release import Proof, Result

BAD_ROWS_SHOWN = 50

Config = Annotated[Path, Parameter(help="the requester's TOML file", env_var="GLOMAR_REQUESTER_CONFIG")]
AsJson = Annotated[bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")]
Timeout = Annotated[float, Parameter(help="seconds to wait for an answer")]
RequestIdentifier = Annotated[str, Parameter(help="the id that submit or ask printed")]

DEFAULT_CONFIG = Path("requester.toml")

app = App(
    "glomar-requester",
    help="The requesting agency of Glomar: send requests, verify and prove answers.",
)
app.command(verify_receipt)


@app.command
def serve(*, config: Config = DEFAULT_CONFIG) -> None:
    """Serve the HTTP API, and send the requests that a crash left in the store. Until stopped."""
    # FastStream, uvicorn and pydantic take most of a second to load; the other commands do not need them.
    from glomar_runtime import service

    from glomar_requester.service.app import build_app

    settings = load_settings(RequesterSettings, config)
    service.run("glomar-requester", settings, lambda stop: build_app(settings, stop))


@app.command
def submit(
    file: Annotated[Path, Parameter(help="CSV with a header row, or NDJSON (.ndjson, .jsonl)")],
    *,
    wait: Annotated[bool, Parameter(negative="", help="wait for the answers")] = False,
    out: Annotated[Path | None, Parameter(help="where results go: CSV, or NDJSON by its name")] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
    timeout_s: Timeout = 300.0,
) -> None:
    """Send every row of a file, and write one result for each.

    Running the same file again with the same store sends nothing twice: each row is known by the file's
    SHA-256 and its line. After a crash, or to fetch late answers, run it again.

    Without --wait each row is `unanswered` as soon as it is stored durably. Exit code 0 if every row has
    an outcome (or, without --wait, is stored), 4 if some are unanswered, 6 if an answer failed verification.
    """
    shown = 0

    def report(row: BadRow) -> None:
        nonlocal shown
        shown += 1
        if shown <= BAD_ROWS_SHOWN:
            print(f"{file}: {row}; left out", file=sys.stderr)

    if out is not None:
        require_distinct(out, file, config, load_settings(RequesterSettings, config).store)

    async def run() -> Summary:
        async with _client(config) as client:
            with open_results(out, quiet=as_json) as writer, progress("sending") as advance:
                submission = Submission(client, file, writer, report)
                return await submission.run(wait=wait, timeout_s=timeout_s, advance=advance)

    from glomar_runtime.service import tune_garbage_collector

    tune_garbage_collector()
    summary = uvloop.run(run())
    if shown > BAD_ROWS_SHOWN:
        print(f"{file}: {shown - BAD_ROWS_SHOWN} more rows left out", file=sys.stderr)
    if as_json:
        _print_json(summary)
    if summary.fault:
        raise IntegrityError(summary.fault, where=str(file), fix="Such rows are written as unanswered")
    if wait and summary.unanswered:
        what = f"{summary.unanswered} of {summary.rows} rows unanswered"
        if summary.unwitnessed:
            what += (
                f"; {summary.unwitnessed} of them have an answer that no quorum of witnesses has cosigned yet"
            )
        raise TimedOut(what, where=str(file), fix="Run it again later")


@app.command
def ask(
    *, config: Config = DEFAULT_CONFIG, as_json: AsJson = False, timeout_s: Timeout = 30.0, **fields: str
) -> None:
    """Send one request and wait for its answer.

    Parameters
    ----------
    fields
        any column of a request file, under its name there: --first-name, --tax-periods "2023;2024"
    """
    request = _parse_fields({name.replace("-", "_"): text for name, text in fields.items()})

    async def run() -> Result:
        async with _client(config) as client:
            return await client.ask(request, timeout_s=timeout_s)

    _print_result(uvloop.run(run()), as_json)


@app.command
def result(
    request_id: RequestIdentifier,
    *,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
    timeout_s: Timeout = 5.0,
) -> None:
    """Print the verified result of a request."""

    async def run() -> Result:
        async with _client(config) as client:
            return await client.result(request_id, timeout_s=timeout_s)

    _print_result(uvloop.run(run()), as_json)


@app.command
def prove(
    request_id: RequestIdentifier,
    *,
    out: Annotated[Path | None, Parameter(help="write the receipt to this file: NAME.tlog-proof")] = None,
    anew: Annotated[
        bool, Parameter(negative="", help="fetch a new receipt, under the latest cosigned checkpoint")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
    timeout_s: Timeout = 5.0,
) -> None:
    """Verify a stored answer again, and print its receipt (tlog-proof@v1) and what was checked.

    The receipt shows that the answer was recorded, where and when, but not its content. Anybody may see it
    and check it with `verify-receipt`.
    """

    async def run() -> Proof:
        async with _client(config) as client:
            await client.result(request_id, timeout_s=timeout_s, anew=anew)
            return await client.prove(request_id)

    proof = uvloop.run(run())
    if out is not None:
        write_receipt(out, proof.receipt)
    if as_json:
        _print_json({"version": 1, **msgspec.to_builtins(proof)})
        return
    if out is None:
        print(proof.receipt, end="")
    checked = (
        f"the holder signed this verdict, on the request as this agency sent it: {proof.result.outcome}",
        "the answer is the one whose SHA-256 the verdict signs",
        f"leaf {(proof.result.sequence or 0) - 1} is this verdict, SHA-256 {proof.body_sha256}",
        f"the leaf is under the signed checkpoint: {proof.checkpoint.origin}, size {proof.checkpoint.size}",
    )
    for line in checked:
        print(f"checked: {line}", file=sys.stderr)


def main() -> None:
    run_cli(app)


@asynccontextmanager
async def _client(config: Path) -> AsyncIterator[Client]:
    """With spans if there is an OTLP endpoint; every request has a trace id in either case."""
    profile = load_settings(RequesterSettings, config).profile()
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        async with Client.connect(profile) as client:
            yield client
        return
    from glomar_runtime.telemetry import spans as telemetry

    from glomar_requester.service.otel_tracing import OtelTracing

    provider = telemetry.set_up("glomar-requester", dict(os.environ))
    try:
        async with Client.connect(
            profile, tracing=lambda subjects: OtelTracing(telemetry.Spans(subjects))
        ) as client:
            yield client
    finally:
        provider.shutdown()


def _parse_fields(fields: dict[str, str]) -> Ask:
    if not set(COLUMNS).issuperset(fields):
        raise Misconfigured("no such field", where="ask", fix=f"Known: {', '.join(COLUMNS)}")
    parsed = parse_ask(fields)
    if isinstance(parsed, Ask):
        return parsed
    raise BadForm(parsed)


def _print_result(found: Result, as_json: bool) -> None:
    if as_json:
        _print_json({"version": 1, **msgspec.to_builtins(found)})
        return
    print(f"{found.outcome}  {found.request_id}  trace {found.trace_id}")
    for refusal in found.refusals:
        print(f"  {refusal.condition} [{refusal.citation}] {refusal.message}")


def _print_json(shape: object) -> None:
    print(msgspec.json.encode(shape).decode())

"""`glomar-verifier`: serve the verifier, make and build registers. stdout is data, stderr is people."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_runtime import service
from glomar_runtime.cli import progress, run_cli
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement import parse_agreement
from glomar_schemas.errors import Misconfigured, Refused

from glomar_verifier.agreement_check import check
from glomar_verifier.app import build_app
from glomar_verifier.register.making import build_into
from glomar_verifier.rules import load_rules
from glomar_verifier.settings import VerifierSettings
from glomar_verifier.synth.people import write_register

app = App("glomar-verifier", help="The record holder's side of Glomar: the gate, the match, the verdict.")
register = App("register", help="Make and build registers.")
agreement = App("agreement", help="Check an agreement file.")
app.command(register)
app.command(agreement)


@app.command
def serve(*, config: Annotated[Path, Parameter(help="the verifier's TOML file")]) -> None:
    """Answer requests, each with one signed verdict. Until stopped."""
    settings = load_settings(VerifierSettings, config)
    service.run("glomar-verifier", settings, lambda stop: build_app(settings, stop))


@register.command
def synth(*, people: int = 10_000, out: Path, seed: int = 1) -> None:
    """Write a register of synthetic people as CSV; the same seed makes the same people."""
    rows = write_register(people, seed, out)
    print(f"{out}: {people} people, {rows} address spells")


@register.command
def build(
    source: Annotated[Path, Parameter(help="CSV, one row for each address spell of a person")],
    *,
    db: Annotated[str, Parameter(help="the register: a file, or a postgresql:// URL without a password")],
    as_json: Annotated[bool, Parameter("--json", help="print the report as JSON")] = False,
) -> None:
    """Build a register from CSV, and put it in the place of the old one in one step.

    Bad rows are reported and left out. A failed build keeps the old one; a running verifier takes up the new.
    """
    with progress("building") as advance:
        report = build_into(db, source, load_rules(), progress=lambda what, done, of: advance(done, of))
    faults = [{"line": fault.line, "column": fault.column, "what": fault.what} for fault in report.faults]
    summary = {
        "version": 1,
        "people": report.people,
        "spells": report.spells,
        "rows_left_out": report.rows_left_out,
        "faults": faults,
        "digest": report.digest,
    }
    if as_json:
        print(json.dumps(summary))
        return
    for fault in faults:
        print(f"{source}: line {fault['line']}, {fault['column']}: {fault['what']}; left out")
    print(f"{db}: {report.people} people, {report.spells} spells, {report.rows_left_out} rows left out")


@agreement.command(name="check")
def check_agreement(file: Annotated[Path, Parameter(help="an agreement.toml")]) -> None:
    """Run the accepted and the refused example of each condition. Exit code 3 if one comes out wrong."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(file)) from None
    found = parse_agreement(raw, where=str(file))
    faults = check(found, load_rules())
    for condition in found.conditions:
        print(f"{condition.id:4} {condition.name}  [{condition.citation}]")
    if faults:
        raise Refused("; ".join(faults), where=str(file), fix="Mend the condition or its example")
    print(f"{len(found.conditions)} conditions, every example comes out as it says")


def main() -> None:
    run_cli(app)

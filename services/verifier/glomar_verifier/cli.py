"""`glomar-verifier`: serve; registers, rolls, veto lists, epochs. stdout is data, stderr is people."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_runtime import service
from glomar_runtime.cli import progress, run_cli
from glomar_runtime.settings import load_settings
from glomar_schemas.errors import Refused

from glomar_verifier import cli_agreement
from glomar_verifier.app import build_app
from glomar_verifier.cli_tag import tag
from glomar_verifier.epochs.cli import app as epoch
from glomar_verifier.recalls.cli import recall, recalls
from glomar_verifier.register.build import build as build_register
from glomar_verifier.roll import read_roll
from glomar_verifier.rules import load_rules
from glomar_verifier.settings import VerifierSettings
from glomar_verifier.synth.people import write_register
from glomar_verifier.veto import install as install_veto

app = App("glomar-verifier", help="The record holder's side of Glomar: the gate, the match, the verdict.")
register = App("register", help="Make and build registers.")
roll = App("roll", help="Check case rolls.")
veto = App("veto", help="People about whom the record holder discloses nothing (26 U.S.C. 6103(i)(6)).")
app.command(register)
app.command(roll)
app.command(cli_agreement.app)
app.command(veto)
app.command(epoch)
app.command(recall)
app.command(recalls)
app.command(tag)


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
    db: Annotated[Path, Parameter(help="the register to write; replaced in one step")],
    as_json: Annotated[bool, Parameter("--json", help="print the report as JSON")] = False,
) -> None:
    """Build a register from CSV. Bad rows are reported and left out; a failed build keeps the old."""
    size = source.stat().st_size if source.exists() else 0
    with progress("building") as advance:
        report = build_register(source, db, load_rules(), progress=lambda _, done: advance(done, size))
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


@veto.command
def install(
    source: Annotated[Path, Parameter(help="CSV: person_id, since, and a reason that nobody is shown")],
    *,
    to: Annotated[Path, Parameter(help="the list that the verifier's settings name; replaced in one step")],
    as_json: Annotated[bool, Parameter("--json", help="print the report as JSON")] = False,
) -> None:
    """Put a veto list in force, also while the verifier runs. One bad row, and the old one stays (exit 3)."""
    checked = install_veto(source, to)
    faults = [{"line": fault.line, "column": fault.column, "what": fault.what} for fault in checked.faults]
    if as_json:
        people = len(checked.veto)
        print(json.dumps({"version": 1, "installed": not faults, "people": people, "faults": faults}))
    else:
        for fault in faults:
            print(f"{source}: line {fault['line']}, {fault['column'] or 'row'}: {fault['what']}")
    if faults:
        what = f"{len(faults)} bad rows; nothing was installed"
        raise Refused(what, where=str(source), fix="The old list stays in force")
    if not as_json:
        print(f"{to}: {len(checked.veto)} people")


@roll.command(name="check")
def check_roll(file: Annotated[Path, Parameter(help="CSV, one row for each case and officer")]) -> None:
    """Read a roll as the verifier will, and name the bad lines. Exit code 3 if there is one."""
    print(f"{file}: {len(read_roll(file))} rows, each with a case and an officer")


def main() -> None:
    run_cli(app)

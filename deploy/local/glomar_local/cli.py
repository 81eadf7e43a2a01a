"""`glomar`: the whole system on one machine. stdout is data, stderr is people."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_evaluation import cli as evaluation
from glomar_runtime.cli import AsJson, run_cli
from glomar_schemas.errors import GlomarError, Misconfigured
from glomar_schemas.keys import read_secret
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glomar_local import ports
from glomar_local.demo import population
from glomar_local.demo import report as demo_report
from glomar_local.demo import run as demonstration
from glomar_local.demo import tables as demo_tables
from glomar_local.layout import Layout
from glomar_local.provision.provision import System, make_root, provision
from glomar_local.status import panel
from glomar_local.status import status as agreement_status
from glomar_local.system import control, runfile
from glomar_local.system.doctor import examine
from glomar_local.system.supervisor import Interrupted, Supervisor, run_interruptibly, running

app = App("glomar", help="Glomar on one machine: an interagency bus that only ever confirms or denies.")
app.command(evaluation.synth)
app.command(evaluation.evaluate)

DataDir = Annotated[Path, Parameter("--data-dir", help="where keys, agreement, stream and ledger lie")]
DEFAULT_DIR = Path(".glomar")
WIDTH = 132


@app.command
def up(
    *,
    data_dir: DataDir = DEFAULT_DIR,
    register: Annotated[Path | None, Parameter(help="CSV of the record holder's people")] = None,
    roll: Annotated[Path | None, Parameter(help="CSV of the agency's open cases")] = None,
    agreement: Annotated[
        tuple[str, ...],
        Parameter(help="id of an agreement that comes with Glomar; repeat it for several on one bus"),
    ] = (),
    port: Annotated[int, Parameter(help="the first of five ports; 0: any free ones")] = ports.FIRST_PORT,
    as_json: AsJson = False,
) -> None:
    """Start everything and keep it running until Ctrl-C. The first time, make keys and 10,000 people."""
    layout = _layout(data_dir)
    chosen = ports.consecutive(port) if port else ports.free()
    try:
        run_interruptibly(_up(layout, chosen, agreement, register, roll, as_json))
    except Interrupted:
        _say("stopped")


async def _up(
    layout: Layout,
    chosen: ports.Ports,
    agreements: tuple[str, ...],
    register: Path | None,
    roll: Path | None,
    as_json: bool,
) -> None:
    make_root(layout)
    with runfile.claim(layout) as lock:
        ports.require_free(chosen)
        system = provision(layout, chosen, agreements=agreements)
        built = population.make_register(layout, system.agreement, register)
        if built:
            _say(f"register of {built.people} people, {built.rows_left_out} rows left out")
        population.make_rolls(layout, system.agreement, roll)
        if not layout.example_requests.exists():
            today = population.today(system.agreement)
            rows = population.make_requests(population.EXAMPLES, today, system.agreement.id)
            population.write_requests(rows, layout.example_requests)
        for other in system.others:
            population.make_register(other.layout, other.agreement, None)
            population.make_rolls(other.layout, other.agreement)
        async with running(system, lock, _say) as supervisor:
            _show(system, supervisor, as_json)
            raise await supervisor.failure


def _show(system: System, supervisor: Supervisor, as_json: bool) -> None:
    layout = system.layout
    token = read_secret(layout.token).decode()
    if not as_json:
        others = [
            panel.beside(each.agreement.id, each.layout, each.ports, read_secret(each.layout.token).decode())
            for each in system.others
        ]
        _out().print(panel.welcome(layout, system.ports, token, others), crop=False)
        return
    _print_json(
        {
            "version": 1,
            "data_dir": str(layout.root),
            "urls": panel.addresses(system.ports),
            "token": token,
            "pids": supervisor.pids,
            "others": {
                each.agreement.id: {
                    "data_dir": str(each.layout.root),
                    "urls": panel.addresses(each.ports),
                    "token": read_secret(each.layout.token).decode(),
                }
                for each in system.others
            },
        }
    )


@app.command
def demo(
    *,
    requests: Annotated[int, Parameter(help="how many requests")] = 1000,
    data_dir: Annotated[Path | None, Parameter(help="keep everything there")] = None,
    keep: Annotated[bool, Parameter(help="keep the temporary data directory")] = False,
    as_json: AsJson = False,
) -> None:
    """Start everything, send lawful and unlawful requests through it, and check every promise.

    Exit code 0 only if each request has exactly one verdict, the ledger verifies, and nobody was confirmed
    who must not be.
    """
    if requests < 1:
        raise Misconfigured("fewer than one", where="--requests", fix="Try: --requests 1000")
    with _demo_dir(data_dir, keep) as layout:
        try:
            report = run_interruptibly(demonstration.run(layout, requests, _say))
        except Interrupted:
            raise KeyboardInterrupt from None
    if as_json:
        _print_json(demo_report.figures(report))
    else:
        _out().print(demo_tables.render(report))
    if not report.holds:
        sys.exit(GlomarError.exit_code)


@contextlib.contextmanager
def _demo_dir(chosen: Path | None, keep: bool) -> Iterator[Layout]:
    if chosen is not None:
        layout = _layout(chosen)
        make_root(layout)
        yield layout
        return
    root = Path(tempfile.mkdtemp(prefix="glomar-demo-")).resolve()
    try:
        yield Layout(root)
    finally:
        if keep:
            _say(f"kept in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


@app.command
def status(*, data_dir: DataDir = DEFAULT_DIR, as_json: AsJson = False) -> None:
    """Say what runs, which holds are in force, and what requester and verifier find in the ledger.

    Exit code 5 if anything is not ready, 6 if the ledger lacks a message of theirs or was rewritten.
    """
    layout = _layout(data_dir)
    run = control.require_running(layout)
    states = asyncio.run(control.states(run))
    own_status = asyncio.run(agreement_status.ask(run.ports))
    others = {name: asyncio.run(agreement_status.ask(ports)) for name, ports in run.others.items()}
    if as_json:
        urls = panel.all_addresses(run)
        found = {
            name: {"pid": pid, "state": states[name], "url": urls.get(name)} for name, pid in run.pids.items()
        }
        about = {"version": 1, "data_dir": str(layout.root), "processes": found, "control": own_status}
        _print_json(about | {"others": others})
    else:
        _out().print(panel.processes(run, states), agreement_status.render(own_status))
        for name, other in others.items():
            _out().print("", f"Also {name}", agreement_status.render(other))
    for each in (own_status, *others.values()):
        agreement_status.require_trusted(each.own)
    control.require_ready(states)


@app.command
def down(*, data_dir: DataDir = DEFAULT_DIR) -> None:
    """Stop what runs in the data directory, and what an earlier run may have left behind."""
    layout = _layout(data_dir)
    stopped = control.stop(layout)
    _say(f"stopped {', '.join(stopped)}" if stopped else f"nothing runs in {layout.root}")


@app.command
def doctor(
    *,
    data_dir: DataDir = DEFAULT_DIR,
    port: Annotated[int, Parameter(help="the first of the five ports of `up`")] = ports.FIRST_PORT,
    as_json: AsJson = False,
) -> None:
    """Check everything that a start needs, and say what to do about what is missing."""
    findings = list(examine(_layout(data_dir), ports.consecutive(port)))
    if as_json:
        _print_json({"version": 1, "checks": findings})
    else:
        table = Table(show_header=False, box=None)
        for found in findings:
            mark = Text("✓", "green") if found.ok else Text("✗", "bold red")
            table.add_row(mark, found.name, found.text)
        _out().print(table)
    if not all(found.ok for found in findings):
        sys.exit(GlomarError.exit_code)


def _layout(data_dir: Path) -> Layout:
    return Layout(data_dir.expanduser().resolve())


def _out() -> Console:
    """Off a terminal wide enough for every table, so that nothing is folded in a log."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _say(text: str) -> None:
    print(f"glomar: {text}", file=sys.stderr, flush=True)


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode(), flush=True)


def main() -> None:
    run_cli(app)

"""What `glomar up` and `glomar status` print of a running system: addresses and next steps. Pure."""

from collections.abc import Mapping, Sequence
from shlex import quote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glomar_local.layout import Layout
from glomar_local.ports import HOST, Ports
from glomar_local.provision.settings_files import SERVICES
from glomar_local.system.process import program
from glomar_local.system.runfile import Run


def addresses(ports: Ports) -> dict[str, str]:
    """Process -> its URL."""
    urls = {service: f"http://{HOST}:{ports.named()[service]}" for service in SERVICES}
    return {"nats-server": f"nats://{HOST}:{ports.bus}", **urls, "traces": f"http://{HOST}:{ports.traces}"}


def all_addresses(run: Run) -> dict[str, str]:
    """The same, with the services of further agreements."""
    return addresses(run.ports) | {name: f"http://{HOST}:{port}" for name, port in run.http_ports().items()}


def welcome(
    layout: Layout, ports: Ports, token: str, others: Sequence[RenderableType] = ()
) -> RenderableType:
    """After a start: URLs, token, data, next steps; `others` is what `beside` gives."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(no_wrap=True)
    roles = {
        "nats-server": "the bus",
        "requester": "asks: POST /v1/requests",
        "verifier": "answers",
        "auditor": "records and releases",
        "traces": "receives OTLP",
    }
    for name, url in addresses(ports).items():
        table.add_row(name, f"{url}  {roles[name]}")
    table.add_row("token", token)
    table.add_row("data", str(layout.root))
    table.add_row("logs", str(layout.log("*")))
    steps: list[RenderableType] = [Text("Try next, in another terminal", "italic")]
    for what, command in next_steps(layout).items():
        # On one line, however long, so that it can be pasted.
        steps += [Text(what, "dim"), Text(f"  {command}", no_wrap=True, overflow="ignore")]
    return Group(table, *others, "", *steps, "", Text("Ctrl-C stops everything; the data stays.", "dim"))


def beside(agreement: str, layout: Layout, ports: Ports, token: str) -> RenderableType:
    """A further agreement on the same bus."""
    table = Table(title=f"Also {agreement}", title_justify="left", show_header=False, box=None)
    for service in SERVICES:
        table.add_row(service, addresses(ports)[service])
    table.add_row("token", token)
    table.add_row("data", str(layout.root))
    return Group("", table)


def next_steps(layout: Layout) -> dict[str, str]:
    """What to try -> the whole command, which works in any directory."""
    requests, config = quote(str(layout.example_requests)), quote(str(layout.settings("requester")))
    submit, verify, status = map(_program, ("glomar-requester", "glomar-auditor", "glomar"))
    vkey = quote(str(layout.ledger / "log.vkey"))
    return {
        "ask about 100 synthetic people": f"{submit} submit {requests} --wait --out results.csv "
        f"--config {config}",
        "check the whole ledger": f"{verify} verify {quote(str(layout.ledger))} --vkey {vkey}",
        "see its state": f"{status} status --data-dir {quote(str(layout.root))}",
    }


def _program(name: str) -> str:
    return quote(program(name))


def processes(run: Run, states: Mapping[str, str]) -> RenderableType:
    """The table of `status`."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("process", "pid", "state", "address"):
        table.add_column(column)
    urls = all_addresses(run)
    for name, pid in run.pids.items():
        state = states.get(name, "")
        style = {"ready": "green", "running": "green"}.get(state, "yellow")
        table.add_row(name, str(pid), Text(state, style), urls.get(name, ""))
    return table

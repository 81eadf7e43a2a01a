"""`glomar-bus`, for the operator of the bus, who is none of the parties. stdout is data, stderr is people."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.errors import Misconfigured
from glomar_schemas.subjects import Subjects
from msgspec import Struct

from glomar_runtime.bus import topology
from glomar_runtime.bus.connection import BusClient, connect
from glomar_runtime.cli import run_cli

app = App("glomar-bus", help="Streams and consumers of an agreement, for the operator of the bus.")

Url = Annotated[str, Parameter(help="nats://host:port, the nodes of a cluster with commas between")]
Nkey = Annotated[Path, Parameter(help="the operator's nkey, of account BUS")]
Agreement = Annotated[Path, Parameter(help="the signed agreement; its signatures lie beside it")]
Trust = Annotated[Path, Parameter(help="the officials' keys that it must be signed with")]
Incarnation = Annotated[int, Parameter(help="1 for the first stream of an agreement")]
AsJson = Annotated[bool, Parameter("--json", help="print JSON")]


class Operator(Struct, frozen=True):
    """As whom, and where."""

    url: str
    nkey: Path


@app.command
def create(
    *,
    url: Url,
    nkey: Nkey,
    agreement: Agreement,
    trust: Trust,
    incarnation: Incarnation = 1,
    replicas: Annotated[int, Parameter(help="as many as the cluster has nodes; an odd number")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make the stream and its consumers. May be repeated; exit code 6 if they exist with other settings.

    The stream of the incarnation before must have been retired.
    """
    subjects = _subjects(agreement, trust, incarnation)
    _operate(Operator(url, nkey), lambda admin: topology.create(admin, subjects, replicas))
    _say(subjects, "created", f"{subjects.stream}: the stream and its consumers are there", as_json)


@app.command
def retire(
    *,
    url: Url,
    nkey: Nkey,
    agreement: Agreement,
    trust: Trust,
    incarnation: Incarnation = 1,
    confirm: Annotated[str, Parameter(help="the stream's name: this can't be undone")] = "",
    as_json: AsJson = False,
) -> None:
    """Seal a stream for ever, so that the next incarnation can be created. May be repeated."""
    subjects = _subjects(agreement, trust, incarnation)
    if confirm != subjects.stream:
        raise Misconfigured(
            "nothing can be stored in a retired stream, ever again",
            where="--confirm",
            fix=f"If that is meant: --confirm {subjects.stream}",
        )
    _operate(Operator(url, nkey), lambda admin: topology.retire(admin, subjects))
    _say(
        subjects, "retired", f"{subjects.stream} is retired: it can be read, and never written again", as_json
    )


def _subjects(agreement: Path, trust: Path, incarnation: int) -> Subjects:
    if incarnation < 1:
        raise Misconfigured("not a number from 1 on", where="--incarnation")
    return Subjects(load_versions(agreement, load_trust(trust)).newest.agreement.id, incarnation)


def _operate(operator: Operator, work: Callable[[BusClient], Awaitable[None]]) -> None:
    async def run() -> None:
        admin = await connect(operator, "glomar-bus", quiet=True)
        try:
            await work(admin)
        finally:
            await admin.close()

    asyncio.run(run())


def _say(subjects: Subjects, state: str, text: str, as_json: bool) -> None:
    shape = {"version": 1, "stream": subjects.stream, "state": state}
    print(json.dumps(shape) if as_json else text)


def main() -> None:
    run_cli(app)

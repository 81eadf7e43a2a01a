"""`glomar-bus`: creates and retires streams, for the operator of the bus, who is not one of the parties."""

import asyncio
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
from glomar_runtime.bus.connection import BusClient, connected
from glomar_runtime.cli import AsJson, print_result, run_cli

app = App("glomar-bus", help="Streams and consumers of an agreement, for the operator of the bus.")

Url = Annotated[str, Parameter(help="nats://host:port, the nodes of a cluster separated by commas")]
Nkey = Annotated[Path, Parameter(help="the operator's nkey, of account BUS")]
Agreement = Annotated[Path, Parameter(help="the signed agreement; its .sig file is in the same directory")]
Trust = Annotated[Path, Parameter(help="the trust file: keys of the officials who must have signed")]
Incarnation = Annotated[int, Parameter(help="1 for the first stream of an agreement")]


class Operator(Struct, frozen=True):
    """The account and the servers to connect with."""

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
    replicas: Annotated[
        int, Parameter(help="copies of the stream: the number of nodes of the cluster, which is odd")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Create the stream and its consumers. May be repeated; exit code 6 if they exist with other settings.

    First retire the stream of the previous incarnation.
    """
    subjects = _subjects(agreement, trust, incarnation)
    _operate(Operator(url, nkey), lambda admin: topology.create(admin, subjects, replicas))
    text = f"{subjects.stream}: the stream and its consumers exist"
    print_result({"stream": subjects.stream, "state": "created"}, text, as_json)


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
    """Seal a stream permanently, so that the next incarnation can be created. May be repeated."""
    subjects = _subjects(agreement, trust, incarnation)
    if confirm != subjects.stream:
        raise Misconfigured(
            "a retired stream can never store a message again",
            where="--confirm",
            fix=f"To retire it, give --confirm {subjects.stream}",
        )
    _operate(Operator(url, nkey), lambda admin: topology.retire(admin, subjects))
    text = f"{subjects.stream} is retired: it can be read but not written"
    print_result({"stream": subjects.stream, "state": "retired"}, text, as_json)


def _subjects(agreement: Path, trust: Path, incarnation: int) -> Subjects:
    if incarnation < 1:
        raise Misconfigured("must be 1 or more", where="--incarnation")
    return Subjects(load_versions(agreement, load_trust(trust)).newest.agreement.id, incarnation)


def _operate(operator: Operator, work: Callable[[BusClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with connected(operator, "glomar-bus") as admin:
            await work(admin)

    asyncio.run(run())


def main() -> None:
    run_cli(app)

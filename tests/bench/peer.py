"""One run of the naive relay: nats-server with the product's settings, relay, requester."""

import asyncio
import sys
from pathlib import Path

from glomar_local import ports
from glomar_local.system.process import program
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError

from tests.bench.figures import Failed, Run
from tests.bench.plan import Plan, measure
from tests.bench.processes import read_line, requester_process, started

MODULE = "tests.bench.naive_relay"
START_LIMIT_S = 10.0

# As the product's (glomar_local.provision.nats_conf), without accounts.
_CONF = """\
listen: 127.0.0.1:{port}
max_payload: 128K
write_deadline: "10s"
jetstream {{
  store_dir: "{store}"
  sync_interval: always
  max_file: 100G
}}
"""


async def run(plan: Plan, rows: Path, directory: Path) -> Run:
    """Raises Failed."""
    port = ports.free().bus
    url = f"nats://127.0.0.1:{port}"
    conf = directory / "nats-server.conf"
    conf.write_text(_CONF.format(port=port, store=directory / "store"), encoding="utf-8")
    log = directory / "log"
    async with started((program("nats-server"), "--config", str(conf)), log) as server:
        await _await_jetstream(url)
        async with started((sys.executable, "-m", MODULE, "relay", url), log) as relay:
            await read_line(relay, START_LIMIT_S)
            async with requester_process(MODULE, ("requester", url, str(rows)), log) as requester:
                pids = {"relay": relay.pid, "nats-server": server.pid}
                measured = await measure(plan, requester, pids)
    return Run(
        "peer",
        measured.others,
        measured.seconds,
        plan.requests,
        measured.latencies_ms,
        measured.costs,
        {},
    )


async def _await_jetstream(url: str) -> None:
    """Returns once JetStream answers, which is a little after the port is open."""
    deadline = asyncio.get_running_loop().time() + START_LIMIT_S
    while True:
        client = Client()
        try:
            await client.connect(url, allow_reconnect=False, connect_timeout=1, error_cb=_silent)
            await client.jetstream().account_info()
            return
        except (NoServersError, NatsError, OSError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise Failed("nats-server does not answer") from None
            await asyncio.sleep(0.05)
        finally:
            await client.close()


async def _silent(_: Exception) -> None:
    """nats-py prints each failed attempt; they are expected while the server starts."""

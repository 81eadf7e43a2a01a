"""One run of the product, through its real processes on a data directory of its own. Called by main.

After it the ledger is verified as oversight would, and every request must have its one verdict there.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from glomar_local import ports
from glomar_local.demo.ledger_count import audit
from glomar_local.demo.population import make_rolls
from glomar_local.layout import Layout
from glomar_local.ports import HOST
from glomar_local.provision.provision import System, provision
from glomar_local.system import runfile
from glomar_local.system.supervisor import running
from glomar_local.traces.store import decode

from tests.bench import population
from tests.bench.figures import Failed, Run
from tests.bench.plan import Plan, Watch, carry_out
from tests.bench.processes import requester_process

MODULE = "tests.bench.requester"

Watches = Callable[[Mapping[str, int]], list[Watch]]
"""Process names with their ids -> what is to be open while all are asked at once."""


async def run(
    plan: Plan,
    rows: Path,
    register: Path,
    directory: Path,
    watches: Watches = lambda pids: [],
    prepare: Callable[[System], None] = lambda system: None,
) -> Run:
    """prepare: what is done before anything is asked. Raises Failed; GlomarError when it does not start."""
    layout = Layout(directory / "glomar")
    layout.root.mkdir(mode=0o700)
    said: list[str] = []
    with runfile.claim(layout) as lock:
        system = provision(layout, ports.free(), population.agreement(directory / "agreement.toml"))
        os.link(register, layout.register)
        make_rolls(layout, system.agreement, cases=plan.rows)
        async with running(system, lock, said.append) as supervisor:
            await asyncio.to_thread(prepare, system)
            arguments = (str(layout.settings("requester")), str(rows))
            async with requester_process(MODULE, arguments, layout.log("asking"), _traced(system)) as client:
                pids = {_NAMES.get(name, name): pid for name, pid in supervisor.pids.items()}
                watching = watches({"asking client": client.pid, **pids})
                measured = await carry_out(plan, client, pids, watching)
            _require_one_verdict_each(system, plan.rows)
    if said:
        raise Failed("; ".join(said))
    spans = count_spans(layout.traces)
    return Run(
        "product",
        measured.others,
        measured.seconds,
        plan.requests,
        measured.latencies_ms,
        measured.costs,
        spans,
    )


_NAMES = {"supervisor": "trace receiver", "requester": "requester service"}
"""What the supervisor's process mainly does, and which of two requesters is meant."""


def _traced(system: System) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{system.ports.traces}",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


def _require_one_verdict_each(system: System, requests: int) -> None:
    """Raises Failed unless the whole ledger verifies and holds one verdict for each of so many requests."""
    audited = audit(system.layout.ledger, system.log_key, system.subjects)
    if audited.report is None:
        raise Failed(f"the ledger does not verify: {audited.fault}")
    if not audited.counted.is_one_to_one or len(audited.counted.digests) != requests:
        raise Failed(
            f"{len(audited.counted.digests)} requests in the ledger, not {requests} with a verdict each"
        )


def count_spans(database: Path) -> dict[str, int]:
    """Service -> spans that the receiver stored."""
    found: Counter[str] = Counter()
    with contextlib.closing(sqlite3.connect(database)) as store:
        for (body,) in store.execute("SELECT spans FROM body"):
            found.update(span.service for span in decode(body))
    return dict(found)

"""One run of the product, with its real processes on a data directory of its own.

Afterwards the ledger is verified, and every request must have its one verdict in it.
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
from tests.bench.plan import Plan, Watch, measure
from tests.bench.processes import requester_process

MODULE = "tests.bench.requester"

Watches = Callable[[Mapping[str, int]], list[Watch]]
"""Process names with their ids -> the contexts to keep open while all requests are sent at once."""


async def run(
    plan: Plan,
    rows: Path,
    register: Path,
    directory: Path,
    watches: Watches = lambda pids: [],
    prepare: Callable[[System], None] = lambda system: None,
) -> Run:
    """prepare: called before the first request. Raises Failed; GlomarError if the system does not start."""
    layout = Layout(directory / "glomar")
    layout.root.mkdir(mode=0o700)
    messages: list[str] = []
    with runfile.claim(layout) as lock:
        system = provision(layout, ports.free(), population.agreement(directory / "agreement.toml"))
        os.link(register, layout.register)
        make_rolls(layout, system.agreement, cases=plan.rows)
        async with running(system, lock, messages.append) as supervisor:
            await asyncio.to_thread(prepare, system)
            arguments = (str(layout.settings("requester")), str(rows))
            async with requester_process(
                MODULE, arguments, layout.log("bench-requester"), _traced(system)
            ) as client:
                pids = {_NAMES.get(name, name): pid for name, pid in supervisor.pids.items()}
                open_watches = watches({"requester client": client.pid, **pids})
                measured = await measure(plan, client, pids, open_watches)
            _require_one_verdict_each(system, plan.rows)
    if messages:
        raise Failed("; ".join(messages))
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
"""Clearer names: the supervisor's process mainly receives traces, and there are two requesters."""


def _traced(system: System) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{system.ports.traces}",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


def _require_one_verdict_each(system: System, requests: int) -> None:
    """Raises Failed unless the ledger verifies and has one verdict for each of so many requests."""
    audited = audit(system.layout.ledger, system.log_key, system.subjects)
    if audited.report is None:
        raise Failed(f"the ledger does not verify: {audited.fault}")
    if not audited.counted.is_one_to_one or len(audited.counted.digests) != requests:
        raise Failed(
            f"{len(audited.counted.digests)} requests in the ledger, not {requests} with one verdict each"
        )


def count_spans(database: Path) -> dict[str, int]:
    """Service -> number of spans that the receiver stored."""
    found: Counter[str] = Counter()
    with contextlib.closing(sqlite3.connect(database)) as store:
        for (body,) in store.execute("SELECT spans FROM body"):
            found.update(span.service for span in decode(body))
    return dict(found)

"""Does the time of a verdict show what the lookup found? Measured as the bus operator could.

    python -m tests.bench.timing [--number 5000] [--people 100000]

One request at a time, of four kinds in random order, from its publish to its verdict on the bus. Each two
kinds are compared with the two-sample Kolmogorov-Smirnov test.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, groupby, islice
from pathlib import Path

import msgspec
from glomar_evaluation.synth.kinds import KINDS, RequestContext
from glomar_evaluation.synth.requests import case_and_officer, lawful
from glomar_local import ports
from glomar_local.demo.answers import identity_of
from glomar_local.demo.population import make_rolls, today
from glomar_local.layout import Layout
from glomar_local.provision.credentials import OPERATOR
from glomar_local.provision.provision import System, provision
from glomar_local.system.open_bus import connected
from glomar_requester.ask import Question
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_schemas.request_file import COLUMNS, Ask, parse_ask
from glomar_verifier.holder_lists import veto
from msgspec import Struct
from msgspec.structs import replace
from nats.aio.msg import Msg

from tests.bench import population
from tests.bench.figures import Failed, quantile
from tests.bench.kolmogorov_smirnov import Compared, compare
from tests.bench.machine import commit, describe
from tests.bench.processes import ROOT
from tests.bench.report import Row, table
from tests.support.recorded import verdict_opener
from tests.support.service_processes import Processes

OF_KLASS = {"confirm": "true", "veto": "true", "no match": "absent-person", "ambiguous": "ambiguous-sr-jr"}
NUMBER = 5_000
PEOPLE_OF_A_KIND = 250
WARM_UP = 200
AT_ONCE = 200
ANSWER_LIMIT_S = 30.0
PAUSE_S = (0.0, 0.006)
"""Not in phase with the release times."""


class Timing(Struct, frozen=True):
    """The content of the JSON file. times_ms: of each kind, sorted."""

    version: int
    commit: str
    machine: dict[str, str]
    compared: list[Compared]
    times_ms: dict[str, list[float]]


async def measure(number: int, people: int, out: Path) -> Timing:
    """number: requests of each kind. Raises Failed if a verdict is wrong or does not come."""
    cache = out / "cache"
    register = population.register(people, cache)
    asks, vetoed = _asks(population.sample(4_000, people, cache))
    directory = Path(tempfile.mkdtemp(prefix="timing-", dir=out))
    layout = Layout(directory / "glomar")
    system = provision(layout, ports.free(), population.agreement(directory / "agreement.toml"))
    os.link(register, layout.register)
    make_rolls(layout, system.agreement, cases=WARM_UP + number * len(OF_KLASS))
    veto.write(dict.fromkeys(vetoed, date(2025, 1, 1)), layout.veto)
    with Processes(system) as running:
        await asyncio.to_thread(running.start_bus)
        running.start("verifier")
        await asyncio.to_thread(running.until_ready, "verifier")
        times = await _times(system, asks, number)
    shutil.rmtree(directory)
    return Timing(1, commit(), describe(out), compare(times), times)


def render(timing: Timing) -> str:
    """Two Markdown tables."""
    shares = (0.05, 0.5, 0.95, 0.99)
    kinds: list[Row] = [("request to verdict, ms", "n", *(f"p{share * 100:.0f}" for share in shares))]
    for kind, times in timing.times_ms.items():
        kinds.append((kind, str(len(times)), *(f"{quantile(times, share):.2f}" for share in shares)))
    pairs: list[Row] = [("compared", "KS statistic", "critical, 5 %", "critical, 1 %", "told apart at 5 %")]
    for each in timing.compared:
        numbers = (each.statistic, each.critical_5, each.critical_1)
        distinguished = "YES" if each.statistic > each.critical_5 else "no"
        pairs.append((f"{each.one} / {each.other}", *(f"{number:.4f}" for number in numbers), distinguished))
    return "\n\n".join((table(kinds), table(pairs)))


def _asks(rows: Iterable[Mapping[str, str]]) -> tuple[dict[str, list[Ask]], list[str]]:
    """Kind -> requests, each kind about its own people; and the ids of the people under the veto."""
    klasses = {klass.name: klass for klass in KINDS}
    dice = random.Random(population.SEED)
    asks: dict[str, list[Ask]] = {kind: [] for kind in OF_KLASS}
    vetoed = []
    for serial, (_, spells) in enumerate(groupby(rows, key=lambda row: row["person_id"])):
        case = RequestContext(list(spells), today(), dice)
        fitting = [kind for kind, name in OF_KLASS.items() if klasses[name].fits(case)]
        kind = min(fitting, key=lambda kind: len(asks[kind]))
        if len(asks[kind]) < PEOPLE_OF_A_KIND:
            row = lawful(case, serial) | klasses[OF_KLASS[kind]].change(case)
            ask = parse_ask({column: row[column] for column in COLUMNS})
            assert isinstance(ask, Ask), ask
            asks[kind].append(ask)
            if kind == "veto":
                vetoed.append(case.person["person_id"])
    if not all(asks.values()):
        raise Failed("the register has nobody of some kind")
    return asks, vetoed


async def _times(system: System, asks: Mapping[str, list[Ask]], number: int) -> dict[str, list[float]]:
    order = [kind for kind in asks for _ in range(number)]
    random.Random(population.SEED).shuffle(order)
    order = [*islice(cycle(asks), WARM_UP), *order]
    times: dict[str, list[float]] = {kind: [] for kind in asks}
    async with connected(system, OPERATOR) as operator, connected(system, system.agency) as agency:
        verdicts: asyncio.Queue[tuple[float, bytes, str]] = asyncio.Queue()

        async def on_verdict(message: Msg) -> None:
            verdicts.put_nowait((time.perf_counter(), message.data, message.subject))

        await operator.subscribe(system.subjects.verdict("*", "*"), cb=on_verdict)
        await operator.flush()
        dice, opened = random.Random(0), verdict_opener(system, system.agency)
        for place, (kind, subject, request) in enumerate(_composed(system, asks, order)):
            await asyncio.sleep(dice.uniform(*PAUSE_S))
            sent = time.perf_counter()
            await agency.publish(subject, request)
            try:
                arrived, body, verdict_subject = await asyncio.wait_for(verdicts.get(), ANSWER_LIMIT_S)
            except TimeoutError:
                raise Failed("a verdict did not come") from None
            _, answer = opened(body, verdict_subject)
            outcome = answer.outcome if answer.record_consulted else "refused"
            if outcome != ("confirm" if kind == "confirm" else "deny"):
                raise Failed(f"a {kind} was not answered as it must be")
            if place >= WARM_UP:
                times[kind].append((arrived - sent) * 1000)
    return {kind: sorted(found) for kind, found in times.items()}


def _composed(
    system: System, asks: Mapping[str, list[Ask]], order: list[str]
) -> Iterator[tuple[str, str, bytes]]:
    """(kind, subject, body) of each request, each in its own case. Sealed in groups, to be recent."""
    identity, serial = identity_of(system), 0
    supply = {kind: cycle(found) for kind, found in asks.items()}
    for first in range(0, len(order), AT_ONCE):
        kinds, now = order[first : first + AT_ONCE], datetime.now(UTC)
        questions = []
        for kind in kinds:
            serial += 1
            case_id, officer_id = case_and_officer(serial)
            ask = replace(
                next(supply[kind]),
                case_id=case_id,
                officer_id=officer_id,
                authorised_by="DEL-2025-01",
                jurisdiction="federal",
                expires_at=now + timedelta(hours=1),
            )
            questions.append(Question(ask))
        milliseconds = int(now.timestamp() * 1000)
        labels = [Label(new_request_id(milliseconds, os.urandom(10)), "") for _ in kinds]
        prepared = compose(questions, labels, identity, now)
        for kind, label, each in zip(kinds, labels, prepared, strict=True):
            yield kind, system.subjects.request(system.agency, label.request_id), each.body


def write(timing: Timing, out: Path) -> Path:
    path = out / f"timing-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(timing)))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.timing", description=__doc__)
    parser.add_argument("--number", type=int, default=NUMBER, help="requests of each kind")
    parser.add_argument("--people", type=int, default=100_000)
    options = parser.parse_args()
    out = ROOT / "bench-results"
    timing = asyncio.run(measure(options.number, options.people, out))
    print(render(timing))
    print(f"bench: written to {write(timing, out)}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""The bus is away, comes back, or has forgotten something: a service works again or ends, and says so."""

import asyncio
import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import nkeys
import pytest
from glomar_local.ports import HOST
from glomar_local.provision.credentials import OPERATOR, parties, public_nkey
from glomar_local.provision.nats_conf import Tenant, render
from glomar_local.provision.provision import System
from glomar_local.provision.settings_files import SERVICES
from glomar_local.system.open_bus import connected
from glomar_local.system.process import program
from glomar_requester.bus import connection as connection_of
from glomar_runtime.bus import topology
from glomar_runtime.bus.connection import connect
from glomar_runtime.settings import load_settings
from glomar_schemas.errors import Unreachable
from glomar_verifier.settings import VerifierSettings
from nats.aio.client import Client

from tests.faults.data import Asked
from tests.faults.evidence import require_all_well
from tests.faults.processes import BUS, Processes, messages
from tests.faults.submission import submitting
from tests.faults.waiting import until
from tests.integration.asking import profile
from tests.integration.bus import Bus, watching
from tests.integration.holds import Officials

UNREACHABLE = Unreachable.exit_code
SOON_S = "2"
OBSERVED_S = 5.0
REFUSALS = 3 * len(SERVICES)
FEW_PULLS = 100
"""Within OBSERVED_S a patient client sends about ten, one that spins ten thousand."""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_finds_no_bus_says_so_in_one_line(bare: Processes, service: str) -> None:
    bare.start(service)

    code = bare.exit_code(service)

    said = messages(bare.said(service))
    assert code == UNREACHABLE, said
    assert len(said) == 1, said
    assert said[0].startswith(f"glomar-{service}: nats://{HOST}:{bare.system.ports.bus}: no connection")
    assert "Traceback" not in bare.said(service)


def test_services_go_on_when_the_bus_comes_back(bare: Processes, few: Asked) -> None:
    bare.start_all()
    bare.kill(BUS)
    for service in SERVICES:
        until(partial(bare.is_unready, service), f"{service} is not ready without its bus")

    bare.start_bus()

    for service in SERVICES:
        bare.until_ready(service)
    with submitting(bare.system, few) as submission:
        require_all_well(bare.system, submission.results(), few.truths)
    assert not [line for service in SERVICES for line in messages(bare.said(service))]


def test_services_without_their_bus_for_too_long_end(bare: Processes) -> None:
    bare.start_bus()
    for service in SERVICES:
        bare.start(service, disconnected_limit_s=SOON_S)
        bare.until_ready(service)

    bare.kill(BUS)

    for service in SERVICES:
        code, said = bare.exit_code(service), messages(bare.said(service))
        assert code == UNREACHABLE, (service, said)
        assert len(said) == 1 and f"no bus for {SOON_S} s" in said[0], said


def test_a_deleted_consumer_makes_no_verifier_spin_and_can_be_made_again(
    bare: Processes, halves: tuple[Asked, Asked]
) -> None:
    first, second = halves
    monitor = bare.system.ports.traces
    bare.start_bus("--http_port", str(monitor))
    for service in SERVICES:
        bare.start(service)
        bare.until_ready(service)
    with submitting(bare.system, first) as submission:
        results = submission.results()

    asyncio.run(delete_consumer(bare.system, "verifier"))
    until(lambda: bare.is_unready("verifier"), "it says that its consumer is gone")
    with submitting(bare.system, second) as submission:
        before = messages_from(monitor, "glomar-verifier")
        # A span to count in, not something waited for.
        time.sleep(OBSERVED_S)
        pulls = messages_from(monitor, "glomar-verifier") - before
        assert pulls < FEW_PULLS, f"{pulls} messages in {OBSERVED_S} s"
        assert bare.is_running("verifier")

        asyncio.run(create_topology(bare.system))
        results += submission.results()

    # The new consumer starts at the beginning: what was answered must stay so.
    require_all_well(bare.system, results, first.truths | second.truths)


def test_what_is_answered_never_waits_though_it_is_delivered_again_under_a_hold(
    bare: Processes, few: Asked
) -> None:
    bare.start_all()
    with submitting(bare.system, few) as submission:
        require_all_well(bare.system, submission.results(), few.truths)
    with watching(bare.system) as bus:
        slot, _ = Officials(bus).hold("all")
        until(lambda: bare.status("verifier").get("control_slot") == slot, "the hold is known")

        asyncio.run(delete_consumer(bare.system, "verifier"))
        asyncio.run(create_topology(bare.system))
        until(lambda: is_settled(bus, "verifier"), "all is delivered again")

    assert bare.status("verifier")["waiting"]["total"] == 0


@pytest.mark.parametrize("whose", ["an agency's system", "a service"])
def test_a_client_is_left_in_silence_though_its_bus_went_with_something_unsent(
    bare: Processes, tmp_path: Path, whose: str
) -> None:
    bare.start_bus()

    async def made() -> tuple[Client, Callable[[], Awaitable[None]]]:
        if whose == "a service":
            settings = load_settings(VerifierSettings, bare.system.layout.settings("verifier"))
            service = await connect(settings, "test")
            return service, service.close
        used = profile(bare.system.layout, tmp_path / "store.db")
        client = await connection_of.connect(used.url, used.nkey)
        return client, partial(connection_of.close, client)

    async def leave() -> None:
        client, close = await made()
        bare.kill(BUS)
        while client.is_connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await client.publish("anything", b"unsent")
        await close()

    asyncio.run(leave())


def test_services_whose_keys_are_refused_for_a_while_are_no_zombies(bare: Processes, few: Asked) -> None:
    bare.start_bus()
    for each in SERVICES:
        bare.start(each, disconnected_limit_s="10")
        bare.until_ready(each)

    bare.kill(BUS)
    bare.start(BUS, (program(BUS), "--config", str(strangers_conf(bare.system))))
    until(lambda: bare.said(BUS).count("authentication error") >= REFUSALS, "keys are refused")
    bare.kill(BUS)
    bare.start_bus()

    for each in SERVICES:
        if not bare.works_or_ends(each):
            assert bare.exit_code(each) == UNREACHABLE
            bare.start(each)
            bare.until_ready(each)
    with submitting(bare.system, few) as submission:
        require_all_well(bare.system, submission.results(), few.truths)


def strangers_conf(system: System) -> Path:
    """The same configuration, but of other keys than the parties hold."""
    users = {party: stranger() for party in parties(system.agreement)}
    users[OPERATOR] = public_nkey(system.layout, OPERATOR)
    tenant = Tenant(system.agreement, system.subjects, users)
    text = render([tenant], port=system.ports.bus, store=system.layout.nats_store)
    path = system.layout.nats_conf.with_name("strangers.conf")
    path.write_text(text, encoding="utf-8")
    return path


def stranger() -> str:
    pair = nkeys.from_seed(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    name: bytes = pair.public_key
    return name.decode()


async def delete_consumer(system: System, name: str) -> None:
    async with connected(system, OPERATOR) as admin:
        reply = await admin.request(f"$JS.API.CONSUMER.DELETE.{system.subjects.stream}.{name}", timeout=5)
    assert json.loads(reply.data)["success"]


async def create_topology(system: System) -> None:
    async with connected(system, OPERATOR) as admin:
        await topology.create(admin, system.subjects)


def is_settled(bus: Bus, consumer: str) -> bool:
    """All that it has for its service is delivered and acknowledged."""
    path = f"$JS.API.CONSUMER.INFO.{bus.subjects.stream}.{consumer}"
    info = bus.wire(OPERATOR).ask(path.encode(), b"")
    return bool(info["num_pending"] == info["num_ack_pending"] == 0)


def messages_from(monitor: int, client: str) -> int:
    """How many messages the server has had from that connection."""
    with contextlib.closing(urllib.request.urlopen(f"http://{HOST}:{monitor}/connz", timeout=10)) as answer:
        connections = json.load(answer)["connections"]
    return sum(each["in_msgs"] for each in connections if each.get("name") == client)

"""The bus is lost, returns, or has lost a consumer: a service works again, or ends with one line."""

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

from tests.faults.evidence import require_consistent
from tests.faults.request_files import RequestFile
from tests.faults.submission import Submission
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import until
from tests.support.requesting import profile
from tests.support.service_processes import BUS, Processes, plain_lines

UNREACHABLE = Unreachable.exit_code
SOON_S = "2"
OBSERVED_S = 5.0
REFUSALS = 3 * len(SERVICES)
FEW_PULLS = 100
"""Within OBSERVED_S a correct client sends about ten, one in a busy loop ten thousand."""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_finds_no_bus_says_so_in_one_line(processes: Processes, service: str) -> None:
    processes.start(service)

    code = processes.exit_code(service)

    lines = plain_lines(processes.log_text(service))
    assert code == UNREACHABLE, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"glomar-{service}: nats://{HOST}:{processes.system.ports.bus}: no connection")
    assert "Traceback" not in processes.log_text(service)


def test_services_go_on_when_the_bus_comes_back(processes: Processes, small_file: RequestFile) -> None:
    processes.start_all()
    processes.kill(BUS)
    for service in SERVICES:
        until(partial(processes.is_unready, service), f"{service} is not ready without its bus")

    processes.start_bus()

    for service in SERVICES:
        processes.until_ready(service)
    with Submission(processes.system, small_file) as submission:
        require_consistent(processes.system, submission.results(), small_file.truths)
    assert not [line for service in SERVICES for line in plain_lines(processes.log_text(service))]


def test_services_without_their_bus_for_too_long_end(processes: Processes) -> None:
    processes.start_bus()
    for service in SERVICES:
        processes.start(service, disconnected_limit_s=SOON_S)
        processes.until_ready(service)

    processes.kill(BUS)

    for service in SERVICES:
        code, lines = processes.exit_code(service), plain_lines(processes.log_text(service))
        assert code == UNREACHABLE, (service, lines)
        assert len(lines) == 1 and f"no bus for {SOON_S} s" in lines[0], lines


def test_a_verifier_waits_quietly_for_its_deleted_consumer_to_be_created_again(
    processes: Processes, two_files: tuple[RequestFile, RequestFile]
) -> None:
    first, second = two_files
    monitor = processes.system.ports.traces
    processes.start_bus("--http_port", str(monitor))
    for service in SERVICES:
        processes.start(service)
        processes.until_ready(service)
    with Submission(processes.system, first) as submission:
        results = submission.results()

    asyncio.run(delete_consumer(processes.system, "verifier"))
    until(lambda: processes.is_unready("verifier"), "the verifier is not ready without its consumer")
    with Submission(processes.system, second) as submission:
        before = messages_from(monitor, "glomar-verifier")
        # The period of the count; nothing is waited for.
        time.sleep(OBSERVED_S)
        pulls = messages_from(monitor, "glomar-verifier") - before
        assert pulls < FEW_PULLS, f"{pulls} messages in {OBSERVED_S} s"
        assert processes.is_running("verifier")

        asyncio.run(create_topology(processes.system))
        results += submission.results()

    # The new consumer starts at the first message: an answered request must not be answered again.
    require_consistent(processes.system, results, first.truths | second.truths)


def test_an_answered_request_that_is_delivered_again_under_a_hold_does_not_wait(
    processes: Processes, small_file: RequestFile
) -> None:
    processes.start_all()
    with Submission(processes.system, small_file) as submission:
        require_consistent(processes.system, submission.results(), small_file.truths)
    with Bus(processes.system) as bus:
        slot, _ = ControlPublisher(bus).hold("all")
        until(lambda: processes.status("verifier").get("control_slot") == slot, "the hold is known")

        asyncio.run(delete_consumer(processes.system, "verifier"))
        asyncio.run(create_topology(processes.system))
        until(lambda: is_settled(bus, "verifier"), "everything is delivered again")

    assert processes.status("verifier")["waiting"]["total"] == 0


@pytest.mark.parametrize("owner", ["an agency's system", "a service"])
def test_a_client_closes_without_an_error_when_its_bus_was_lost_with_a_message_unsent(
    processes: Processes, tmp_path: Path, owner: str
) -> None:
    processes.start_bus()

    async def connected_client() -> tuple[Client, Callable[[], Awaitable[None]]]:
        if owner == "a service":
            settings = load_settings(VerifierSettings, processes.system.layout.settings("verifier"))
            service = await connect(settings, "test")
            return service, service.close
        used = profile(processes.system.layout, tmp_path / "store.db")
        client = await connection_of.connect(used.url, used.nkey)
        return client, partial(connection_of.close, client)

    async def leave() -> None:
        client, close = await connected_client()
        processes.kill(BUS)
        while client.is_connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await client.publish("anything", b"unsent")
        await close()

    asyncio.run(leave())


def test_services_whose_keys_are_refused_for_a_while_work_again_or_end(
    processes: Processes, small_file: RequestFile
) -> None:
    processes.start_bus()
    for each in SERVICES:
        processes.start(each, disconnected_limit_s="10")
        processes.until_ready(each)

    processes.kill(BUS)
    processes.start(BUS, (program(BUS), "--config", str(unknown_keys_conf(processes.system))))
    until(lambda: processes.log_text(BUS).count("authentication error") >= REFUSALS, "keys are refused")
    processes.kill(BUS)
    processes.start_bus()

    for each in SERVICES:
        if not processes.works_or_ends(each):
            assert processes.exit_code(each) == UNREACHABLE
            processes.start(each)
            processes.until_ready(each)
    with Submission(processes.system, small_file) as submission:
        require_consistent(processes.system, submission.results(), small_file.truths)


def unknown_keys_conf(system: System) -> Path:
    """The same configuration, with keys that no party has."""
    users = {party: unknown_nkey() for party in parties(system.agreement)}
    users[OPERATOR] = public_nkey(system.layout, OPERATOR)
    tenant = Tenant(system.agreement, system.subjects, users)
    text = render([tenant], port=system.ports.bus, store=system.layout.nats_store)
    path = system.layout.nats_conf.with_name("unknown-keys.conf")
    path.write_text(text, encoding="utf-8")
    return path


def unknown_nkey() -> str:
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
    """Whether every message is delivered and acknowledged."""
    path = f"$JS.API.CONSUMER.INFO.{bus.subjects.stream}.{consumer}"
    info = bus.wire(OPERATOR).ask(path.encode(), b"")
    return bool(info["num_pending"] == info["num_ack_pending"] == 0)


def messages_from(monitor: int, client: str) -> int:
    """How many messages the server has received from that connection."""
    with contextlib.closing(urllib.request.urlopen(f"http://{HOST}:{monitor}/connz", timeout=10)) as answer:
        connections = json.load(answer)["connections"]
    return sum(each["in_msgs"] for each in connections if each.get("name") == client)

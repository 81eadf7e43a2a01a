"""A retired stream and its successor: the new ledger begins with the final checkpoint of the old one."""

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from glomar_auditor.ledger.fsck import verify
from glomar_local.demo.ledger_count import read
from glomar_local.ports import HOST
from glomar_local.provision import nats_conf
from glomar_local.provision.credentials import OPERATOR
from glomar_local.provision.provision import System, tenant
from glomar_local.system.open_bus import connected, put_in_force
from glomar_local.system.process import program
from glomar_runtime.bus import topology
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import format_vkey, parse_vkey
from msgspec.structs import replace
from nats.aio.client import Client

from tests.faults.evidence import ledger_size
from tests.support.bus import Bus
from tests.support.polling import until
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.service_processes import BUS, Processes

REFUSED, MISCONFIGURED, INTEGRITY = 3, 2, 6


Step = Callable[[Client], Awaitable[None]]


def operate(system: System, *steps: Step) -> None:
    """Runs the steps as the operator of the bus."""

    async def run() -> None:
        async with connected(system, OPERATOR) as admin:
            for step in steps:
                await step(admin)

    asyncio.run(run())


def write_conf_for(system: System, subjects: Subjects) -> None:
    conf = nats_conf.render(
        [replace(tenant(system), subjects=subjects)],
        port=system.ports.bus,
        store=system.layout.nats_store.resolve(),
    )
    system.layout.nats_conf.write_text(conf, encoding="utf-8")


def bus_command(command: str, system: System, number: int, *more: str) -> subprocess.CompletedProcess[str]:
    argv = [program("glomar-bus"), command, "--url", f"nats://{HOST}:{system.ports.bus}"]
    argv += ["--nkey", str(system.layout.nkey(OPERATOR)), "--agreement", str(system.layout.agreement)]
    argv += ["--trust", str(system.layout.trust), "--incarnation", str(number), *more]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def incarnation(command: str, system: System, previous: Path) -> subprocess.CompletedProcess[str]:
    config = system.layout.root / "auditor-2.toml"
    argv = [program("glomar-auditor"), "incarnation", command, "--config", str(config)]
    argv += ["--previous", str(previous)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_a_new_incarnation_opens_with_the_final_checkpoint_of_the_old_one(
    processes: Processes, tmp_path: Path
) -> None:
    system = processes.system
    old, new = system.subjects, Subjects(system.agreement.id, 2)
    ledger = system.layout.root / "ledger-2"
    text = system.layout.settings("auditor").read_text(encoding="utf-8")
    (system.layout.root / "auditor-2.toml").write_text(
        text.replace('ledger = "ledger"', 'ledger = "ledger-2"') + "incarnation = 2\n", encoding="utf-8"
    )
    processes.start_all()
    ask_all(profile(system.layout, tmp_path / "old.db"), confirmable(2))
    early = bus_command("create", system, 2)
    assert (early.returncode, "Retire the stream" in early.stderr) == (MISCONFIGURED, True)
    refused = bus_command("retire", system, 1)
    assert (refused.returncode, f"--confirm {old.stream}" in refused.stderr) == (MISCONFIGURED, True)
    for _ in range(2):
        retired = bus_command("retire", system, 1, "--confirm", old.stream)
        assert (retired.returncode, retired.stderr) == (0, "")
    processes.stop("auditor")
    processes.start("auditor")
    processes.until_ready("auditor")
    assert processes.status("auditor")["halted"] is None, "the auditor still reads a retired stream"
    with Bus(system) as bus:
        until(lambda: ledger_size(system) == bus.last_sequence(), "everything is recorded")
    running = incarnation("open", system, system.layout.ledger)
    assert (running.returncode, "has this ledger open" in running.stderr) == (MISCONFIGURED, True)
    for each in ("requester", "verifier", "auditor", BUS):
        processes.stop(each)

    write_conf_for(system, new)
    system.layout.waiting.unlink()
    processes.start_bus_alone()
    assert bus_command("create", system, 2).stdout == f"{new.stream}: the stream and its consumers exist\n"
    with Bus(system) as bus:
        require_no_opening_after_another_message(bus, new)
        opened = [incarnation("open", system, system.layout.ledger) for _ in range(2)]
    assert [each.returncode for each in opened] == [0, 0], opened[0].stderr
    operate(system, lambda admin: put_in_force(admin, system))

    processes.start("auditor", serve_command("auditor", system.layout.root / "auditor-2.toml"))
    processes.until_ready("auditor")
    processes.start("verifier", incarnation="2")
    processes.until_ready("verifier")
    asker = replace(profile(system.layout, tmp_path / "new.db"), incarnation=2)
    results = ask_all(asker, confirmable(4)[2:])

    assert [each.outcome for each in results] == ["confirm"] * 2, [each.refusals for each in results]
    origin = new.origin(system.agreement.oversight)
    key = parse_vkey(format_vkey(origin, system.log_key.public_key))
    first = next(read(ledger, verify(ledger, key).size))
    final = (system.layout.ledger / "checkpoint").read_bytes()
    assert (first.sequence, first.subject) == (1, "glomar.irs-ice-2025.opening.2")
    assert first.body_sha256 == sha256(final).digest()
    checked = incarnation("check", system, system.layout.ledger)
    assert (checked.returncode, checked.stderr) == (0, "")
    require_another_predecessor_is_refused(system, tmp_path)
    require_the_old_ledger_is_final(processes)


def serve_command(service: str, config: Path) -> tuple[str, ...]:
    return (program(f"glomar-{service}"), "serve", "--config", str(config))


def require_no_opening_after_another_message(bus: Bus, new: Subjects) -> None:
    """`open` is refused while the first message is no checkpoint; then the stream is created again."""
    assert bus.operate(f"STREAM.INFO.{new.stream}")["state"]["last_seq"] == 0
    request = new.request(bus.system.agency, "early").encode()
    assert bus.wire(bus.system.agency).ask(request, b"early")["seq"] == 1
    refused = incarnation("open", bus.system, bus.system.layout.ledger)
    assert (refused.returncode, "another message is the first" in refused.stderr) == (REFUSED, True)
    assert bus.operate(f"STREAM.DELETE.{new.stream}")["success"]
    operate(bus.system, lambda admin: topology.create(admin, new))


def require_another_predecessor_is_refused(system: System, tmp_path: Path) -> None:
    for command in ("check", "open"):
        none = incarnation(command, system, tmp_path / "none")
        assert (none.returncode, none.stderr.count("\n")) == (MISCONFIGURED, 1), none.stderr
    assert not (tmp_path / "none").exists()
    other = tmp_path / "other"
    shutil.copytree(system.layout.ledger, other)
    final = other / "final"
    final.write_bytes(final.read_bytes().replace("— ".encode(), "—  ".encode(), 1))
    assert incarnation("check", system, other).returncode in (REFUSED, INTEGRITY)
    shutil.copy(system.layout.ledger / "checkpoint", final)
    assert incarnation("check", system, other).returncode == 0


def require_the_old_ledger_is_final(processes: Processes) -> None:
    processes.stop("auditor")
    processes.start("auditor")
    assert processes.exit_code("auditor") == MISCONFIGURED
    assert "this ledger is final" in processes.log_text("auditor")

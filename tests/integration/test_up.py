"""`glomar up` for a user: errors at the start, restarts, and a stop that leaves no process."""

import json
import os
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path

import pytest
from glomar_local.ports import FIRST_PORT, HOST
from glomar_local.system.control import is_alive

from tests.support.commands import run, submit
from tests.support.polling import wait_until
from tests.support.running_system import STOP_LIMIT_S, RunningSystem, glomar_up

PROCESSES = {"supervisor", "nats-server", "auditor", "verifier", "requester"}


def glomar(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("glomar", *arguments)


def data_dir(system: RunningSystem) -> str:
    return str(system.layout.root)


def test_everything_runs_and_is_ready(system: RunningSystem) -> None:
    found = glomar("status", "--data-dir", data_dir(system), "--json")

    assert found.returncode == 0, found.stderr
    states = {name: process["state"] for name, process in json.loads(found.stdout)["processes"].items()}
    assert states == {
        "supervisor": "running",
        "nats-server": "running",
        "auditor": "ready",
        "verifier": "ready",
        "requester": "ready",
    }
    assert set(system.pids) == PROCESSES


def test_doctor_finds_no_fault_in_a_running_system(system: RunningSystem) -> None:
    found = glomar("doctor", "--data-dir", data_dir(system), "--json")

    checks = {check["name"]: check for check in json.loads(found.stdout)["checks"]}
    assert found.returncode == 0, found.stdout
    assert "irs-ice-2025 version 1, signed" in checks["keys and agreement"]["text"]


def test_the_example_requests_can_be_submitted(system: RunningSystem, tmp_path: Path) -> None:
    config = system.layout.settings("requester")

    summary = submit(system.layout.example_requests, tmp_path / "results.csv", config)

    assert summary["rows"] == 100
    assert summary["confirm"] > 0
    assert summary["refused"] > 0
    assert summary["unanswered"] == summary["rejected"] == 0


def test_requester_and_verifier_find_their_messages_in_the_ledger(system: RunningSystem) -> None:
    def states() -> dict[str, str]:
        found = glomar("status", "--data-dir", data_dir(system), "--json")
        return {name: ledger["state"] for name, ledger in json.loads(found.stdout)["control"]["own"].items()}

    assert wait_until(lambda: states() == {"verifier": "ok", "requester": "ok"}, 60), states()


def test_a_data_directory_in_use_is_reported(system: RunningSystem) -> None:
    second = glomar("up", "--data-dir", data_dir(system), "--port", "0")

    assert second.returncode == 2
    assert f"the data directory is in use by process {system.process.pid}" in second.stderr
    assert "glomar down" in second.stderr
    assert all(is_alive(pid) for pid in system.pids.values())


def test_a_taken_port_is_reported_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        started = glomar("up", "--data-dir", str(tmp_path / "data"), "--port", str(port))

    assert started.returncode == 2
    assert f"port {port} (bus) is taken by another program" in started.stderr
    assert "--port" in started.stderr
    assert not (tmp_path / "data" / "keys").exists()


def test_the_default_ports_are_the_documented_ones() -> None:
    assert FIRST_PORT == 26103


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    with glomar_up(tmp_path / "data") as system:
        pids = system.pids
        assert all(is_alive(pid) for pid in pids.values())

        system.process.send_signal(number)
        code = system.process.wait(STOP_LIMIT_S)

    assert code == 0
    assert not [name for name, pid in pids.items() if is_alive(pid)]
    assert not system.layout.run.exists()


def test_a_killed_service_is_started_again_and_reported(tmp_path: Path) -> None:
    with glomar_up(tmp_path / "data") as system:
        before = system.pids
        for name in ("verifier", "nats-server"):
            os.kill(before[name], signal.SIGKILL)
            assert wait_until(partial(system.has_restarted, name, before[name]))

        ready = wait_until(lambda: glomar("status", "--data-dir", data_dir(system)).returncode == 0)

    log = (tmp_path / "data.log").read_text()
    assert ready, log
    assert "verifier ended (killed by SIGKILL); restarting it" in log
    assert "nats-server ended (killed by SIGKILL); restarting it" in log


def test_down_stops_a_system_and_then_finds_nothing(tmp_path: Path) -> None:
    with glomar_up(tmp_path / "data") as system:
        pids = system.pids
        stopped = glomar("down", "--data-dir", data_dir(system))
        assert stopped.returncode == 0
        assert system.process.wait(STOP_LIMIT_S) == 0

    assert not [name for name, pid in pids.items() if is_alive(pid)]
    again = glomar("down", "--data-dir", data_dir(system))
    assert (again.returncode, "nothing runs" in again.stderr) == (0, True)
    assert glomar("status", "--data-dir", data_dir(system)).returncode == 5


def test_down_ends_the_processes_of_a_killed_supervisor(tmp_path: Path) -> None:
    with glomar_up(tmp_path / "data") as system:
        pids = system.pids
        system.process.kill()
        system.process.wait(STOP_LIMIT_S)
        second = glomar("up", "--data-dir", data_dir(system), "--port", "0")
        assert (second.returncode, "in use" in second.stderr) == (2, True)

        stopped = glomar("down", "--data-dir", data_dir(system))

    assert stopped.returncode == 0, stopped.stderr
    assert not [name for name, pid in pids.items() if is_alive(pid)]


def test_nothing_starts_with_an_altered_agreement(tmp_path: Path) -> None:
    with glomar_up(tmp_path / "data") as system:
        pass
    with system.layout.agreement.open("a") as agreement:
        agreement.write("# a comment after signing\n")

    started = glomar("up", "--data-dir", data_dir(system), "--port", "0")

    assert started.returncode == 3
    assert "altered after signing" in started.stderr

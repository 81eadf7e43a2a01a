"""The store of nats-server is damaged while it is stopped, or its stream deleted or changed: releases halt.

One undamaged system is created and stopped; each test runs a copy of it.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from glomar_auditor.ledger.fsck import verify
from glomar_local import ports
from glomar_local.provision.provision import System, provision
from glomar_local.system.process import program
from glomar_schemas.messages import ResultQuery, encode

from tests.faults.evidence import ledger_size
from tests.faults.releases import Releases
from tests.faults.request_files import provisioned
from tests.support.bus import Bus
from tests.support.live_copy import copy_live
from tests.support.polling import until
from tests.support.recorded import log_key
from tests.support.requesting import BackgroundRequests, ask_all, confirmable, profile
from tests.support.running_system import glomar_up
from tests.support.service_processes import BUS, Processes

FIRST, MORE, NEW = 12, 8, 2
FLIPPED = 20
"""The sequence at which the damage begins."""


class Undamaged:
    """The source of the copies: the whole system after all answers, and its store from some time before."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.whole, self.older = folder / "whole", folder / "older"
        self.answered = ""
        self.size = 0


@pytest.fixture(scope="module")
def undamaged(register: Path, tmp_path_factory: pytest.TempPathFactory) -> Undamaged:
    folder = tmp_path_factory.mktemp("undamaged")
    system = provisioned(folder / "data", register)
    made = Undamaged(system, folder)
    with Processes(system) as running:
        running.start_all()
        ask_all(profile(system.layout, folder / "first.db"), confirmable(FIRST))
        # Nothing is being written, and all is synced: equal to a copy of a killed server's store.
        copy_live(system.layout.nats_store, made.older)
        [result, *_] = ask_all(profile(system.layout, folder / "more.db"), confirmable(FIRST + MORE)[FIRST:])
        for name in ("requester", "verifier", "auditor", BUS):
            running.stop(name)
    made.answered, made.size = result.request_id, ledger_size(system)
    shutil.copytree(system.layout.root, made.whole)
    return made


@pytest.fixture
def copy(undamaged: Undamaged, tmp_path: Path) -> Iterator[Processes]:
    root = tmp_path / "data"
    shutil.copytree(undamaged.whole, root)
    system = provision(type(undamaged.system.layout)(root.resolve()), ports.free())
    with Processes(system) as running:
        yield running


def messages_of(system: System) -> Path:
    return system.layout.nats_store / "jetstream/BUS/streams" / system.subjects.stream / "msgs"


def block(system: System) -> Path:
    [found] = messages_of(system).glob("*.blk")
    return found


def place(system: System, sequence: int) -> int:
    """The offset of that message's body in the block. Only bodies begin with `{"payload`."""
    raw = block(system).read_bytes()
    places = [at for at in range(len(raw)) if raw.startswith(b'{"payload', at)]
    return places[sequence - 1]


def flip(system: System) -> None:
    raw = bytearray(block(system).read_bytes())
    raw[place(system, FLIPPED) + 50] ^= 1
    block(system).write_bytes(raw)


def truncate(system: System) -> None:
    raw = block(system).read_bytes()
    block(system).write_bytes(raw[: place(system, FLIPPED) + 50])


def remove_index(system: System) -> None:
    """As after kill -9: only a server that stops normally writes the index of its blocks."""
    (messages_of(system) / "index.db").unlink()


def restore(store: Path, system: System) -> None:
    shutil.rmtree(system.layout.nats_store)
    shutil.copytree(store, system.layout.nats_store)


Damage = Callable[[System], None]

DAMAGES: dict[str, tuple[tuple[Damage, ...], str, int]] = {
    "a flipped bit": ((flip,), "unreadable", FLIPPED),
    "a flipped bit and kill -9": ((flip, remove_index), "shorter", FLIPPED),
    "a truncated block": ((truncate,), "missing", FLIPPED),
    "a truncated block and kill -9": ((truncate, remove_index), "shorter", FLIPPED),
    "an older copy": ((), "shorter", 2 * FIRST + 2),
}
"""The damage to a stopped server's store -> the kind of halt, and its first sequence."""


def halted(copy: Processes) -> dict[str, Any]:
    found: dict[str, Any] = copy.status("auditor").get("halted") or {}
    return found


def start_halted(copy: Processes) -> dict[str, Any]:
    copy.start("auditor")
    until(lambda: halted(copy) or not copy.is_running("auditor"), "it halts")
    assert copy.is_running("auditor"), copy.log_text("auditor")
    assert copy.is_unready("auditor")
    return halted(copy)


def require_explained(halt: dict[str, Any]) -> None:
    assert all(len(halt[each]) > 20 for each in ("what", "meaning", "fix")), halt


def require_nothing_released(copy: Processes, bus: Bus, undamaged: Undamaged, tmp_path: Path) -> None:
    """Neither new answers nor earlier ones."""
    with Releases(bus) as releases:
        copy.start("verifier")
        verdicts = count(bus, "verdict")
        asks = confirmable(FIRST + MORE + NEW)[-NEW:]
        background = BackgroundRequests(profile(copy.system.layout, tmp_path / "new.db"), asks, limit_s=5)
        background.start()
        until(lambda: count(bus, "verdict") == verdicts + NEW, "the new requests have verdicts")
        background.join(60)
        releases.mark(undamaged.answered)
        assert releases.since() == set()
        assert [each.outcome for each in background.results] == ["unanswered"] * NEW


def count(bus: Bus, kind: str) -> int:
    filtered = {"subjects_filter": f"{bus.subjects.root}.{kind}.>"}
    state = bus.operate(f"STREAM.INFO.{bus.subjects.stream}", filtered)["state"]
    return len(state.get("subjects") or ())


def is_released(bus: Bus, request_id: str) -> bool:
    """Whether the auditor answers a query with a sealed release."""
    query = encode(ResultQuery(request_id=request_id))
    answer = bus.wire(bus.system.agency).ask(bus.subjects.result(bus.system.agency).encode(), query)
    return "ciphertext" in json.dumps(answer)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_store_damaged_under_a_stopped_server_halts_releases_and_is_explained(
    name: str, undamaged: Undamaged, copy: Processes, tmp_path: Path
) -> None:
    damage, kind, since = DAMAGES[name]
    for step in damage or (partial(restore, undamaged.older),):
        step(copy.system)
    copy.start_bus()

    halt = start_halted(copy)

    assert (halt["kind"], halt["since"]) == (kind, since)
    require_explained(halt)
    if "kill" not in name:
        with Bus(copy.system) as bus:
            require_nothing_released(copy, bus, undamaged, tmp_path)
    assert ledger_size(copy.system) == undamaged.size
    assert "releases are halted" in copy.log_text("auditor")


def test_a_store_damaged_under_a_running_auditor_halts_it_and_the_repaired_store_resumes(
    undamaged: Undamaged, copy: Processes, tmp_path: Path
) -> None:
    copy.start_bus()
    copy.start("auditor")
    copy.until_ready("auditor")
    copy.stop(BUS)
    truncate(copy.system)
    copy.start_bus()

    until(lambda: halted(copy), "it halts")

    with Bus(copy.system) as bus:
        require_nothing_released(copy, bus, undamaged, tmp_path)
    copy.stop("verifier")
    copy.stop("auditor")
    assert start_halted(copy)["kind"] == "missing", "the halt continues after a start while its cause remains"

    for each in ("auditor", BUS):
        copy.stop(each)
    restore(undamaged.whole / copy.system.layout.nats_store.relative_to(copy.system.layout.root), copy.system)
    copy.start_bus()
    copy.start("auditor")
    copy.until_ready("auditor")
    assert halted(copy) == {}
    with Bus(copy.system) as bus:
        assert is_released(bus, undamaged.answered)


def test_a_halt_names_the_first_sequence_that_now_holds_another_message(
    undamaged: Undamaged, copy: Processes
) -> None:
    restore(undamaged.older, copy.system)
    copy.start_bus()
    with Bus(copy.system) as bus:
        first = bus.last_sequence() + 1
        for number in range(undamaged.size + 3 - bus.last_sequence()):
            publish(bus, f"other-{number}")

    halt = start_halted(copy)

    assert (halt["kind"], halt["since"]) == ("changed", first)
    assert ledger_size(copy.system) == undamaged.size


def publish(bus: Bus, request_id: str) -> None:
    subject = bus.subjects.request(bus.system.agency, request_id).encode()
    assert "seq" in bus.wire(bus.system.agency).ask(subject, b'{"payload":"of a request"}')


def test_a_stream_that_was_deleted_and_created_again_halts_releases(
    undamaged: Undamaged, copy: Processes
) -> None:
    shutil.rmtree(copy.system.layout.nats_store)
    copy.system.layout.nats_store.mkdir()
    copy.start_bus()

    assert start_halted(copy)["kind"] == "recreated"


def test_what_was_lost_before_it_was_recorded_is_a_gap_and_recording_goes_on(
    undamaged: Undamaged, copy: Processes, tmp_path: Path
) -> None:
    copy.start_bus()
    with Bus(copy.system) as bus:
        for number in range(6):
            publish(bus, f"unrecorded-{number}")
    copy.stop(BUS)
    raw = block(copy.system).read_bytes()
    block(copy.system).write_bytes(raw[: place(copy.system, undamaged.size + 4) + 5])
    copy.start_bus()
    with Bus(copy.system) as bus:
        assert bus.last_sequence() == undamaged.size + 6
        publish(bus, "after")

    copy.start("auditor")
    copy.until_ready("auditor")
    copy.start("verifier")

    until(lambda: copy.status("auditor")["gaps"] == 3, "the lost messages are gaps")
    asks = confirmable(FIRST + MORE + NEW)[-NEW:]
    results = ask_all(profile(copy.system.layout, tmp_path / "new.db"), asks)
    assert [each.outcome for each in results] == ["confirm"] * NEW
    assert verify(copy.system.layout.ledger, log_key(copy.system)).gaps == 3
    assert '"gap: the stream lost' in copy.log_text("auditor")
    # After a restart the comparison accepts the gaps.
    copy.stop("auditor")
    copy.start("auditor")
    copy.until_ready("auditor")
    assert copy.status("auditor")["gaps"] == 3


def change(bus: Bus, **settings: object) -> None:
    config = bus.operate(f"STREAM.INFO.{bus.subjects.stream}")["config"]
    answer = bus.operate(f"STREAM.UPDATE.{bus.subjects.stream}", {**config, **settings})
    assert "error" not in answer, answer


def test_relaxed_settings_halt_releases_while_the_ledger_goes_on(
    undamaged: Undamaged, copy: Processes, tmp_path: Path
) -> None:
    copy.start_bus()
    copy.start("auditor")
    copy.until_ready("auditor")
    with Bus(copy.system) as bus:
        change(bus, max_age=3_600_000_000_000)
        until(lambda: halted(copy), "it halts")
        assert halted(copy)["kind"] == "settings"
        assert "max_age" in halted(copy)["what"]
        require_explained(halted(copy))

        require_nothing_released(copy, bus, undamaged, tmp_path)
        until(lambda: ledger_size(copy.system) == bus.last_sequence(), "all is recorded")

        change(bus, max_age=0)
        copy.stop("auditor")
        copy.start("auditor")
        copy.until_ready("auditor")
        assert is_released(bus, undamaged.answered)

        change(bus, discard="old", discard_new_per_subject=False, max_msgs=5)
        until(lambda: halted(copy).get("kind") == "missing", "the dropped messages are found missing")
        assert halted(copy)["since"] == 1


def test_glomar_up_stays_up_with_a_halted_auditor_and_status_explains(copy: Processes) -> None:
    truncate(copy.system)

    with glomar_up(copy.system.layout.root):
        command = [program("glomar"), "status", "--data-dir", str(copy.system.layout.root)]
        status = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert status.returncode == 5
    assert "RELEASES ARE HALTED: the stream no longer holds" in status.stdout
    assert f"since sequence {FLIPPED}" in status.stdout

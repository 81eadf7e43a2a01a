"""Retention ends (G9): no remaining key opens what was sealed to a shredded epoch."""

import os
import shutil
import signal
from datetime import timedelta
from pathlib import Path

from glomar_local.provision.credentials import epoch_files
from glomar_runtime.bus.stream import Stored
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.keys import KeyRecord
from glomar_schemas.messages import Request
from msgspec.structs import replace

from tests.integration.changes import ask_late, command, identity_with, new_epoch, wait_for
from tests.integration.decryption_attempts import opened
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.live_copy import copy_live
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem

SHORT, LONG = timedelta(seconds=60), timedelta(days=31)
REFUSED = 3


class Agency:
    """Sends requests with the client, which receives notices; or as an agency that received none."""

    def __init__(self, running: RunningSystem, bus: Bus, folder: Path) -> None:
        self._bus, self._folder, self._runs = bus, folder, 0
        self._profile = profile(running.layout, folder / "late.db")

    def outcomes(self, number: int) -> set[str]:
        await_ledger(self._bus)  # the auditor sends notices of recorded controls
        self._runs += 1
        used = replace(self._profile, store=self._folder / f"store-{self._runs}.db")
        return {result.outcome for result in ask_all(used, confirmable(number))}

    def late(self, number: int, record: KeyRecord) -> set[str]:
        """Outcomes of requests sealed to that key, also when it is no longer valid."""
        extended = replace(record, valid_until=record.valid_until + LONG)
        answers = ask_late(self._bus, identity_with(self._profile, extended), confirmable(number))
        return {"refused" if answer.refusals else answer.outcome for answer in answers}


def sealed_to(bus: Bus, record: KeyRecord) -> list[Stored]:
    """The stored requests with particulars sealed to that key."""
    requests = [stored for stored in bus.messages() if ".request." in stored.subject]
    return [
        stored
        for stored in requests
        if open_envelope(stored.body, Request, stored.subject)[0].particulars.key_id == record.key_id
    ]


def copy(running: RunningSystem, target: Path, *left_out: str) -> Path:
    return copy_live(running.layout.root, target, *left_out)


def test_no_key_opens_what_was_sealed_to_a_shredded_epoch(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls, agency, layout = ControlPublisher(bus), Agency(running, bus, tmp_path), running.layout
    first = new_epoch(layout, SHORT)
    controls.key(first)
    wait_for(first.valid_from)
    assert agency.outcomes(8) == {"confirm"}
    second = new_epoch(layout, LONG)
    controls.key(second)
    wait_for(second.valid_from)
    assert second.valid_from < first.valid_until, "the epochs overlap"
    assert agency.late(8, first) == agency.outcomes(8) == {"confirm"}
    of_first, of_second = sealed_to(bus, first), sealed_to(bus, second)
    assert (len(of_first), len(of_second)) == (16, 8)

    subjects = {stored.subject for stored in of_first}
    backup = copy(running, tmp_path / "backup", "custodians")
    custodians = copy(running, tmp_path / "all-before") / "custodians"
    assert opened(of_first, backup) == set()
    assert opened(of_first, backup, custodians / "a") == opened(of_first, backup, custodians / "b") == set()
    assert opened(of_first, backup, custodians) == subjects, "with all three parts the requests open"
    shutil.rmtree(tmp_path / "all-before")

    wait_for(first.valid_until)
    controls.shred(first.key_id)
    assert wait_until(lambda: agency.late(1, first) == {"refused"})
    destroyed = command(layout, "epoch", "destroy", first.key_id)
    assert (destroyed.returncode, destroyed.stdout.split()[1:3]) == (0, ["3", "of"]), destroyed.stderr

    after = copy(running, tmp_path / "all-after")
    assert opened(of_first, after, backup) == set()
    assert opened(of_second, after) == {stored.subject for stored in of_second}, "the other epoch is intact"
    os.kill(running.pids["verifier"], signal.SIGKILL)
    assert agency.outcomes(8) == {"confirm"}
    await_ledger(bus)
    again = command(layout, "epoch", "destroy", first.key_id)
    assert (again.returncode, again.stdout.split()[1:3]) == (0, ["0", "of"]), again.stderr


def test_a_void_shred_control_destroys_nothing(running: RunningSystem, bus: Bus, tmp_path: Path) -> None:
    controls, agency, layout = ControlPublisher(bus), Agency(running, bus, tmp_path), running.layout
    first = new_epoch(layout, timedelta(seconds=15))
    controls.key(first)
    controls.shred(first.key_id)  # void: the key is still valid
    wait_for(first.valid_until)
    controls.shred(first.key_id, ["irs"])  # void: one signature only

    refused = command(layout, "epoch", "destroy", first.key_id)

    assert (refused.returncode, refused.stdout) == (REFUSED, "")
    assert "no valid control" in refused.stderr
    assert epoch_files(layout).files(first.key_id) == 3
    assert agency.late(3, first) == {"confirm"}

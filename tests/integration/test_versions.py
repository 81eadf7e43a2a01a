"""A new version of the agreement: in force from its control on, also for requests stored before."""

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

from glomar_local.provision.provision import provision
from glomar_requester.identity import load_identity
from glomar_schemas.agreement.model import SignedAgreement
from msgspec.structs import replace

from tests.integration.changes import REMOVED_JURISDICTION, ask_late, second_version
from tests.integration.test_holds import in_jurisdiction
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger, await_verdicts, open_verdict
from tests.support.requesting import BackgroundRequests, ask_all, confirmable, profile
from tests.support.running_system import STOP_LIMIT_S, RunningSystem, glomar_up

KEPT_JURISDICTION = "mnd"
MISCONFIGURED = 2


def install(running: RunningSystem) -> SignedAgreement:
    """Installs the second version at every party, and restarts the services."""
    signed = second_version(running.layout, running.layout.agreement.parent)
    for service in ("verifier", "auditor", "requester"):
        before = running.pids[service]
        os.kill(before, signal.SIGKILL)
        assert wait_until(partial(running.has_restarted, service, before), 60)
    return signed


def test_a_request_stored_before_a_new_version_is_decided_under_it(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls, second = ControlPublisher(bus), install(running)
    used = profile(running.layout, tmp_path / "store.db")
    asks = [*in_jurisdiction(KEPT_JURISDICTION, 20), *in_jurisdiction(REMOVED_JURISDICTION, 20, start=20)]
    assert {result.outcome for result in ask_all(used, asks[:2])} == {"confirm"}
    before = bus.last_sequence()
    os.kill(running.pids["verifier"], signal.SIGSTOP)
    background = BackgroundRequests(replace(used, store=tmp_path / "flight.db"), asks)
    background.start()
    assert wait_until(lambda: bus.last_sequence() >= before + len(asks), 60)

    controls.agreement(second.digest)
    os.kill(running.pids["verifier"], signal.SIGCONT)
    background.join()

    by_jurisdiction = {
        name: {
            (each.outcome, *(refusal.condition for refusal in each.refusals))
            for each in background.results
            if each.reference.startswith(name)
        }
        for name in (KEPT_JURISDICTION, REMOVED_JURISDICTION)
    }
    assert by_jurisdiction == {KEPT_JURISDICTION: {("confirm",)}, REMOVED_JURISDICTION: {("refused", "L6")}}
    assert len(background.results) == len(asks)
    verdicts = await_verdicts(bus, "ice", [each.request_id for each in background.results])
    decided_under = {open_verdict(bus.system, each, "ice")[0].agreement_digest for each in verdicts.values()}
    assert decided_under == {second.digest}


def test_after_a_new_version_the_old_one_may_not_be_named(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls, second = ControlPublisher(bus), install(running)
    used = profile(running.layout, tmp_path / "store.db")
    [old_answer] = ask_all(used, confirmable(1))
    controls.agreement(second.digest)

    refused = ask_late(bus, load_identity(used), confirmable(3))

    assert [[each.condition for each in answer.refusals] for answer in refused] == [["L11"]] * 3
    assert {answer.record_consulted for answer in refused} == {False}
    await_ledger(bus)
    informed = replace(used, store=tmp_path / "informed.db")
    assert {result.outcome for result in ask_all(informed, confirmable(3))} == {"confirm"}
    assert ask_all(used, confirmable(1)) == [old_answer], "an answer under the old version is still accepted"


def test_a_party_without_the_version_in_force_stops_until_it_is_installed(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    second = second_version(running.layout, tmp_path / "elsewhere")
    ControlPublisher(bus).agreement(second.digest)

    assert running.process.wait(60) == MISCONFIGURED

    line = (tmp_path / "data.log").read_text().strip().splitlines()[-1]
    assert "another version of the agreement is in force" in line
    assert "Install the version that was signed" in line
    again = subprocess.run(
        [*running.process.args],  # type: ignore[misc]
        capture_output=True,
        text=True,
        timeout=STOP_LIMIT_S + 60,
    )
    assert "another version" in again.stderr
    assert again.returncode != 0

    second_version(running.layout, running.layout.agreement.parent)
    with glomar_up(running.layout.root) as repaired, Bus(provision(repaired.layout, repaired.ports)) as after:
        results = ask_all(profile(repaired.layout, tmp_path / "store.db"), confirmable(3))
        assert {result.outcome for result in results} == {"confirm"}
        await_ledger(after)

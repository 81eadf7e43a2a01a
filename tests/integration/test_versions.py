"""A new version of the agreement: in force from its control on, for what was stored before as well."""

import os
import signal
import subprocess
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

STAYS = "mnd"
MISCONFIGURED = 2


def install(running: RunningSystem) -> SignedAgreement:
    """Beside the version in force, at every party, and started again."""
    signed = second_version(running.layout, running.layout.agreement.parent)
    for service in ("verifier", "auditor", "requester"):
        before = running.pids[service]
        os.kill(before, signal.SIGKILL)
        assert wait_until(lambda service=service, before=before: running.pids[service] != before, 60)
    return signed


def test_what_was_stored_before_a_new_version_is_decided_under_it_and_need_not_name_it(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls, second = ControlPublisher(bus), install(running)
    used = profile(running.layout, tmp_path / "store.db")
    asks = [*in_jurisdiction(STAYS, 20), *in_jurisdiction(REMOVED_JURISDICTION, 20, start=20)]
    assert {result.outcome for result in ask_all(used, asks[:2])} == {"confirm"}
    before = bus.last_sequence()
    os.kill(running.pids["verifier"], signal.SIGSTOP)
    asking = BackgroundRequests(replace(used, store=tmp_path / "flight.db"), asks)
    asking.start()
    assert wait_until(lambda: bus.last_sequence() >= before + len(asks), 60)

    controls.agreement(second.digest)
    os.kill(running.pids["verifier"], signal.SIGCONT)
    asking.join()

    by_jurisdiction = {
        name: {
            (each.outcome, *(refusal.condition for refusal in each.refusals))
            for each in asking.results
            if each.reference.startswith(name)
        }
        for name in (STAYS, REMOVED_JURISDICTION)
    }
    assert by_jurisdiction == {STAYS: {("confirm",)}, REMOVED_JURISDICTION: {("refused", "L6")}}
    assert len(asking.results) == len(asks)
    verdicts = await_verdicts(bus, "ice", [each.request_id for each in asking.results])
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
    told = replace(used, store=tmp_path / "told.db")
    assert {result.outcome for result in ask_all(told, confirmable(3))} == {"confirm"}
    assert ask_all(used, confirmable(1)) == [old_answer], "an answer under the old version is still believed"


def test_who_has_not_installed_a_version_that_is_in_force_stops_until_it_is(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    second = second_version(running.layout, tmp_path / "elsewhere")
    ControlPublisher(bus).agreement(second.digest)

    assert running.process.wait(60) == MISCONFIGURED

    said = (tmp_path / "data.log").read_text().strip().splitlines()[-1]
    assert "another version of the agreement is in force" in said
    assert "Install the version that was signed" in said
    again = subprocess.run(
        [*running.process.args],  # type: ignore[misc]
        capture_output=True,
        text=True,
        timeout=STOP_LIMIT_S + 60,
    )
    assert "another version" in again.stderr
    assert again.returncode != 0

    second_version(running.layout, running.layout.agreement.parent)
    with glomar_up(running.layout.root) as mended, Bus(provision(mended.layout, mended.ports)) as after:
        results = ask_all(profile(mended.layout, tmp_path / "store.db"), confirmable(3))
        assert {result.outcome for result in results} == {"confirm"}
        await_ledger(after)

"""Sealing keys of every party change in a running system; a party without its key in force stops."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from glomar_local.provision.provision import provision
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.keys import KeyRecord, generate, public_text, write_private
from glomar_schemas.messages import Verdict

from tests.integration.changes import SOON, new_epoch, wait_for
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.recorded import await_ledger, await_verdicts
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, glomar_up

LONG = timedelta(days=31)
MISCONFIGURED = 2


def new_key(running: RunningSystem, party: str) -> KeyRecord:
    """Written beside the older key of the party's service."""
    private = generate("seal")
    write_private(running.layout.keys / f"{party}.seal.2.pem", private)
    start = datetime.now(UTC) + SOON
    public = public_text(private.public_key())
    return KeyRecord(party=party, use="seal", public=public, valid_from=start, valid_until=start + LONG)


def last_line(tmp_path: Path) -> str:
    return (tmp_path / "data.log").read_text().strip().splitlines()[-1]


def test_oversight_and_agency_change_their_keys_in_a_running_system(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls, layout = ControlPublisher(bus), running.layout
    before, pids = ask_all(profile(layout, tmp_path / "store.db"), confirmable(3)), running.pids
    of_auditor, of_agency = new_key(running, "tigta"), new_key(running, "ice")
    controls.key(of_auditor, ["tigta", "irs"])
    controls.key(of_agency)
    wait_for(max(of_auditor.valid_from, of_agency.valid_from))

    results = ask_all(profile(layout, tmp_path / "other.db"), confirmable(3))

    assert {result.outcome for result in results} == {"confirm"}
    verdicts = await_verdicts(bus, "ice", [result.request_id for result in results])
    opened = [open_envelope(each.body, Verdict, each.subject)[0] for each in verdicts.values()]
    assert {each.answer.key_id for each in opened} == {of_auditor.key_id}
    assert ask_all(profile(layout, tmp_path / "store.db"), confirmable(3)) == before, (
        "earlier answers can still be read"
    )
    assert running.pids == pids


def test_the_auditor_stops_without_the_key_of_a_control_and_starts_with_it(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    record = new_key(running, "tigta")
    path = running.layout.keys / "tigta.seal.2.pem"
    moved = path.rename(tmp_path / "away.pem")
    ControlPublisher(bus).key(record, ["tigta", "irs"])
    wait_for(record.valid_from)

    assert running.process.wait(60) == MISCONFIGURED
    assert f"is missing: {record.key_id}" in last_line(tmp_path)

    moved.rename(path)
    with glomar_up(running.layout.root) as repaired, Bus(provision(repaired.layout, repaired.ports)) as after:
        results = ask_all(profile(repaired.layout, tmp_path / "store.db"), confirmable(3))
        assert {result.outcome for result in results} == {"confirm"}
        await_ledger(after)


def test_the_verifier_stops_without_a_custodians_share_and_starts_with_it(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    record = new_epoch(running.layout, LONG)
    path = running.layout.custodian("b") / f"{record.key_id}.share"
    moved = path.rename(tmp_path / "away.share")
    ControlPublisher(bus).key(record)

    assert running.process.wait(60) == MISCONFIGURED
    assert f"{record.key_id}.share: key file is missing" in last_line(tmp_path)

    moved.rename(path)
    with glomar_up(running.layout.root) as repaired:
        results = ask_all(profile(repaired.layout, tmp_path / "store.db"), confirmable(3))
        assert {result.outcome for result in results} == {"confirm"}

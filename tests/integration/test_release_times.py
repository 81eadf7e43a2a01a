"""Release times on a running system: no verdict is in the stream before the time that it states."""

from datetime import timedelta
from pathlib import Path

from glomar_runtime.bus.stream import moment
from glomar_verifier.decisions.verdict_writer import RELEASE_INTERVAL

from tests.support.bus import Bus
from tests.support.recorded import await_verdicts, open_verdict
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, system_of


def test_every_verdict_is_stored_at_its_release_time(system: RunningSystem, tmp_path: Path) -> None:
    results, agency = [], profile(system.layout, tmp_path / "store.db").agency
    for number, each in enumerate(confirmable(20)):
        results += ask_all(profile(system.layout, tmp_path / f"store-{number}.db"), [each])
    with Bus(system_of(system)) as bus:
        stored = await_verdicts(bus, agency, [each.request_id for each in results])
        for message in stored.values():
            verdict, _ = open_verdict(bus.system, message, agency)
            assert verdict.decided_at.microsecond % (RELEASE_INTERVAL // timedelta(microseconds=1)) == 0
            assert moment(message.time_ns) >= verdict.decided_at

"""A verifier that can't know what is in force, or what time it is, decides and publishes nothing."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_local.ports import HOST

from tests.faults import lagging_verifier
from tests.faults.cutting_proxy import CuttingProxy
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import until
from tests.support.requesting import BackgroundRequests, confirmable, profile
from tests.support.service_processes import BUS, Processes, get_json
from tests.support.wire import Refusal

NUMBER = 20


@pytest.fixture
def bus(processes: Processes) -> Iterator[Bus]:
    """With an auditor; each test starts a verifier itself."""
    processes.start_bus()
    processes.start("auditor")
    processes.until_ready("auditor")
    with Bus(processes.system) as found:
        yield found


def send_requests(
    processes: Processes, tmp_path: Path, first: int = 0, number: int = NUMBER
) -> BackgroundRequests:
    used = profile(processes.system.layout, tmp_path / f"store-{first}.db")
    started = BackgroundRequests(used, confirmable(first + number)[first:])
    started.start()
    return started


def waiting(processes: Processes) -> int:
    return int(processes.status("verifier").get("waiting", {}).get("total", -1))


def of_kind(bus: Bus, kind: str) -> int:
    return sum(f".{kind}." in each.subject for each in bus.messages())


def require_answered(background: BackgroundRequests, number: int = NUMBER) -> None:
    background.join()
    assert [each.outcome for each in background.results] == ["confirm"] * number


def test_a_verdict_decided_before_the_bus_was_cut_is_not_stored_after_the_hold(
    processes: Processes, bus: Bus, tmp_path: Path
) -> None:
    with CuttingProxy(processes.system.ports.bus) as proxy:
        processes.start("verifier", url=f"nats://{HOST}:{proxy.port}")
        processes.until_ready("verifier")
        proxy.cut_before(b".verdict.")
        background = send_requests(processes, tmp_path)
        until(lambda: proxy.is_cut, "the verifier has decided and publishes")
        until(lambda: of_kind(bus, "request") == NUMBER, "all requests are stored")

        slot, _ = ControlPublisher(bus).hold("all")
        proxy.restore()

        until(lambda: waiting(processes) == NUMBER, "all wait under the hold")
        assert of_kind(bus, "verdict") == 0
        controls = ControlPublisher(bus, slot)
        controls.lift(slot)
        require_answered(background)
        assert of_kind(bus, "verdict") == NUMBER


def test_without_the_newest_control_nothing_is_published(
    processes: Processes, bus: Bus, tmp_path: Path
) -> None:
    processes.start("verifier")
    processes.until_ready("verifier")
    conf = processes.system.layout.nats_conf
    whole = conf.read_text(encoding="utf-8")
    conf.write_text(without_reading(whole), encoding="utf-8")
    reload(processes)
    until(lambda: not can_read(bus), "the holder can't read the stream any more")
    slot, _ = ControlPublisher(bus).hold("all")

    background = send_requests(processes, tmp_path)
    until(lambda: of_kind(bus, "request") == NUMBER, "all requests are stored")
    tried = processes.log_text("verifier").count("retryable error; the message will be redelivered")
    until(
        lambda: (
            processes.log_text("verifier").count("retryable error; the message will be redelivered")
            >= tried + 3
        ),
        "the verifier has tried again",
    )
    assert of_kind(bus, "verdict") == 0
    assert waiting(processes) == 0

    conf.write_text(whole, encoding="utf-8")
    reload(processes)
    until(lambda: waiting(processes) == NUMBER, "all wait under the hold")
    assert of_kind(bus, "verdict") == 0
    ControlPublisher(bus, slot).lift(slot)
    require_answered(background)


def without_reading(whole: str) -> str:
    """The configuration without the holder's grant to read the stream, as export and as import."""
    before, start, account = whole.partition("\n  IRS: {")
    own, end, after = account.partition("\n  }")
    exports = [line for line in before.splitlines() if not ("STREAM.MSG.GET" in line and "[IRS]" in line)]
    imports = [line for line in own.splitlines() if "STREAM.MSG.GET" not in line]
    assert (len(exports), len(imports)) == (len(before.splitlines()) - 1, len(own.splitlines()) - 1)
    return "\n".join(exports) + start + "\n".join(imports) + end + after


def reload(processes: Processes) -> None:
    os.kill(processes.pid(BUS), signal.SIGHUP)


def can_read(bus: Bus) -> bool:
    subject = f"BUS.API.STREAM.MSG.GET.{bus.subjects.stream}".encode()
    try:
        return bool(bus.wire("irs").ask(subject, b'{"seq": 1}'))
    except (OSError, Refusal):
        bus.forget("irs")
        return False


def test_a_clock_that_was_stepped_back_stops_deciding_until_it_is_right(
    processes: Processes, bus: Bus, tmp_path: Path
) -> None:
    lag = tmp_path / "lag"
    lag.write_text("60")
    config = str(processes.system.layout.settings("verifier"))
    program = (sys.executable, str(Path(lagging_verifier.__file__)), "serve", "--config", config)
    processes.start("verifier", program, lag_file=str(lag))
    processes.until_ready("verifier")

    first = send_requests(processes, tmp_path, number=10)
    until(lambda: pending(bus) == 10, "the first requests are delivered")
    second = send_requests(processes, tmp_path, first=10, number=10)
    until(lambda: pending(bus) == 20, "the other requests are delivered")
    until(lambda: processes.is_unready("verifier"), "the verifier is not ready")
    ready = get_json(f"http://{HOST}:{processes.system.ports.verifier}/ready")
    assert "clock is more than 30 s behind" in ready["faults"]["clock"]
    assert count_logged(processes, "nothing is decided") == 1
    assert of_kind(bus, "verdict") == 0

    (tmp_path / "no lag").write_text("0")
    (tmp_path / "no lag").replace(lag)

    processes.until_ready("verifier")
    for background in (first, second):
        require_answered(background, 10)
    assert (
        count_logged(processes, "nothing is decided"),
        count_logged(processes, "the clock is right again"),
    ) == (1, 1)


def pending(bus: Bus) -> int:
    """Delivered to the verifier and not acknowledged."""
    return int(bus.operate(f"CONSUMER.INFO.{bus.subjects.stream}.verifier")["num_ack_pending"])


def count_logged(processes: Processes, words: str) -> int:
    return [json.loads(line)["message"] for line in processes.log_text("verifier").splitlines()].count(words)


def test_a_lost_list_of_waiting_requests_is_rebuilt(processes: Processes, bus: Bus, tmp_path: Path) -> None:
    processes.start("verifier")
    processes.until_ready("verifier")
    require_answered(send_requests(processes, tmp_path, number=10), 10)
    slot, _ = ControlPublisher(bus).hold("all")
    background = send_requests(processes, tmp_path, first=10)
    until(lambda: waiting(processes) == NUMBER, "all wait under the hold")
    processes.stop("verifier")
    lost = list(processes.system.layout.waiting.parent.glob("waiting.db*"))
    assert lost
    for file in lost:
        file.unlink()

    processes.start("verifier")

    processes.until_ready("verifier")
    until(lambda: processes.status("verifier")["waiting"]["complete"], "the list is complete")
    until(lambda: processes.status("verifier")["waiting"]["by_hold"] == {str(slot): NUMBER}, "all wait again")
    assert of_kind(bus, "verdict") == 10
    ControlPublisher(bus, slot).lift(slot)
    require_answered(background)
    assert of_kind(bus, "verdict") == 10 + NUMBER

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
from tests.faults.cutting_proxy import cutting_proxy
from tests.faults.processes import BUS, Processes, get_json
from tests.faults.waiting import until
from tests.integration.asking import Asking, confirmable, profile
from tests.integration.bus import Bus, watching
from tests.integration.holds import Officials
from tests.integration.wire import Refusal

NUMBER = 20


@pytest.fixture
def bus(bare: Processes) -> Iterator[Bus]:
    """With an auditor; the test starts the verifier that it wants."""
    bare.start_bus()
    bare.start("auditor")
    bare.until_ready("auditor")
    with watching(bare.system) as found:
        yield found


def asking(bare: Processes, tmp_path: Path, first: int = 0, number: int = NUMBER) -> Asking:
    used = profile(bare.system.layout, tmp_path / f"store-{first}.db")
    started = Asking(used, confirmable(first + number)[first:])
    started.start()
    return started


def waiting(bare: Processes) -> int:
    return int(bare.status("verifier").get("waiting", {}).get("total", -1))


def of_kind(bus: Bus, kind: str) -> int:
    return sum(f".{kind}." in each.subject for each in bus.messages())


def require_answered(asked: Asking, number: int = NUMBER) -> None:
    asked.join()
    assert [each.outcome for each in asked.results] == ["confirm"] * number


def test_what_was_decided_before_the_bus_was_cut_does_not_get_behind_the_hold(
    bare: Processes, bus: Bus, tmp_path: Path
) -> None:
    with cutting_proxy(bare.system.ports.bus) as proxy:
        bare.start("verifier", url=f"nats://{HOST}:{proxy.port}")
        bare.until_ready("verifier")
        proxy.cut_before(b".verdict.")
        asked = asking(bare, tmp_path)
        until(lambda: proxy.is_cut, "it has decided and wants to publish")
        until(lambda: of_kind(bus, "request") == NUMBER, "all is asked")

        slot, _ = Officials(bus).hold("all")
        proxy.mend()

        until(lambda: waiting(bare) == NUMBER, "all wait under the hold")
        assert of_kind(bus, "verdict") == 0
        officials = Officials(bus, slot)
        officials.lift(slot)
        require_answered(asked)
        assert of_kind(bus, "verdict") == NUMBER


def test_without_the_newest_control_nothing_is_published(bare: Processes, bus: Bus, tmp_path: Path) -> None:
    bare.start("verifier")
    bare.until_ready("verifier")
    conf = bare.system.layout.nats_conf
    whole = conf.read_text(encoding="utf-8")
    conf.write_text(deaf(whole), encoding="utf-8")
    reload(bare)
    until(lambda: not can_read(bus), "the holder can't read the stream any more")
    slot, _ = Officials(bus).hold("all")

    asked = asking(bare, tmp_path)
    until(lambda: of_kind(bus, "request") == NUMBER, "all is asked")
    tried = bare.said("verifier").count("retryable error; the message will be redelivered")
    until(
        lambda: bare.said("verifier").count("retryable error; the message will be redelivered") >= tried + 3,
        "it has tried",
    )
    assert of_kind(bus, "verdict") == 0
    assert waiting(bare) == 0

    conf.write_text(whole, encoding="utf-8")
    reload(bare)
    until(lambda: waiting(bare) == NUMBER, "all wait under the hold")
    assert of_kind(bus, "verdict") == 0
    Officials(bus, slot).lift(slot)
    require_answered(asked)


def deaf(whole: str) -> str:
    """The configuration without the grant by which the holder reads the stream, as export and as import."""
    before, start, account = whole.partition("\n  IRS: {")
    own, end, after = account.partition("\n  }")
    kept = [line for line in before.splitlines() if not ("STREAM.MSG.GET" in line and "[IRS]" in line)]
    heard = [line for line in own.splitlines() if "STREAM.MSG.GET" not in line]
    assert (len(kept), len(heard)) == (len(before.splitlines()) - 1, len(own.splitlines()) - 1)
    return "\n".join(kept) + start + "\n".join(heard) + end + after


def reload(bare: Processes) -> None:
    os.kill(bare.pid(BUS), signal.SIGHUP)


def can_read(bus: Bus) -> bool:
    subject = f"BUS.API.STREAM.MSG.GET.{bus.subjects.stream}".encode()
    try:
        return bool(bus.wire("irs").ask(subject, b'{"seq": 1}'))
    except (OSError, Refusal):
        bus.forget("irs")
        return False


def test_a_clock_that_was_stepped_back_stops_deciding_until_it_is_right(
    bare: Processes, bus: Bus, tmp_path: Path
) -> None:
    lag = tmp_path / "lag"
    lag.write_text("60")
    config = str(bare.system.layout.settings("verifier"))
    program = (sys.executable, str(Path(lagging_verifier.__file__)), "serve", "--config", config)
    bare.start("verifier", program, lag_file=str(lag))
    bare.until_ready("verifier")

    first = asking(bare, tmp_path, number=10)
    until(lambda: pending(bus) == 10, "the first are delivered")
    second = asking(bare, tmp_path, first=10, number=10)
    until(lambda: pending(bus) == 20, "the others are delivered")
    until(lambda: bare.is_unready("verifier"), "it says that it is not ready")
    ready = get_json(f"http://{HOST}:{bare.system.ports.verifier}/ready")
    assert "clock is more than 30 s behind" in ready["faults"]["clock"]
    assert told(bare, "nothing is decided") == 1
    assert of_kind(bus, "verdict") == 0

    (tmp_path / "no lag").write_text("0")
    (tmp_path / "no lag").replace(lag)

    bare.until_ready("verifier")
    for asked in (first, second):
        require_answered(asked, 10)
    assert (told(bare, "nothing is decided"), told(bare, "the clock is right again")) == (1, 1)


def pending(bus: Bus) -> int:
    """Delivered to the verifier and not acknowledged."""
    return int(bus.operate(f"CONSUMER.INFO.{bus.subjects.stream}.verifier")["num_ack_pending"])


def told(bare: Processes, words: str) -> int:
    return [json.loads(line)["message"] for line in bare.said("verifier").splitlines()].count(words)


def test_a_list_of_what_waits_that_was_lost_is_made_anew(bare: Processes, bus: Bus, tmp_path: Path) -> None:
    bare.start("verifier")
    bare.until_ready("verifier")
    require_answered(asking(bare, tmp_path, number=10), 10)
    slot, _ = Officials(bus).hold("all")
    asked = asking(bare, tmp_path, first=10)
    until(lambda: waiting(bare) == NUMBER, "all wait under the hold")
    bare.stop("verifier")
    lost = list(bare.system.layout.waiting.parent.glob("waiting.db*"))
    assert lost
    for file in lost:
        file.unlink()

    bare.start("verifier")

    bare.until_ready("verifier")
    until(lambda: bare.status("verifier")["waiting"]["complete"], "the list is complete")
    until(lambda: bare.status("verifier")["waiting"]["by_hold"] == {str(slot): NUMBER}, "all wait again")
    assert of_kind(bus, "verdict") == 10
    Officials(bus, slot).lift(slot)
    require_answered(asked)
    assert of_kind(bus, "verdict") == 10 + NUMBER

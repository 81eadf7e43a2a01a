"""The register of a running verifier: replaced under traffic, and asked without a bus, with one result."""

import csv
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from glomar_evaluation.synth import people
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.system.process import program
from glomar_requester import Ask
from glomar_verifier.register.build import build_into
from glomar_verifier.register.open import open_place

from tests.support.polling import wait_until
from tests.support.postgres import postgres
from tests.support.registers import RULES, write_csv
from tests.support.requesting import BackgroundRequests, ask_all, profile, rows, to_ask
from tests.support.running_system import RunningSystem, glomar_up

ASKED = 120
REPLACEMENTS = 4
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path_factory.mktemp("register") / "data") as found:
        yield found


def confirmable() -> list[Ask]:
    return [to_ask(row) for row in rows(400) if row["truth"] == "confirm"]


def extract(folder: Path, name: str, *, moved: bool) -> Path:
    """The people of `glomar up`; or the same, everybody gone to another house number."""
    return write_csv(
        folder / name,
        (
            {**row, "street_number": row["street_number"] and row["street_number"] + "7"} if moved else row
            for row in people(population.PEOPLE, population.SEED)
        ),
    )


def test_a_register_is_replaced_under_traffic_and_no_request_is_lost(
    running: RunningSystem, tmp_path: Path
) -> None:
    there, gone = extract(tmp_path, "there.csv", moved=False), extract(tmp_path, "gone.csv", moved=True)
    houses = [ask for ask in confirmable() if ask.street_number]
    asked, later = houses[:ASKED], houses[ASKED:]
    place, used = str(running.layout.register), profile(running.layout, tmp_path / "store")
    verifier = running.pids["verifier"]

    asking = BackgroundRequests(used, asked)
    asking.start()
    for _ in range(REPLACEMENTS // 2):
        build_into(place, gone, RULES)
        build_into(place, there, RULES)
    asking.join(LIMIT_S)

    assert {result.reference for result in asking.results} == {ask.reference for ask in asked}
    assert {result.outcome for result in asking.results} <= {"confirm", "deny"}
    build_into(place, gone, RULES)
    assert wait_until(lambda: _next_answer(running.layout, tmp_path, later) == "deny", LIMIT_S)
    build_into(place, there, RULES)
    assert wait_until(lambda: _next_answer(running.layout, tmp_path, later) == "confirm", LIMIT_S)
    assert running.pids["verifier"] == verifier


def test_a_damaged_register_in_its_place_is_refused_and_the_old_one_serves_on(
    running: RunningSystem, tmp_path: Path
) -> None:
    register, log = running.layout.register, running.layout.log("verifier")
    whole = register.read_bytes()
    half = register.with_suffix(".half")
    half.write_bytes(whole[: len(whole) // 2])
    half.replace(register)
    assert wait_until(lambda: "truncated" in log.read_text(), LIMIT_S)
    nobody_asked_yet = [ask for ask in confirmable() if ask.street_number][ASKED : ASKED + 5]
    assert _next_answer(running.layout, tmp_path, nobody_asked_yet) == "confirm"
    half.write_bytes(whole)
    half.replace(register)


def _next_answer(layout: Layout, folder: Path, asks: list[Ask]) -> str:
    """Of somebody who was not asked about yet, since the agreement counts how often."""
    [result] = ask_all(profile(layout, folder / f"store-{len(asks)}"), [asks.pop()])
    return result.outcome


def test_offline_gives_what_the_bus_gives(running: RunningSystem, tmp_path: Path) -> None:
    layout = running.layout
    asked = population.make_requests(300, population.today())
    population.write_requests(asked, tmp_path / "requests.csv")
    command = ["glomar-requester", "submit", str(tmp_path / "requests.csv"), "--wait"]
    command += ["--out", str(tmp_path / "bus.csv"), "--config", str(layout.settings("requester"))]
    _run(*command)
    _match(layout, str(layout.register), tmp_path)
    bus, offline = _outcomes(tmp_path / "bus.csv"), _outcomes(tmp_path / "offline.csv")
    assert len(offline) == 300
    assert offline == bus
    assert {"confirm", "deny", "refused"} <= {outcome for outcome, _ in offline.values()}


def test_offline_says_the_same_from_a_server(running: RunningSystem, tmp_path: Path) -> None:
    asked = population.make_requests(300, population.today())
    population.write_requests(asked, tmp_path / "requests.csv")
    _match(running.layout, str(running.layout.register), tmp_path)
    from_file = _outcomes(tmp_path / "offline.csv")
    with postgres(["fsync=off"]) as server:
        place = server.database("register")
        _run("glomar-verifier", "register", "build", str(running.layout.register_csv), "--db", place)
        _match(running.layout, place, tmp_path)
    assert _outcomes(tmp_path / "offline.csv") == from_file


def test_a_verifier_on_a_server_answers_and_takes_up_a_new_register(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, gone = extract(tmp_path, "there.csv", moved=False), extract(tmp_path, "gone.csv", moved=True)
    later = [ask for ask in confirmable() if ask.street_number]
    with postgres(["fsync=off"]) as server:
        place = server.database("register")
        build_into(place, there, RULES)
        monkeypatch.setenv("GLOMAR_REGISTER", place)
        with glomar_up(tmp_path / "data") as running:
            assert _next_answer(running.layout, tmp_path, later) == "confirm"
            build_into(place, gone, RULES)
            assert wait_until(lambda: _next_answer(running.layout, tmp_path, later) == "deny", LIMIT_S)


def test_a_build_that_is_killed_leaves_the_old_register_and_the_next_one_cleans_up(
    running: RunningSystem, tmp_path: Path
) -> None:
    target = tmp_path / "register.db"
    source = running.layout.register_csv
    build_into(str(target), source, RULES)
    before = target.read_bytes()
    with _building(tmp_path, target) as process:
        place = tmp_path / ".register.db.building"
        assert wait_until(lambda: any(place.rglob("posting-*")), LIMIT_S)
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)
    assert target.read_bytes() == before
    open_place(str(target), RULES).close()
    assert place.stat().st_mode & 0o077 == 0
    build_into(str(target), source, RULES)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@contextmanager
def _building(folder: Path, target: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A build large enough to have workers."""
    _run("glomar", "synth", "--people", "120000", "--out", str(folder / "large.csv"))
    command = [
        program("glomar-verifier"),
        "register",
        "build",
        str(folder / "large.csv"),
        "--db",
        str(target),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT_S)


def _match(layout: Layout, place: str, folder: Path) -> None:
    command = ["glomar-verifier", "match", "--db", place, "--requests", str(folder / "requests.csv")]
    command += ["--out", str(folder / "offline.csv"), "--agreement", str(layout.agreement)]
    _run(*command, "--roll", str(next(iter(layout.rolls.glob("*.csv")))))


def _run(*command: str) -> None:
    ended = subprocess.run(
        [program(command[0]), *command[1:]], capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr


def _outcomes(results: Path) -> dict[str, tuple[str, str]]:
    with results.open(encoding="utf-8", newline="") as file:
        return {row["reference"]: (row["outcome"], row["refusals"]) for row in csv.DictReader(file)}

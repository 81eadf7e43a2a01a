"""The register of a running verifier: replaced during requests, and used offline, with the same results."""

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

from tests.support.commands import run
from tests.support.polling import wait_until
from tests.support.postgres import postgres
from tests.support.registers import RULES, write_csv
from tests.support.requesting import BackgroundRequests, ask_all, profile, read_results, rows, to_ask
from tests.support.running_system import RunningSystem, glomar_up

REQUESTS = 120
REPLACEMENTS = 4
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path_factory.mktemp("register") / "data") as found:
        yield found


def confirmable() -> list[Ask]:
    return [to_ask(row) for row in rows(400) if row["truth"] == "confirm"]


def extract(folder: Path, name: str, *, moved: bool) -> Path:
    """The people of `glomar up`. moved: each with another house number."""
    return write_csv(
        folder / name,
        (
            {**row, "street_number": row["street_number"] and row["street_number"] + "7"} if moved else row
            for row in people(population.PEOPLE, population.SEED)
        ),
    )


def test_a_register_is_replaced_during_requests_and_none_is_lost(
    running: RunningSystem, tmp_path: Path
) -> None:
    original = extract(tmp_path, "original.csv", moved=False)
    moved = extract(tmp_path, "moved.csv", moved=True)
    houses = [ask for ask in confirmable() if ask.street_number]
    first, later = houses[:REQUESTS], houses[REQUESTS:]
    place, used = str(running.layout.register), profile(running.layout, tmp_path / "store")
    verifier = running.pids["verifier"]

    background = BackgroundRequests(used, first)
    background.start()
    for _ in range(REPLACEMENTS // 2):
        build_into(place, moved, RULES)
        build_into(place, original, RULES)
    background.join(LIMIT_S)

    assert {result.reference for result in background.results} == {ask.reference for ask in first}
    assert {result.outcome for result in background.results} <= {"confirm", "deny"}
    build_into(place, moved, RULES)
    assert wait_until(lambda: _next_answer(running.layout, tmp_path, later) == "deny", LIMIT_S)
    build_into(place, original, RULES)
    assert wait_until(lambda: _next_answer(running.layout, tmp_path, later) == "confirm", LIMIT_S)
    assert running.pids["verifier"] == verifier


def test_a_damaged_replacement_is_refused_and_the_old_register_stays_in_use(
    running: RunningSystem, tmp_path: Path
) -> None:
    register, log = running.layout.register, running.layout.log("verifier")
    whole = register.read_bytes()
    half = register.with_suffix(".half")
    half.write_bytes(whole[: len(whole) // 2])
    half.replace(register)
    assert wait_until(lambda: "truncated" in log.read_text(), LIMIT_S)
    unused = [ask for ask in confirmable() if ask.street_number][REQUESTS : REQUESTS + 5]
    assert _next_answer(running.layout, tmp_path, unused) == "confirm"
    half.write_bytes(whole)
    half.replace(register)


def _next_answer(layout: Layout, folder: Path, asks: list[Ask]) -> str:
    """The outcome for the last of `asks`, which is removed: the agreement limits requests about a person."""
    [result] = ask_all(profile(layout, folder / f"store-{len(asks)}"), [asks.pop()])
    return result.outcome


def test_offline_decisions_equal_those_over_the_bus(running: RunningSystem, tmp_path: Path) -> None:
    layout = running.layout
    requests = population.make_requests(300, population.today())
    population.write_requests(requests, tmp_path / "requests.csv")
    command = ["glomar-requester", "submit", str(tmp_path / "requests.csv"), "--wait"]
    command += ["--out", str(tmp_path / "bus.csv"), "--config", str(layout.settings("requester"))]
    _run(*command)
    _match(layout, str(layout.register), tmp_path)
    bus, offline = _outcomes(tmp_path / "bus.csv"), _outcomes(tmp_path / "offline.csv")
    assert len(offline) == 300
    assert offline == bus
    assert {"confirm", "deny", "refused"} <= {outcome for outcome, _ in offline.values()}


def test_offline_decisions_are_the_same_with_a_server(running: RunningSystem, tmp_path: Path) -> None:
    requests = population.make_requests(300, population.today())
    population.write_requests(requests, tmp_path / "requests.csv")
    _match(running.layout, str(running.layout.register), tmp_path)
    from_file = _outcomes(tmp_path / "offline.csv")
    with postgres(["fsync=off"]) as server:
        place = server.database("register")
        _run("glomar-verifier", "register", "build", str(running.layout.register_csv), "--db", place)
        _match(running.layout, place, tmp_path)
    assert _outcomes(tmp_path / "offline.csv") == from_file


def test_a_verifier_with_a_server_uses_a_new_register(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = extract(tmp_path, "original.csv", moved=False)
    moved = extract(tmp_path, "moved.csv", moved=True)
    later = [ask for ask in confirmable() if ask.street_number]
    with postgres(["fsync=off"]) as server:
        place = server.database("register")
        build_into(place, original, RULES)
        monkeypatch.setenv("GLOMAR_REGISTER", place)
        with glomar_up(tmp_path / "data") as running:
            assert _next_answer(running.layout, tmp_path, later) == "confirm"
            build_into(place, moved, RULES)
            assert wait_until(lambda: _next_answer(running.layout, tmp_path, later) == "deny", LIMIT_S)


def test_a_killed_build_leaves_the_old_register_and_the_next_build_cleans_up(
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
    """A build that is large enough for workers."""
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
    ended = run(*command)
    assert ended.returncode == 0, ended.stderr


def _outcomes(results: Path) -> dict[str, tuple[str, str]]:
    return {row["reference"]: (row["outcome"], row["refusals"]) for row in read_results(results)}

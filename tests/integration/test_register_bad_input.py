"""Unusable extracts and servers: one clear line each, and the register in service stays."""

import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from glomar_local.system.process import program
from glomar_schemas.errors import GlomarError
from glomar_verifier.offline.decide_file import check
from glomar_verifier.register.build import build_into
from glomar_verifier.register.open import open_place
from glomar_verifier.register.postgres_rows import connect

from tests.integration.test_bad_input import REFUSED, USAGE, require_error_line
from tests.support.commands import run
from tests.support.postgres import PASSWORD, USER, Server, postgres
from tests.support.registers import ANA, RULES, YEARS, particulars, write_csv

UNREACHABLE = 5
INTEGRITY = 6
LINE_MB = 512
FLAT_MB = 300


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres(["fsync=off"]) as running:
        yield running


def serves(place: str) -> bool:
    register = open_place(place, RULES)
    try:
        return check(register, particulars(ANA), YEARS, RULES).outcome == "confirm"
    finally:
        register.close()


def test_a_line_of_half_a_gigabyte_is_one_fault_in_constant_memory(tmp_path: Path) -> None:
    source, target = write_csv(tmp_path / "extract.csv", [ANA]), tmp_path / "register.db"
    with source.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.truncate(file.tell() + (LINE_MB << 20))  # a hole: zeros without a line's end
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
        file.write(",".join({**ANA, "person_id": "P2", "first_name": "Eva"}.values()).encode() + b"\n")
    # A limit and no measured peak: a child's peak includes its parent's memory at the fork.
    limited = ["bash", "-c", f'ulimit -d {FLAT_MB << 10} && exec "$@"', "bash", program("glomar-verifier")]
    command = [*limited, "register", "build", str(source), "--db", str(target), "--max-left-out", "50"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "1 left out, row: longer than 16384 bytes; line 3" in ended.stdout
    assert "2 people, 2 spells, 1 rows left out" in ended.stdout
    assert serves(str(target))


BAD_EXTRACTS: dict[str, tuple[bytes, str]] = {
    "missing columns": (b"person_id,first_name\nP1,Ana\n", "the header lacks last_name"),
    "no rows": (",".join(ANA).encode() + b"\n", "no usable row"),
    "only impossible dates": (
        (",".join(ANA) + "\n" + ",".join({**ANA, "date_of_birth": "2031-01-01"}.values()) + "\n").encode(),
        "no usable row",
    ),
    "only rows that contradict each other": (
        (
            ",".join(ANA)
            + "\n"
            + ",".join(ANA.values())
            + "\n"
            + ",".join({**ANA, "first_name": "Eva"}.values())
            + "\n"
        ).encode(),
        "no usable row",
    ),
    "another table": (b"\x00\x01\x02\n", "column 1 of the header is unknown"),
}


@pytest.mark.parametrize(("how", "where"), [*((how, "file") for how in BAD_EXTRACTS), ("no rows", "server")])
def test_a_bad_extract_is_reported_in_one_line_and_the_old_register_stays(
    request: pytest.FixtureRequest, tmp_path: Path, how: str, where: str
) -> None:
    place = str(tmp_path / "register.db")
    if where == "server":
        place = request.getfixturevalue("server").database("bad_" + how.replace(" ", "_"))
    build_into(place, write_csv(tmp_path / "good.csv", [ANA]), RULES)
    content, words = BAD_EXTRACTS[how]
    source = tmp_path / "bad.csv"
    source.write_bytes(content)
    require_error_line(
        run("glomar-verifier", "register", "build", str(source), "--db", place), REFUSED, words
    )
    assert serves(place)


def test_an_impossible_row_is_reported_by_line_and_column(tmp_path: Path) -> None:
    rows = [
        ANA,
        {**ANA, "person_id": "P2", "date_of_birth": "1799-01-01"},
        {**ANA, "person_id": "P3", "date_of_birth": "2016-01-01"},
        {**ANA, "person_id": "P4", "date_of_birth": "1980-02-30"},
        {**ANA, "person_id": "P5", "from_year": "2020", "to_year": "2019"},
    ]
    source = write_csv(tmp_path / "extract.csv", rows)
    build = ("glomar-verifier", "register", "build", str(source), "--db", str(tmp_path / "register.db"))
    ended = run(*build, "--max-left-out", "80")
    assert ended.returncode == 0
    assert "2 left out, date_of_birth: before 1850 or after from_year; lines 3, 4" in ended.stdout
    assert "1 left out, date_of_birth: not a date as YYYY-MM-DD; line 5" in ended.stdout
    assert "1 left out, to_year: before from_year; line 6" in ended.stdout
    assert "1 people, 1 spells, 4 rows left out" in ended.stdout


def test_a_build_stops_before_it_leaves_out_more_rows_than_allowed(tmp_path: Path) -> None:
    place = str(tmp_path / "register.db")
    build_into(place, write_csv(tmp_path / "good.csv", [ANA]), RULES)
    good = [{**ANA, "person_id": f"P{n}", "street_number": str(n)} for n in range(1, 91)]
    bad = [{**ANA, "person_id": f"Q{n}", "zip": "none"} for n in range(10)]
    source = write_csv(tmp_path / "extract.csv", [*good, *bad])
    build = ("glomar-verifier", "register", "build", str(source), "--db", place)
    ended = run(*build)
    require_error_line(ended, REFUSED, "10 of 100 rows would be left out, more than 5.0%")
    assert (
        "10 left out, zip: not a ZIP code of this agreement's form; lines 92, 93, 94, 95, 96 …"
        in ended.stdout
    )
    listed = (tmp_path / "register.db.left-out.csv").read_text().splitlines()
    assert listed[0] == "line,column,cause"
    assert [line.split(",")[0] for line in listed[1:]] == [str(n) for n in range(92, 102)]
    assert stat.S_IMODE((tmp_path / "register.db.left-out.csv").stat().st_mode) == 0o600
    assert serves(place)
    assert run(*build, "--max-left-out", "10").returncode == 0
    assert run(*build[:3], str(tmp_path / "good.csv"), *build[4:]).returncode == 0
    assert not (tmp_path / "register.db.left-out.csv").exists()


def test_match_needs_an_agreement_or_says_that_it_has_none(tmp_path: Path) -> None:
    place = str(tmp_path / "register.db")
    build_into(place, write_csv(tmp_path / "good.csv", [ANA]), RULES)
    requests = tmp_path / "requests.csv"
    requests.write_text("reference,last_name\n1,Lopez\n")
    match = (
        "glomar-verifier",
        "match",
        "--db",
        place,
        "--requests",
        str(requests),
        "--out",
        str(tmp_path / "o"),
    )
    require_error_line(run(*match), USAGE, "one of --agreement and --without-agreement is needed")
    ended = run(*match, "--without-agreement")
    assert ended.returncode == 0
    assert "no condition was applied" in ended.stderr


# PostgreSQL


def no_password(server: Server, folder: Path) -> str:
    return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{server.port}/postgres"


def nobody_there(server: Server, folder: Path) -> str:
    return f"postgresql://{USER}@/postgres?host={folder}"


def no_such_database(server: Server, folder: Path) -> str:
    return server.url("absent")


def passfile_for_all(server: Server, folder: Path) -> str:
    return server.tcp_url(_passfile(folder, 0o644))


def no_register(server: Server, folder: Path) -> str:
    return server.database("empty")


def no_url(server: Server, folder: Path) -> str:
    return "postgresql://[nowhere"


SERVERS: dict[Callable[[Server, Path], str], tuple[int, str]] = {
    no_password: (USAGE, "holds a password"),
    nobody_there: (UNREACHABLE, "no PostgreSQL server answers"),
    no_such_database: (USAGE, "refuses this user or database"),
    passfile_for_all: (USAGE, "others can read its passfile"),
    no_register: (USAGE, "holds no register"),
    no_url: (USAGE, "not a postgresql:// URL"),
}


@pytest.mark.parametrize("damage", SERVERS, ids=lambda damage: damage.__name__)
def test_an_unusable_server_is_reported_without_a_secret(
    server: Server, tmp_path: Path, damage: Callable[[Server, Path], str]
) -> None:
    code, words = SERVERS[damage]
    with pytest.raises(GlomarError, match=words) as refusal:
        open_place(damage(server, tmp_path), RULES)
    assert refusal.value.exit_code == code
    # The cause would be printed too.
    assert PASSWORD not in str(refusal.value) and refusal.value.__cause__ is None


def test_a_private_passfile_may_hold_the_password(server: Server, tmp_path: Path) -> None:
    server.database("private")
    place = server.tcp_url(_passfile(tmp_path, 0o600), "private")
    build_into(place, write_csv(tmp_path / "extract.csv", [ANA]), RULES)
    assert serves(place)


def test_rows_missing_on_the_server_are_an_integrity_failure(server: Server, tmp_path: Path) -> None:
    place = server.database("short")
    build_into(place, write_csv(tmp_path / "extract.csv", [ANA]), RULES)
    with psycopg.connect(place) as connection:
        connection.execute("DELETE FROM glomar_register_1.spell")
    ended = run(
        "glomar-verifier", "match", "--db", place, "--requests", "x", "--out", str(tmp_path / "out.csv"),
        "--without-agreement",
    )  # fmt: skip
    require_error_line(ended, INTEGRITY, "rows are missing")


def test_a_killed_load_leaves_only_the_old_register(server: Server, tmp_path: Path) -> None:
    place = server.database("killed")
    build_into(place, write_csv(tmp_path / "good.csv", [ANA]), RULES)
    run("glomar", "synth", "--people", "20000", "--out", str(tmp_path / "large.csv"))
    command = [program("glomar-verifier"), "register", "build", str(tmp_path / "large.csv"), "--db", place]
    with connect(place, reading=True) as observer:
        with psycopg.connect(place) as holding:
            # The load waits for this lock at its last step, after the copy.
            holding.execute("LOCK TABLE glomar_register.build IN EXCLUSIVE MODE")
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not _number(observer, waiting):
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        while _number(observer, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'killed'") > 1:
            pass
        assert _number(observer, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^glomar_register_'") == 1
    assert serves(place)


def test_a_lookup_goes_on_after_the_connection_was_lost(server: Server, tmp_path: Path) -> None:
    place = server.database("lost")
    build_into(place, write_csv(tmp_path / "extract.csv", [ANA]), RULES)
    register = open_place(place, RULES)
    with psycopg.connect(server.url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost'")
    assert check(register, particulars(ANA), YEARS, RULES).outcome == "confirm"
    register.close()


def _number(connection: psycopg.Connection, statement: str) -> int:
    found = connection.execute(statement.encode()).fetchone()
    assert found is not None
    return int(found[0])


def _passfile(folder: Path, mode: int) -> Path:
    passfile = folder / "passfile"
    passfile.write_text(f"*:*:*:*:{PASSWORD}\n")
    passfile.chmod(mode)
    return passfile

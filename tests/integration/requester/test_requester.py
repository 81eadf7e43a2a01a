"""The requester's command and service with a whole running system, as an agency uses them."""

import csv
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from glomar_evaluation.synth import case_and_officer
from glomar_local.ports import HOST
from glomar_local.system.process import program

from tests.support.commands import run
from tests.support.polling import wait_until
from tests.support.requesting import read_results
from tests.support.running_system import RunningSystem, glomar_up

LIMIT_S = 300.0
ASK = {
    "reference": "H-1",
    "first_name": "Nobody",
    "last_name": "Known",
    "street_number": "1",
    "street_name": "Nowhere St",
    "city": "Houston",
    "state": "TX",
    "zip": "77002",
    "tax_periods": "2023",
    "ground": "criminal-investigation",
    "statute": "8 U.S.C. 1326",
    "case_id": "CASE-000040",
    "officer_id": "OFF-001",
    "reason": "The subject left the address on file; it is needed to serve the warrant of docket 77.",
    "intended_use": "criminal-investigation",
}


def requester(system: RunningSystem, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("glomar-requester", *arguments, "--config", str(system.layout.settings("requester")))


def requests_file(path: Path, count: int, marker: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ASK)
        writer.writeheader()
        for number in range(count):
            # In the case roll that `glomar up` writes for the agency.
            case_id, officer_id = case_and_officer(number + 1)
            case = {"reference": f"{marker}-{number}", "case_id": case_id, "officer_id": officer_id}
            writer.writerow({**ASK, **case, "reason": f"{ASK['reason']} {marker} {number}"})
    return path


def http(
    system: RunningSystem, method: str, path: str, body: object = None, token: str | None = None
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://{HOST}:{system.ports.requester}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"Bearer {system.token if token is None else token}"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_submit_answers_each_row_and_repeats_the_same_answers(system: RunningSystem, tmp_path: Path) -> None:
    requests = requests_file(tmp_path / "requests.csv", 450, "twice")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    for out in (first, second):
        done = requester(system, "submit", str(requests), "--wait", "--out", str(out), "--json")
        assert (done.returncode, done.stderr) == (0, "")
        summary = json.loads(done.stdout)
        assert (summary["version"], summary["rows"], summary["unanswered"]) == (1, 450, 0)
    key = "reference"
    assert sorted(read_results(first), key=lambda r: r[key]) == sorted(
        read_results(second), key=lambda r: r[key]
    )
    assert {row["receipt_ok"] for row in read_results(first)} == {"true"}


def test_result_and_prove_show_the_answer(system: RunningSystem, tmp_path: Path) -> None:
    requests = requests_file(tmp_path / "requests.csv", 1, "prove")
    done = requester(system, "submit", str(requests), "--wait")
    [row] = csv.DictReader(done.stdout.splitlines())
    shown = json.loads(requester(system, "result", row["request_id"], "--json").stdout)
    assert (shown["outcome"], shown["trace_id"]) == (row["outcome"], row["trace_id"])
    proof = requester(system, "prove", row["request_id"])
    assert proof.returncode == 0
    header, extra, index = proof.stdout.splitlines()[:3]
    assert (header, index) == ("c2sp.org/tlog-proof@v1", f"index {int(row['sequence']) - 1}")
    assert extra.startswith("extra ")
    assert row["outcome"] in proof.stderr


def test_ask_takes_the_columns_as_flags(system: RunningSystem) -> None:
    flags = [part for name, text in ASK.items() for part in (f"--{name.replace('_', '-')}", text)]
    done = requester(system, "ask", *flags, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["receipt_ok"] is True


def test_an_answer_whose_push_was_missed_is_fetched(system: RunningSystem, tmp_path: Path) -> None:
    """Without --wait the command has ended when the answer is released."""
    requests = requests_file(tmp_path / "requests.csv", 5, "missed")
    done = requester(system, "submit", str(requests))
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["outcome"] for row in rows] == ["unanswered"] * 5
    shown = requester(system, "result", rows[0]["request_id"], "--timeout-s", "20", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["receipt_ok"] is True


def test_a_killed_run_loses_and_repeats_nothing(tmp_path: Path) -> None:
    with glomar_up(tmp_path / "data") as system:
        requests = requests_file(tmp_path / "requests.csv", 3000, "killed")
        store, out = system.layout.requests_store, tmp_path / "out.csv"
        command = [program("glomar-requester"), "submit", str(requests), "--wait", "--out", str(out)]
        command += ["--config", str(system.layout.settings("requester"))]
        child = subprocess.Popen(command)
        assert wait_until(lambda: _count(store, "published") > 400)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        prepared = _count(store, "asked")
        assert not out.exists()
        done = requester(system, "submit", str(requests), "--wait", "--out", str(out), "--json")
        assert done.returncode == 0, done.stderr
        assert 400 < prepared <= _count(store, "asked") == 3000
        assert len({row["request_id"] for row in read_results(out)}) == 3000
        assert {row["receipt_ok"] for row in read_results(out)} == {"true"}


def _count(store: Path, table: str) -> int:
    try:
        database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        found: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found
    except sqlite3.Error:
        return 0
    finally:
        database.close()


def test_http_accepts_a_request_and_returns_its_result(system: RunningSystem) -> None:
    body = {**ASK, "tax_periods": [2023], "case_id": "CASE-000080"}
    status, accepted = http(system, "POST", "/v1/requests", body)
    assert status == 202
    path = f"/v1/requests/{accepted['request_id']}"
    deadline = time.monotonic() + LIMIT_S
    while (found := http(system, "GET", path))[0] == 202 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (found[0], found[1]["receipt_ok"]) == (200, True)


def test_http_refuses_a_wrong_token_and_bad_bodies(system: RunningSystem) -> None:
    assert http(system, "POST", "/v1/requests", ASK, token="wrong")[0] == 401
    assert http(system, "POST", "/v1/requests", {"first_name": 5})[0] == 400
    assert http(system, "GET", "/v1/requests/unknown-id")[0] == 404


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["submit", "missing.csv"], 2),
        (["ask", "--nobody", "x"], 2),
        (["ask", "--date-of-birth", "yesterday"], 3),
        (["result", "unknown-id"], 3),
        (["nonsense"], 2),
    ],
)
def test_a_mistake_is_one_exit_code_and_no_traceback(
    system: RunningSystem, arguments: list[str], code: int
) -> None:
    done = requester(system, *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_unreachable_bus_is_exit_code_5(system: RunningSystem, tmp_path: Path) -> None:
    text = system.layout.settings("requester").read_text()
    config = system.layout.root / f"{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}.toml"
    config.write_text(text.replace(f":{system.ports.bus}", ":1"))
    done = run("glomar-requester", "result", "x", "--config", str(config))
    config.unlink()
    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 1

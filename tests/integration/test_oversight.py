"""Oversight's commands `search`, `show`, `report` and `accounting` agree with the events and the ledger."""

import io
import json
import os
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from glomar_auditor.cli import app as auditor
from glomar_local.provision.provision import provision
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.leaf import Leaf
from glomar_verifier.cli import app as verifier

from tests.integration.oversight_scenario import LIMIT_S, TRACES, Scenario, run_scenario
from tests.support.bus import Bus
from tests.support.commands import run_in_process
from tests.support.live_copy import copy_live
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger, log_key
from tests.support.requesting import rows
from tests.support.running_system import glomar_up


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    data = tmp_path_factory.mktemp("oversight") / "data"
    with glomar_up(data) as running, Bus(provision(running.layout, running.ports)) as bus:
        yield run_scenario(running, bus, tmp_path_factory.mktemp("agency"))


@pytest.fixture(scope="module")
def report(scenario: Scenario) -> dict[str, Any]:
    return scenario.json("report")


def ids(found: dict[str, Any]) -> set[str]:
    return {each["request_id"] for each in found["requests"]}


def test_a_report_counts_requests_and_answers(scenario: Scenario, report: dict[str, Any]) -> None:
    total, outcomes = report["total"], scenario.outcomes
    assert total["requests"] == outcomes.total()
    assert {name: total[name] for name in ("confirm", "deny", "refused")} == dict(outcomes)
    assert total["unanswered"] == total["void"] == total["unknown"] == 0
    expected = Counter(scenario.officers[each.reference] for each in scenario.results)
    # Neither the forged nor the malformed request counts for an officer.
    assert {line["name"]: line["requests"] for line in report["by_officer"]} == {**expected, "": 2}
    under = Counter(refusal.condition for each in scenario.results for refusal in each.refusals)
    found = {line["condition"]: line["requests"] for line in report["refused_under"]}
    assert found == {**under, "malformed": 1, "untrusted": 1}
    assert all(line["citation"] for line in report["refused_under"] if line["condition"] in under)


def test_a_report_lists_holds_lifts_recalls_and_messages_that_do_not_count(
    scenario: Scenario, report: dict[str, Any]
) -> None:
    [hold] = report["holds"]
    assert (hold["slot"], hold["scope"], hold["by"]) == (scenario.hold_slot, "jurisdiction:mad", ["irs"])
    assert (hold["lifted_slot"], hold["lifted_by"]) == (scenario.hold_slot + 1, ["ice", "irs"])
    recalls = {each["request_id"]: each["certified_at"] for each in report["recalls"]}
    assert recalls[scenario.certified.request_id] is not None
    assert recalls[scenario.outstanding.request_id] is None
    assert (len(recalls), report["outstanding"], report["certificates"]) == (2, 1, {"recall": 1})
    assert report["violations"] == []
    left_out = report["left_out"]
    assert (left_out["malformed"], left_out["untrusted"], left_out["gaps"]) == (1, 1, 0)


def test_a_report_for_the_same_checkpoint_is_the_same_later(
    scenario: Scenario, report: dict[str, Any], tmp_path: Path
) -> None:
    rests = report["rests"]
    assert rests["evidence"] is True
    assert rests["size"] == scenario.bus.last_sequence()
    note = tmp_path / "checkpoint"
    note.write_text(rests["note"])
    assert scenario.json("report", "--checkpoint", str(note)) == report


def test_a_report_counts_only_the_requests_of_its_period(scenario: Scenario) -> None:
    moment = scenario.json("search", "--id", scenario.held.request_id)["requests"][0]["at"]
    # The held request and the two invalid ones were the last.
    assert scenario.json("report", "--since", moment)["total"]["requests"] == 3
    before = scenario.json("report", "--until", moment)["total"]["requests"]
    assert before == scenario.outcomes.total() - 3


def test_the_index_gives_the_same_numbers_without_the_signatures(
    scenario: Scenario, report: dict[str, Any]
) -> None:
    scenario.indexed()
    quick = scenario.json("report", "--quick")
    assert quick["rests"]["evidence"] is False
    for same in ("total", "by_agency", "refused_under", "holds", "recalls", "people"):
        assert quick[same] == report[same]
    # The index does not check signatures: only the full report does.
    assert quick["left_out"]["untrusted"] == 0


@pytest.mark.parametrize("outcome", ["confirm", "deny", "refused"])
def test_search_finds_by_outcome(scenario: Scenario, outcome: str) -> None:
    scenario.indexed()
    wanted = {each.request_id for each in scenario.results if each.outcome == outcome}
    refused = {scenario.forged, scenario.malformed} if outcome == "refused" else set()
    assert ids(scenario.json("search", "--outcome", outcome, "--limit", "0")) == wanted | refused


def test_search_finds_by_condition_officer_agency_trace_id_and_time(scenario: Scenario) -> None:
    scenario.indexed()
    for condition in ("L2", "L8"):
        wanted = {r.request_id for r in scenario.results if condition in {x.condition for x in r.refusals}}
        assert wanted
        assert ids(scenario.json("search", "--condition", condition)) == wanted
    officer = scenario.officers[scenario.held.reference]
    expected = {r.request_id for r in scenario.results if scenario.officers[r.reference] == officer}
    assert ids(scenario.json("search", "--officer", officer)) - {scenario.forged} == expected
    one = scenario.results[5]
    assert ids(scenario.json("search", "--trace-id", one.trace_id)) == {one.request_id}
    # Of two headers the last one counts, in a delivered and in a fetched message.
    assert ids(scenario.json("search", "--trace-id", TRACES[1])) == {scenario.forged}
    assert ids(scenario.json("search", "--trace-id", TRACES[0])) == set()
    assert scenario.json("search", "--agency", "ice")["total"] == scenario.outcomes.total()
    assert scenario.json("search", "--agency", "other")["total"] == 0
    assert scenario.json("search", "--since", "2999-01-01")["total"] == 0
    assert scenario.json("search", "--until", "2999-01-01")["total"] == scenario.outcomes.total()


def test_show_proves_each_message_of_a_recalled_answer(scenario: Scenario) -> None:
    [history] = scenario.json("show", scenario.certified.request_id)["stories"]
    assert [each["kind"] for each in history["messages"]] == ["request", "verdict", "recall", "ack"]
    assert history["outcome"] == "confirm"
    assert history["state"] == "taken back; its destruction is certified"
    assert history["clear"]["officer"]["id"] == scenario.officers[scenario.certified.reference]
    for message in history["messages"]:
        stored = scenario.bus.at(message["subject"])
        assert stored is not None
        leaf = Leaf(stored.sequence, stored.time_ns, stored.subject, bytes.fromhex(message["sha256"]))
        checkpoint = receipts.check(message["receipt"], leaf, log_key(scenario.bus.system))
        assert (checkpoint.size, checkpoint.root.hex()) == (history["size"], history["root"])
        assert not message["fault"]


def test_show_lists_holds_refusals_and_faults(scenario: Scenario) -> None:
    [held] = scenario.json("show", scenario.held.request_id)["stories"]
    assert [(each["slot"], each["lifted_slot"]) for each in held["holds"]] == [
        (scenario.hold_slot, scenario.hold_slot + 1)
    ]
    refused = next(each for each in scenario.results if each.outcome == "refused")
    [history] = scenario.json("show", refused.request_id)["stories"]
    assert [each["condition"] for each in history["refusals"]] == [r.condition for r in refused.refusals]
    assert history["holds"] == []
    [forged] = scenario.json("show", scenario.forged)["stories"]
    assert forged["messages"][0]["fault"]
    sequence = str(forged["messages"][0]["sequence"])
    assert scenario.json("show", sequence)["stories"] == [forged]
    assert scenario.forged in scenario.run("show", scenario.forged).stdout


def test_accounting_lists_every_disclosure_to_the_person_who_asks(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = rows()[0]
    name = (row["first_name"], row["last_name"])
    references = {each["reference"] for each in rows() if (each["first_name"], each["last_name"]) == name}
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(name) + "\n"))
    config = str(scenario.running.layout.settings("verifier"))
    tag = json.loads(run_in_process(verifier, ["tag", "--config", config, "--json"]).stdout)["tags"]["ice"]
    about = [each for each in scenario.results if each.reference in references]
    assert about
    found = scenario.json("accounting", "--person-tag", tag)
    listed = {each["matter"]["request_id"]: each for each in found["disclosures"]}
    assert set(listed) == {each.request_id for each in about if each.outcome in ("confirm", "deny")}
    assert scenario.certified.request_id in listed, "the first confirmed row is about this person"
    assert listed[scenario.certified.request_id]["recalled_at"] is not None
    assert listed[scenario.certified.request_id]["destroyed_at"] is not None
    nobody = scenario.json("accounting", "--person-tag", "0" * 64)
    assert (nobody["disclosures"], nobody["refused"]) == ([], [])


def test_the_public_view_names_no_officer_request_or_tag_and_no_small_number(
    scenario: Scenario, report: dict[str, Any], tmp_path: Path
) -> None:
    page = tmp_path / "public.html"
    shown = scenario.json("report", "--public", "--html", str(page))
    for text in (json.dumps(shown), page.read_text(), scenario.run("report", "--public").stdout):
        for hidden in (
            scenario.forged,
            scenario.held.request_id,
            *(p["person_tag"] for p in report["people"]["repeated"]),
        ):
            assert hidden not in text
        assert not re.search(r"OFF-\d", text)
    assert shown["requests"] == report["total"]["requests"]
    for line in (*shown["by_ground"], *shown["by_statute"], *shown["refused_under"]):
        assert line["requests"] == "under 10" or int(line["requests"]) % 10 == 0


def test_an_affidavit_is_one_page_with_the_same_numbers_and_is_never_overwritten(
    scenario: Scenario, report: dict[str, Any], tmp_path: Path
) -> None:
    page = tmp_path / "affidavit.html"
    assert scenario.run("report", "--html", str(page)).returncode == 0
    text = page.read_text()
    for words in (
        report["rests"]["root"],
        f"{report['total']['requests']} requests were made",
        "jurisdiction:mad",
    ):
        assert words in text
    assert not re.search(r"<script|src=|href=|url\(|http:", text)
    again = scenario.run("report", "--html", str(page))
    assert (again.returncode, again.stdout) == (2, "")
    assert page.read_text() == text


def test_a_rebuilt_index_is_the_same(scenario: Scenario) -> None:
    before = scenario.indexed()
    assert len(before) == scenario.bus.last_sequence()
    assert scenario.run("rebuild-index").returncode == 0
    assert scenario.indexed() == before


@pytest.mark.parametrize("damage", ["removed while the auditor runs", "garbled", "incomplete"])
def test_a_damaged_index_is_rebuilt_the_same(scenario: Scenario, damage: str) -> None:
    before = scenario.indexed()
    path = scenario.running.layout.ledger.with_name("ledger.index.db")
    pid = scenario.running.pids["auditor"]
    if damage == "removed while the auditor runs":
        path.unlink()
        assert scenario.indexed() == before
        return
    os.kill(pid, signal.SIGKILL)
    if damage == "garbled":
        path.write_bytes(os.urandom(200_000))
    else:
        # As if the auditor had died between the ledger and the index.
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM record WHERE sequence > 30")
        db.close()
    assert wait_until(lambda: scenario.running.pids["auditor"] != pid, LIMIT_S), "it is started again"
    assert scenario.indexed() == before


def test_the_index_file_holds_no_outcome_and_no_tag(scenario: Scenario, report: dict[str, Any]) -> None:
    scenario.indexed()
    ledger = scenario.running.layout.ledger
    files = list(ledger.parent.glob("ledger.index.db*"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    contents = {path: path.read_bytes() for path in files}
    assert any(b"OFF-0" in content for content in contents.values()), "the search finds clear text"
    for path, content in contents.items():
        for word in (b"confirm", b"deny", *(p["person_tag"].encode() for p in report["people"]["repeated"])):
            assert word not in content, path.name
    assert not list(ledger.rglob("*.db*")), "no file of the index is in the published directory"


def test_nothing_is_counted_from_a_ledger_with_one_byte_changed(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await_ledger(scenario.bus)
    copy = tmp_path / "copy"
    copy_live(scenario.running.layout.ledger, copy)
    monkeypatch.setenv("GLOMAR_LEDGER", str(copy))
    assert scenario.run("report").returncode == 0
    for bundle in (copy / "tile" / "entries").rglob("*"):
        if bundle.is_file():
            content = bytearray(bundle.read_bytes())
            content[content.index(b"body_sha256") + 16] ^= 1
            bundle.write_bytes(content)
    ended = scenario.run("report")
    assert (ended.returncode, ended.stdout) == (6, "")
    assert "sequence" in ended.stderr or "root" in ended.stderr or "leaf" in ended.stderr


def test_an_archive_of_a_live_ledger_verifies_on_its_own_and_is_never_overwritten(
    scenario: Scenario, tmp_path: Path
) -> None:
    out = tmp_path / "2026.tar"
    made = scenario.json("archive", str(out))
    vkey = str(scenario.running.layout.ledger / "log.vkey")
    verified = verify_json(out, vkey)
    assert (verified["size"], verified["root"]) == (made["size"], made["root"])
    assert scenario.run("archive", str(out)).returncode == 2
    early = scenario.json("archive", str(tmp_path / "early.tar"), "--until", "2000-01-01")
    assert early["size"] == verify_json(tmp_path / "early.tar", vkey)["size"] == 0
    few = scenario.json("archive", str(tmp_path / "few.tar"), "--entries", "3")
    assert few["size"] == verify_json(tmp_path / "few.tar", vkey)["size"] == 3
    for wrong in (["--entries", "0"], ["--entries", "99999999"], ["--entries", "3", "--until", "2000-01-01"]):
        assert scenario.run("archive", str(tmp_path / "none.tar"), *wrong).returncode == 2
    assert not (tmp_path / "none.tar").exists()


def verify_json(out: Path, vkey: str) -> dict[str, Any]:
    ended = run_in_process(auditor, ["verify", str(out), "--vkey", vkey, "--json"])
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (3, ["show", "no-such-request"]),
        (3, ["show", "999999"]),
        (3, ["show", "not an id"]),
        (2, ["report", "--since", "yesterday"]),
        (2, ["report", "--since", "2026-02-01", "--until", "2026-01-01"]),
        (2, ["search", "--outcome", "maybe"]),
        (2, ["search", "--limit", "-1"]),
        (2, ["accounting", "--person-tag", "Maria Garcia"]),
        (2, ["report", "--html", "/"]),
        (2, ["report", "--checkpoint", "/nowhere"]),
    ],
)
def test_bad_input_is_one_clear_line(scenario: Scenario, code: int, arguments: list[str]) -> None:
    ended = scenario.run(*arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Garcia" not in ended.stderr


def test_a_directory_that_is_no_ledger_is_named(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GLOMAR_LEDGER", str(tmp_path))
    ended = scenario.run("report")
    assert ended.returncode == 2
    assert str(tmp_path) in ended.stderr

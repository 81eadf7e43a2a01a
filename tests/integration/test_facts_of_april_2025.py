"""The published facts of April 2025 about the first agreement, each as behaviour of the running system.

One test for each fact, F1 to F12, in the words of the reports.
"""

import json
import shutil
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from glomar_local.demo.population import today
from glomar_requester import Ask, Result
from msgspec.structs import replace

from tests.support.bus import Bus
from tests.support.commands import run
from tests.support.controls import ControlPublisher
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger
from tests.support.requesting import BackgroundRequests, ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, glomar_up, system_of
from tests.support.wire import Refusal

LIMIT_S = 300.0
TODAY = today()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path_factory.mktemp("facts") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def bus(running: RunningSystem) -> Iterator[Bus]:
    with Bus(system_of(running)) as found:
        yield found


class Agency:
    """Sends requests about people in the register, each about another person."""

    def __init__(self, running: RunningSystem, stores: Path) -> None:
        self._running = running
        self._stores = stores
        self._people = iter(confirmable(100))
        self._number = 0

    def lawful(self, **changes: Any) -> Ask:
        self._number += 1
        return replace(next(self._people), reference=f"F-{self._number}", **changes)

    def ask(self, *asks: Ask) -> list[Result]:
        # A new store each time: the same request with another key is another request.
        return ask_all(profile(self._running.layout, self._stores / f"{asks[0].reference}.db"), asks)

    def answers(self, *asks: Ask) -> list[str]:
        """`confirm`, `deny`, or the conditions that a refusal names."""
        return [
            "; ".join(refusal.condition for refusal in result.refusals) or result.outcome
            for result in self.ask(*asks)
        ]


@pytest.fixture(scope="module")
def agency(running: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return Agency(running, tmp_path_factory.mktemp("agency"))


def test_f1_a_memorandum_signed_by_two_cabinet_secretaries_sets_up_a_clear_and_secure_process(
    running: RunningSystem, tmp_path: Path
) -> None:
    """Requests are answered under the agreement with both signatures; else the verifier does not start."""
    layout = running.layout
    system = system_of(running)
    signatories = [system.agreement.parties[party].signatory for party in ("irs", "ice")]
    assert signatories == ["Secretary of the Treasury", "Secretary of Homeland Security"]

    checked = run(
        "glomar-verifier", "agreement", "check", str(layout.agreement), "--trust", str(layout.trust)
    )
    assert checked.returncode == 0 and checked.stdout.count("holds (key ") == 2

    copy = tmp_path / "data"
    shutil.copytree(layout.root, copy, ignore=shutil.ignore_patterns("store", "telemetry", "*.lock", "lock"))
    agreement = copy / "agreement" / "agreement.toml"
    signatures = agreement.with_name("agreement.toml.sig")
    text, signed = agreement.read_bytes(), json.loads(signatures.read_bytes())
    invalid = {
        "unsigned": (text, []),
        "signed by one": (text, signed[:1]),
        "altered": (text.replace(b"days_after_order = 90", b"days_after_order = 10"), signed),
    }
    for case, (content, remaining) in invalid.items():
        agreement.write_bytes(content)
        signatures.write_text(json.dumps(remaining))
        ended = run("glomar-verifier", "serve", "--config", str(copy / "verifier.toml"))
        assert ended.returncode == 3, (case, ended.stderr)
        assert "signed by the official" in ended.stderr or "altered after signing" in ended.stderr, case


def test_f2_only_two_circumstances_a_final_order_of_removal_and_a_criminal_investigation(
    agency: Agency, bus: Bus
) -> None:
    """Failure to leave within 90 days of a final order is among the crimes: day 89 is no crime yet."""
    today = datetime.now(ZoneInfo(bus.system.agreement.time_zone)).date()
    order = {"ground": "removal-order-90-days", "statute": "8 U.S.C. 1253(a)(1)(A)"}

    def ordered(days: int) -> Ask:
        return agency.lawful(**order, final_order_date=today - timedelta(days=days))

    assert agency.answers(
        agency.lawful(ground="criminal-investigation", statute="8 U.S.C. 1326"),
        ordered(90),
        ordered(89),
        agency.lawful(ground="civil-removal"),
        agency.lawful(ground="witness-location"),
        agency.lawful(ground="removal-order-90-days", statute="8 U.S.C. 1326"),
    ) == ["confirm", "confirm", "L7", "L4", "L4", "L4"]


def test_f3_the_agency_brings_names_and_addresses_and_says_who_the_person_is_and_which_crime_is_suspected(
    agency: Agency,
) -> None:
    assert agency.answers(
        agency.lawful(),
        agency.lawful(first_name="", last_name=""),
        agency.lawful(last_name="Unknown"),
        agency.lawful(street_number="", street_name="", po_box=""),
        agency.lawful(street_number="", street_name="Don't Care 12345", po_box=""),
        agency.lawful(statute=""),
        agency.lawful(reason="Wanted."),
    ) == ["confirm", "L2", "L2", "L2", "L2", "L4", "L5"]


def test_f4_the_record_holder_checks_what_it_was_given_against_its_own_records_and_confirms_it_or_not(
    agency: Agency,
) -> None:
    """The answer is only confirm or deny, and a deny has no reason."""
    true = agency.lawful()
    other = agency.lawful(first_name="Leopold", middle_name="", date_of_birth=None)
    confirmed, denied = agency.ask(true, other)
    assert (confirmed.outcome, denied.outcome) == ("confirm", "deny")
    assert confirmed.refusals == denied.refusals == ()


def test_f5_each_request_has_to_meet_the_exception_for_criminal_investigations(
    agency: Agency, bus: Bus
) -> None:
    """Every condition has a citation, all are evaluated, and a refusal names each that fails."""
    [result] = agency.ask(
        agency.lawful(
            statute="8 U.S.C. 1229a",
            street_number="",
            street_name="Failed to Provide",
            po_box="",
            officer_id="OFF-999",
            intended_use="civil-removal",
            tax_periods=(TODAY.year,),
            authorised_by="nobody",
            reason="Wanted.",
        )
    )
    assert result.outcome == "refused"
    assert [each.condition for each in result.refusals] == ["L1", "L2", "L3", "L4", "L5", "L6", "L8"]
    cited = {each.id: each.citation for each in bus.system.agreement.conditions}
    assert all(
        "U.S.C." in each.citation and cited[each.condition] == each.citation for each in result.refusals
    )


def test_f6_of_the_fifteen_pages_many_parts_are_redacted_and_several_say_how_to_handle_what_was_received(
    running: RunningSystem, tmp_path: Path
) -> None:
    """The rules are part of the signed file; the public version marks redactions and has the file's hash."""
    agreement, out = running.layout.agreement, tmp_path / "public.toml"
    assert len(system_of(running).agreement.handling) >= 8
    published = run("glomar-verifier", "agreement", "publish", str(agreement), "--out", str(out))
    assert published.returncode == 0, published.stderr
    text = out.read_text()
    assert sha256(agreement.read_bytes()).hexdigest() in text
    public, full = tomllib.loads(text), tomllib.loads(agreement.read_text())
    hidden = [number for number, rule in enumerate(public["handling"]) if rule == "[redacted]"]
    assert hidden and public["officers"] == "[redacted]"
    assert all(full["handling"][number] not in text for number in hidden)
    assert public["conditions"] == full["conditions"]


def test_f7_an_agency_that_analyses_with_ai_must_notify_first(agency: Agency) -> None:
    assert agency.answers(
        agency.lawful(automated_analysis=False),
        agency.lawful(automated_analysis=True),
        agency.lawful(automated_analysis="AI-2099-404"),
        agency.lawful(automated_analysis="AI-2025-001"),
    ) == ["confirm", "L8", "L8", "confirm"]


def test_f8_lawsuits_asked_for_an_emergency_order_to_stop_the_sharing(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    """One official stops it; two officials of different parties lift the hold."""
    controls = ControlPublisher(bus)
    slot, placed = controls.hold("all")
    asks = confirmable(5)
    background = BackgroundRequests(profile(running.layout, tmp_path / "held.db"), asks)
    background.start()
    assert wait_until(lambda: bus.last_sequence() >= placed + len(asks))
    await_ledger(bus)
    after_the_hold = bus.messages(placed + 1)
    assert [each for each in after_the_hold if ".verdict." in each.subject] == []
    assert background.results == []

    lifted = controls.lift(slot)
    background.join(LIMIT_S)
    assert [each.outcome for each in background.results] == ["confirm"] * len(asks)
    verdicts = [each for each in bus.messages(placed + 1) if ".verdict." in each.subject]
    assert min(each.sequence for each in verdicts) > lifted


def test_f9_a_privacy_official_swore_how_many_requests_had_been_made_and_what_had_been_handed_over(
    agency: Agency, bus: Bus
) -> None:
    """The count since a date, from the signed ledger alone, without any service."""
    since_ns = max(leaf.time_ns for leaf in await_ledger(bus)) + 1
    made = agency.ask(agency.lawful(), agency.lawful(statute="8 U.S.C. 1229a"))
    root = bus.subjects.root
    leaves = [leaf for leaf in await_ledger(bus) if leaf.time_ns >= since_ns]
    kinds = [leaf.subject.removeprefix(f"{root}.").split(".")[0] for leaf in leaves]
    assert (kinds.count("request"), kinds.count("verdict")) == (2, 2)
    counted = {leaf.subject.rsplit(".", 1)[1] for leaf in leaves if ".request." in leaf.subject}
    assert counted == {result.request_id for result in made}
    assert [result.outcome for result in made] == ["confirm", "refused"]


def test_f10_senators_asked_how_the_agency_might_get_at_the_record_holders_systems(
    running: RunningSystem, bus: Bus
) -> None:
    """It can't: neither its settings nor its account give access to the register or the holder's messages."""
    settings = tomllib.loads(running.layout.settings("requester").read_text())
    assert not {"register", "counts", "tag_key", "rolls"} & settings.keys()
    assert [value for value in settings.values() if "verifier" in str(value)] == []
    root, stream = bus.subjects.root, bus.subjects.stream
    intruder = bus.wire("ice")
    for subject in (
        f"BUS.API.STREAM.MSG.GET.{stream}",
        f"BUS.API.CONSUMER.INFO.{stream}.verifier",
        f"BUS.API.DIRECT.GET.{stream}.{root}.verdict.ice.x",
        f"{root}.verdict.ice.x",
        f"{root}.control.2",
        f"{root}.deliver.verifier",
    ):
        with pytest.raises(Refusal, match="no responders"):
            intruder.ask(subject.encode())


def test_f11_critics_fear_wrongful_disclosure_wider_use_and_a_precedent_without_a_judge(
    running: RunningSystem, agency: Agency, bus: Bus
) -> None:
    """Uses and numbers are limited, answers expire, and any outsider can check the ledger."""
    same = "The subject was seen near the depot on the morning of the hearing, so the address is needed."
    asks = [agency.lawful(reason=same) for _ in range(6)]
    assert sorted(agency.answers(*asks)) == ["L5", *["confirm"] * 5]
    assert agency.answers(agency.lawful(intended_use="removal-proceedings")) == ["L8"]

    retention = bus.system.agreement.retention
    assert 0 < retention.answer_days <= retention.particulars_days < 365 <= 365 * retention.audit_years

    await_ledger(bus)
    ledger = running.layout.ledger
    verified = run("glomar-auditor", "verify", str(ledger), "--vkey", str(ledger / "log.vkey"), "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["size"] >= bus.last_sequence()


def test_f12_the_stated_purposes_also_named_voter_rolls_and_public_benefits(agency: Agency) -> None:
    uses = (
        "voter-rolls",
        "voter-roll-maintenance",
        "public-benefits",
        "benefit-determination",
        "civil-removal",
    )
    assert agency.answers(*(agency.lawful(intended_use=use) for use in uses)) == ["L8"] * len(uses)

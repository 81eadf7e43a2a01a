"""Two agreements on one bus: a second statute, another agency, and a record holder who is party to both.

Started as a user would, with `glomar up --agreement ID --agreement ID`; the second is data and nothing else.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_local.demo import population
from glomar_local.demo.ledger_count import audit
from glomar_local.provision.provision import System
from glomar_local.system.open_bus import connected
from glomar_local.system.process import program
from glomar_requester import Client, Profile, Question, Result
from glomar_schemas.agreement.model import load_agreement, load_trust
from glomar_schemas.agreement.versions import bundled_agreements
from msgspec import Struct
from msgspec.structs import replace
from nats.aio.msg import Msg

from tests.integration.grants import API
from tests.integration.grants import ROOT as FIRST_ROOT
from tests.integration.grants import STREAM as FIRST_STREAM
from tests.support.bus import Bus, err_code, settle
from tests.support.recorded import await_ledger, await_verdicts, open_verdict
from tests.support.requesting import LIMIT_S, profile, to_ask
from tests.support.running_system import RunningSystem, glomar_up
from tests.support.wire import Refusal

FIRST, SECOND = tuple(bundled_agreements())[:2]
ASKED = 120
NOBODY = "no responders"
NO_JETSTREAM_HERE = 10039


class Both(Struct, frozen=True):
    first: Bus
    second: Bus

    def of(self, agreement: str) -> Bus:
        return self.first if agreement == FIRST else self.second

    def other(self, agreement: str) -> Bus:
        return self.second if agreement == FIRST else self.first


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    root = tmp_path_factory.mktemp("two") / "data"
    with glomar_up(root, "--agreement", FIRST, "--agreement", SECOND) as found:
        yield found


@pytest.fixture(scope="module")
def both(running: RunningSystem) -> Iterator[Both]:
    main, beside = running.layout, running.layout.beside(SECOND)
    ports = running.run.others[SECOND]
    systems = [
        System(layout, used, load_agreement(layout.agreement, load_trust(layout.trust)))
        for layout, used in ((main, running.ports), (beside, ports))
    ]
    with Bus(systems[0]) as first, Bus(systems[1]) as second:
        yield Both(first, second)


def rows(agreement: str) -> list[dict[str, str]]:
    return population.make_requests(ASKED, population.today(), agreement)


async def ask(used: Profile, asked: list[dict[str, str]]) -> dict[str, Result]:
    async with Client.connect(used) as client:
        questions = [Question(to_ask(row), key=row["reference"]) for row in asked]
        return {each.reference: each async for each in client.ask_many(questions, timeout_s=LIMIT_S)}


def test_both_answer_at_the_same_time_each_by_its_own_rules(both: Both, tmp_path: Path) -> None:
    asked = {agreement: rows(agreement) for agreement in (FIRST, SECOND)}

    async def ask_both() -> list[dict[str, Result]]:
        used = {name: profile(both.of(name).system.layout, tmp_path / f"{name}.db") for name in asked}
        return await asyncio.gather(*(ask(used[name], asked[name]) for name in asked))

    for agreement, results in zip(asked, asyncio.run(ask_both()), strict=True):
        for row in asked[agreement]:
            outcome, _, conditions = row["truth"].partition(":")
            result = results[row["reference"]]
            refused = ";".join(refusal.condition for refusal in result.refusals)
            assert (result.outcome, refused) == (outcome, conditions), (agreement, row["klass"])
        kinds = {row["truth"] for row in asked[agreement]}
        assert {"confirm", "deny", "refused:L2", "refused:L4", "refused:L8"} <= kinds

    for name in (FIRST, SECOND):
        bus = both.of(name)
        await_ledger(bus)
        audited = audit(bus.system.layout.ledger, bus.system.log_key, bus.subjects)
        assert audited.report is not None, audited.fault
        assert audited.counted.is_one_to_one
        assert len(audited.counted.digests) >= ASKED


def forbidden(bus: Bus) -> list[str]:
    """Every subject and call of an agreement, under its root and stream; derived from the first's list."""
    root, stream, agency = bus.subjects.root, bus.subjects.stream, bus.system.agency
    api = [
        path.replace(FIRST_STREAM, stream).replace(FIRST_ROOT, root).replace(".ice.", f".{agency}.")
        for path in API
        if FIRST_STREAM in path
    ]
    found = [f"{prefix}.{path}" for prefix in ("$JS.API", "BUS.API") for path in api]
    for kind in ("request", "verdict", "recall", "ack"):
        found.append(f"{root}.{kind}.{agency}.new")
    for rest in (
        f"result.{agency}",
        f"canary.{agency}",
        f"canary.{bus.system.agreement.holder}",
        "control.2",
    ):
        found.append(f"{root}.{rest}")
    found += [f"$JS.ACK.{stream}.{name}.1.2.1.1700000000000000000.0" for name in ("verifier", "auditor")]
    return found


@pytest.mark.parametrize("agreement", [FIRST, SECOND])
def test_neither_agency_can_touch_the_subjects_of_the_other(both: Both, agreement: str) -> None:
    own, other = both.of(agreement), both.other(agreement)
    stored = other.last_sequence()
    with own.new_wire(own.system.agency) as intruder:
        for subject in forbidden(other):
            if any(verb in subject for verb in (".LEADER.", ".PEER.", ".UNPIN.", ".RESET.")):
                continue
            try:
                answer = intruder.ask(subject.encode())
            except Refusal as refusal:
                assert str(refusal) == NOBODY, subject
            else:
                assert err_code(answer) == NO_JETSTREAM_HERE, subject
    assert other.last_sequence() == stored


@pytest.mark.parametrize("agreement", [FIRST, SECOND])
def test_its_own_subjects_are_open_to_it(both: Both, agreement: str) -> None:
    """Otherwise the test above would prove nothing."""
    bus = both.of(agreement)
    canary = bus.subjects.canary(bus.system.agency).encode()
    assert bus.wire(bus.system.agency).ask(canary, b"x")["seq"]


def test_an_agency_hears_nothing_of_the_other_agreement(both: Both, tmp_path: Path) -> None:
    heard: list[str] = []

    async def listen() -> None:
        async with connected(both.second.system, both.second.system.agency) as stranger:

            async def note(message: Msg) -> None:
                heard.append(message.subject)

            await stranger.subscribe(">", cb=note)
            await settle(stranger)
            row = next(row for row in rows(FIRST) if row["truth"] == "confirm")
            await ask(profile(both.first.system.layout, tmp_path / "heard.db"), [row])
            # What its own agreement sends it, it hears; so the listening itself works.
            own = next(row for row in rows(SECOND) if row["truth"] == "confirm")
            await ask(profile(both.second.system.layout, tmp_path / "own.db"), [own])
            await settle(stranger)

    asyncio.run(listen())
    assert any(subject.startswith(both.second.subjects.root) for subject in heard)
    assert [subject for subject in heard if subject.startswith(both.first.subjects.root)] == []


@pytest.mark.parametrize("agreement", [FIRST, SECOND])
def test_a_request_of_one_sent_to_the_other_is_refused(both: Both, agreement: str, tmp_path: Path) -> None:
    """The agency of the one puts a signed request of the other into its own slot: word for word as it was."""
    own, other = both.of(agreement), both.other(agreement)
    row = next(row for row in rows(other.system.agreement.id) if row["truth"] == "confirm")
    used = profile(other.system.layout, tmp_path / "of-the-other.db")
    [result] = asyncio.run(ask(used, [row])).values()
    assert result.outcome == "confirm"
    body = other.at(other.subjects.request(other.system.agency, result.request_id))
    assert body is not None

    slot = f"sent-across-{agreement}"
    agency = own.system.agency
    assert own.wire(agency).ask(own.subjects.request(agency, slot).encode(), body.body)["seq"]

    verdict, answer = open_verdict(own.system, await_verdicts(own, agency, [slot])[slot], agency)
    assert (answer.outcome, answer.record_consulted) == ("deny", False)
    assert [refusal.condition for refusal in answer.refusals] == ["malformed"]
    assert verdict.agreement_digest == own.system.signed.digest


def test_the_holder_of_both_has_one_account_and_a_user_for_each(both: Both) -> None:
    conf = both.first.system.layout.nats_conf.read_text()
    holder = both.first.system.agreement.holder
    assert both.second.system.agreement.holder == holder
    assert conf.count(f"  {holder.upper()}: {{") == 1
    for bus in (both.first, both.second):
        canary = bus.subjects.canary(holder).encode()
        assert bus.wire(holder).ask(canary, b"x")["seq"]


def test_status_shows_the_services_of_both_and_what_is_in_force_under_each(running: RunningSystem) -> None:
    command = [program("glomar"), "status", "--data-dir", str(running.layout.root), "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    services = {f"{service} {SECOND}" for service in ("auditor", "verifier", "requester")}
    assert services < said["processes"].keys()
    assert {said["processes"][each]["state"] for each in services} == {"ready"}
    assert said["control"]["control_slot"] >= 1 and said["others"][SECOND]["control_slot"] >= 1


def test_a_question_of_the_first_agreement_is_unlawful_under_the_second(both: Both, tmp_path: Path) -> None:
    """The agency of the second asks what the first allows: another ground and use, and an order's fields."""
    lawful = to_ask(next(row for row in rows(SECOND) if row["truth"] == "confirm"))
    first = to_ask(next(row for row in rows(FIRST) if row["truth"] == "confirm"))
    asked = replace(
        lawful,
        reference="across",
        ground=first.ground,
        statute=first.statute,
        intended_use=first.intended_use,
        final_order_date=first.final_order_date,
        removal_class=first.removal_class,
    )

    async def run() -> Result:
        async with Client.connect(profile(both.second.system.layout, tmp_path / "across.db")) as client:
            [result] = [r async for r in client.ask_many([Question(asked, key="across")], timeout_s=LIMIT_S)]
            return result

    result = asyncio.run(run())
    assert [refusal.condition for refusal in result.refusals] == ["L4", "L7", "L8"]

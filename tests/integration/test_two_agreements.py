"""Two agreements on one bus: another statute, another agency, and a record holder who is party to both.

Started with `glomar up --agreement ID --agreement ID`; the second agreement is only data.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_local.demo import population
from glomar_local.demo.ledger_count import audit
from glomar_local.provision.provision import System
from glomar_local.system.open_bus import connected
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
from tests.support.commands import run
from tests.support.recorded import await_ledger, await_verdicts, open_verdict
from tests.support.requesting import LIMIT_S, profile, to_ask
from tests.support.running_system import RunningSystem, glomar_up
from tests.support.wire import Refusal

FIRST, SECOND = tuple(bundled_agreements())[:2]
REQUESTS = 120
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
    return population.make_requests(REQUESTS, population.today(), agreement)


async def ask(used: Profile, requests: list[dict[str, str]]) -> dict[str, Result]:
    async with Client.connect(used) as client:
        questions = [Question(to_ask(row), key=row["reference"]) for row in requests]
        return {each.reference: each async for each in client.ask_many(questions, timeout_s=LIMIT_S)}


def test_both_answer_at_the_same_time_each_by_its_own_rules(both: Both, tmp_path: Path) -> None:
    requests = {agreement: rows(agreement) for agreement in (FIRST, SECOND)}

    async def ask_both() -> list[dict[str, Result]]:
        used = {name: profile(both.of(name).system.layout, tmp_path / f"{name}.db") for name in requests}
        return await asyncio.gather(*(ask(used[name], requests[name]) for name in requests))

    for agreement, results in zip(requests, asyncio.run(ask_both()), strict=True):
        for row in requests[agreement]:
            outcome, _, conditions = row["truth"].partition(":")
            result = results[row["reference"]]
            refused = ";".join(refusal.condition for refusal in result.refusals)
            assert (result.outcome, refused) == (outcome, conditions), (agreement, row["klass"])
        kinds = {row["truth"] for row in requests[agreement]}
        assert {"confirm", "deny", "refused:L2", "refused:L4", "refused:L8"} <= kinds

    for name in (FIRST, SECOND):
        bus = both.of(name)
        await_ledger(bus)
        audited = audit(bus.system.layout.ledger, bus.system.log_key, bus.subjects)
        assert audited.report is not None, audited.fault
        assert audited.counted.is_one_to_one
        assert len(audited.counted.digests) >= REQUESTS


def forbidden(bus: Bus) -> list[str]:
    """The subjects and calls of an agreement, derived from the list of the first one."""
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
def test_an_agency_may_use_its_own_subjects(both: Both, agreement: str) -> None:
    """Without this the test above would prove nothing."""
    bus = both.of(agreement)
    canary = bus.subjects.canary(bus.system.agency).encode()
    assert bus.wire(bus.system.agency).ask(canary, b"x")["seq"]


def test_an_agency_receives_no_message_of_the_other_agreement(both: Both, tmp_path: Path) -> None:
    received: list[str] = []

    async def listen() -> None:
        async with connected(both.second.system, both.second.system.agency) as other:

            async def note(message: Msg) -> None:
                received.append(message.subject)

            await other.subscribe(">", cb=note)
            await settle(other)
            row = next(row for row in rows(FIRST) if row["truth"] == "confirm")
            await ask(profile(both.first.system.layout, tmp_path / "first.db"), [row])
            # It receives the messages of its own agreement, so the subscription works.
            own = next(row for row in rows(SECOND) if row["truth"] == "confirm")
            await ask(profile(both.second.system.layout, tmp_path / "own.db"), [own])
            await settle(other)

    asyncio.run(listen())
    assert any(subject.startswith(both.second.subjects.root) for subject in received)
    assert [subject for subject in received if subject.startswith(both.first.subjects.root)] == []


@pytest.mark.parametrize("agreement", [FIRST, SECOND])
def test_a_request_of_one_sent_to_the_other_is_refused(both: Both, agreement: str, tmp_path: Path) -> None:
    """The agency of one publishes a signed request of the other, unchanged, under its own subject."""
    own, other = both.of(agreement), both.other(agreement)
    row = next(row for row in rows(other.system.agreement.id) if row["truth"] == "confirm")
    used = profile(other.system.layout, tmp_path / "of-the-other.db")
    [result] = asyncio.run(ask(used, [row])).values()
    assert result.outcome == "confirm"
    body = other.at(other.subjects.request(other.system.agency, result.request_id))
    assert body is not None

    request_id = f"sent-across-{agreement}"
    agency = own.system.agency
    assert own.wire(agency).ask(own.subjects.request(agency, request_id).encode(), body.body)["seq"]

    verdict, answer = open_verdict(own.system, await_verdicts(own, agency, [request_id])[request_id], agency)
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
    ended = run("glomar", "status", "--data-dir", str(running.layout.root), "--json")
    assert ended.returncode == 0, ended.stderr
    status = json.loads(ended.stdout)
    services = {f"{service} {SECOND}" for service in ("auditor", "verifier", "requester")}
    assert services < status["processes"].keys()
    assert {status["processes"][each]["state"] for each in services} == {"ready"}
    assert status["control"]["control_slot"] >= 1 and status["others"][SECOND]["control_slot"] >= 1


def test_a_question_of_the_first_agreement_is_unlawful_under_the_second(both: Both, tmp_path: Path) -> None:
    """A request to the second agreement with ground, use and fields that only the first allows."""
    lawful = to_ask(next(row for row in rows(SECOND) if row["truth"] == "confirm"))
    first = to_ask(next(row for row in rows(FIRST) if row["truth"] == "confirm"))
    across = replace(
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
            [result] = [r async for r in client.ask_many([Question(across, key="across")], timeout_s=LIMIT_S)]
            return result

    result = asyncio.run(run())
    assert [refusal.condition for refusal in result.refusals] == ["L4", "L7", "L8"]

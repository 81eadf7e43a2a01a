"""The record holder recalls a verdict: the agency destroys the answer and certifies it in the ledger."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from glomar_local.provision.provision import provision
from glomar_requester import Client, Expired, Profile, Recalled, Result
from glomar_requester.store.records import RecalledAnswer
from glomar_requester.store.store import Store
from glomar_schemas.crypto.dsse import Signer, open_envelope, seal_envelope
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Ack, Notice, NoticesQuery, Recall, ResultQuery, encode
from msgspec.structs import replace

from tests.integration.requester.test_requester import ASK, http
from tests.support.bus import Bus
from tests.support.commands import run
from tests.support.controls import ControlPublisher
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, glomar_up
from tests.support.wire import Refusal

LIMIT_S = 300.0
OFFICE = "Office of Disclosure"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path_factory.mktemp("recalls") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def bus(running: RunningSystem) -> Iterator[Bus]:
    with Bus(provision(running.layout, running.ports)) as found:
        yield found


@pytest.fixture
def agency(running: RunningSystem, tmp_path: Path) -> Profile:
    """Its store is alone in its directory."""
    (tmp_path / "agency").mkdir()
    return profile(running.layout, tmp_path / "agency" / "store.db")


def holder(running: RunningSystem, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("glomar-verifier", *arguments, "--config", str(running.layout.settings("verifier")))


def recall(running: RunningSystem, request_id: str, agency: str = "ice") -> subprocess.CompletedProcess[str]:
    return holder(running, "recall", request_id, "--agency", agency, "--cause", "wrong-match", "--by", OFFICE)


def outstanding(running: RunningSystem) -> set[str]:
    listed = holder(running, "recalls", "--outstanding", "--json")
    assert listed.returncode == 0, listed.stderr
    return {each["request_id"] for each in json.loads(listed.stdout)["recalls"]}


def result_of(bus: Bus, request_id: str) -> dict[str, Any] | None:
    """The auditor's answer to the agency; None while the auditor does not run."""
    query = encode(ResultQuery(request_id=request_id))
    try:
        return bus.wire("ice").ask(bus.subjects.result("ice").encode(), query)
    except Refusal:
        return None


def await_ack(bus: Bus, request_id: str) -> Ack:
    subject = bus.subjects.ack("ice", request_id)
    assert wait_until(lambda: bus.at(subject) is not None, LIMIT_S), "no ack came"
    stored = bus.at(subject)
    assert stored is not None
    return open_envelope(stored.body, Ack, subject)[0]


def stored_release(used: Profile, request_id: str) -> bytes:
    store = Store(used.store)
    found = store.find(request_id)
    store.close()
    assert found is not None and found.release is not None
    return found.release


def on_disk(used: Profile, content: bytes) -> list[str]:
    """The files of the agency's directory that hold a part of it: a store splits blobs over its pages."""
    pieces = [content[start : start + 64] for start in range(0, len(content) - 64, 512)]
    files = {path.name: path.read_bytes() for path in used.store.parent.iterdir()}
    return [name for name, found in files.items() if any(piece in found for piece in pieces)]


async def next_recall(client: Client, after: int = 0) -> RecalledAnswer:
    async with asyncio.timeout(LIMIT_S):
        return await anext(client.recalls(after))


async def require_destroyed(client: Client, request_id: str) -> None:
    """No call of the client returns the answer."""
    with pytest.raises(Recalled) as refusal:
        await client.result(request_id, timeout_s=5)
    assert refusal.value.exit_code == 3
    with pytest.raises(Recalled):
        await client.peek(request_id)
    with pytest.raises(Recalled):
        await client.prove(request_id)


def test_a_recall_reaches_a_connected_client_and_its_answer_is_destroyed(
    running: RunningSystem, bus: Bus, agency: Profile
) -> None:
    async def steps() -> tuple[str, bytes]:
        [ask] = confirmable(1)
        async with Client.connect(agency) as client:
            result = await client.ask(ask, timeout_s=LIMIT_S, key="k")
            assert result.outcome == "confirm"
            await client.prove(result.request_id)
            answer = stored_release(agency, result.request_id)
            assert on_disk(agency, answer), "the search finds the answer while it is there"

            done = await asyncio.to_thread(recall, running, result.request_id)
            assert (done.returncode, done.stderr) == (0, "")
            recalled = await next_recall(client)
            assert (recalled.request_id, recalled.reference, recalled.cause) == (
                result.request_id,
                ask.reference,
                "wrong-match",
            )
            await require_destroyed(client, result.request_id)
            with pytest.raises(Recalled):
                await client.ask(ask, timeout_s=LIMIT_S, key="k")
            await asyncio.to_thread(await_ack, bus, result.request_id)
            assert on_disk(agency, answer) == []
            return result.request_id, answer

    request_id, answer = asyncio.run(steps())

    ack = await_ack(bus, request_id)
    assert (ack.cause, ack.agency, ack.certified_by) == ("recall", "ice", "glomar-requester of ice")
    assert bus.subjects.ack("ice", request_id) in {leaf.subject for leaf in await_ledger(bus)}
    assert request_id not in outstanding(running)
    assert on_disk(agency, answer) == []


def test_a_recall_reaches_a_client_when_it_connects_later(
    running: RunningSystem, bus: Bus, agency: Profile
) -> None:
    [result] = ask_all(agency, confirmable(1))
    answer = stored_release(agency, result.request_id)
    assert recall(running, result.request_id).returncode == 0
    assert result.request_id in outstanding(running)
    await_ledger(bus)

    async def steps() -> None:
        async with Client.connect(agency) as client:
            await require_destroyed(client, result.request_id)
            await asyncio.to_thread(await_ack, bus, result.request_id)

    asyncio.run(steps())
    assert on_disk(agency, answer) == []
    assert result.request_id not in outstanding(running)


def test_a_verdict_recalled_before_its_release_is_never_released(
    running: RunningSystem, bus: Bus, agency: Profile
) -> None:
    controls = control_publisher(bus)
    auditor = running.pids["auditor"]

    async def steps() -> str:
        [ask] = confirmable(1)
        async with Client.connect(agency) as client:
            os.kill(auditor, signal.SIGSTOP)
            try:
                request_id = await client.submit(ask)
                verdict = bus.subjects.verdict("ice", request_id)
                assert await asyncio.to_thread(wait_until, lambda: bus.at(verdict) is not None, LIMIT_S)
                slot, _ = controls.hold("agency:ice")
                # A hold does not delay recalls.
                assert (await asyncio.to_thread(recall, running, request_id)).returncode == 0
            finally:
                os.kill(auditor, signal.SIGCONT)
            await asyncio.to_thread(await_ledger, bus)
            controls.lift(slot)
            await require_destroyed(client, request_id)
            await asyncio.to_thread(await_ack, bus, request_id)
            return request_id

    request_id = asyncio.run(steps())
    pending = {"type": "result-pending", "request_id": request_id}
    assert result_of(bus, request_id) == pending

    # The auditor has recalls only in memory, so it must read them again at each start.
    os.kill(auditor, signal.SIGKILL)
    assert wait_until(lambda: running.pids["auditor"] != auditor, LIMIT_S)
    assert wait_until(lambda: result_of(bus, request_id) is not None, LIMIT_S)
    assert result_of(bus, request_id) == pending


def control_publisher(bus: Bus) -> ControlPublisher:
    """Begins after the slots that other tests have used."""
    found = ControlPublisher(bus)
    while bus.at(bus.subjects.control(found._slot + 1)) is not None:
        found._slot += 1
    return found


def test_an_agency_receives_notices_only_of_controls_that_concern_it(bus: Bus) -> None:
    controls = control_publisher(bus)
    jurisdiction = bus.system.agreement.allowed.jurisdictions[0]
    scopes = ("agency:ice", "agency:cbp", "person:0a1b", f"jurisdiction:{jurisdiction}")
    slots = {scope: controls.hold(scope)[0] for scope in scopes}
    lifts = {}
    for scope, slot in slots.items():
        lifts[scope] = slot + len(scopes)
        controls.lift(slot)
    await_ledger(bus)

    query = encode(NoticesQuery(after=0))
    page = bus.wire("ice").ask(bus.subjects.notices("ice").encode(), query)
    noticed = {json.loads(decoded(base64.b64decode(each["body"])))["subject"] for each in page["notices"]}
    concerned = {
        bus.subjects.control(placed[scope]) for scope in (scopes[0], scopes[3]) for placed in (slots, lifts)
    }
    others = {bus.subjects.control(placed[scope]) for scope in scopes[1:3] for placed in (slots, lifts)}
    assert concerned <= noticed and not others & noticed
    assert bus.subjects.control(1) in noticed
    assert (page["more"], page["through"]) == (False, bus.last_sequence())


def test_a_system_receives_recalls_over_http(running: RunningSystem) -> None:
    status, posted = http(running, "POST", "/v1/requests", {**ASK, "tax_periods": [2023]})
    assert status == 202
    request_id = posted["request_id"]
    path = f"/v1/requests/{request_id}"
    assert wait_until(lambda: http(running, "GET", path)[0] == 200, LIMIT_S)
    after = http(running, "GET", "/v1/recalls")[1]["after"]

    assert recall(running, request_id).returncode == 0
    status, answer = http(running, "GET", f"/v1/recalls?after={after}&wait_s=30")
    assert (status, [each["request_id"] for each in answer["recalls"]]) == (200, [request_id])
    assert http(running, "GET", path) == (
        410,
        {"fault": "the record holder has recalled the answer", "outcome": "recalled"},
    )


def test_an_impossible_recall_is_refused_with_a_reason(
    running: RunningSystem, bus: Bus, agency: Profile
) -> None:
    [result] = ask_all(agency, confirmable(1))
    before = bus.last_sequence()

    unknown = recall(running, "0199c3f2-6a00-7b1d-8c55-3f0a6d2e9b74")
    of_another = recall(running, result.request_id, agency="cbp")
    malformed = recall(running, "no id")
    assert [each.returncode for each in (unknown, of_another, malformed)] == [3, 3, 3]
    assert "no verdict to recall" in unknown.stderr and "no verdict to recall" in of_another.stderr
    assert "not a request id" in malformed.stderr
    assert bus.last_sequence() == before

    assert recall(running, result.request_id).returncode == 0
    again = recall(running, result.request_id)
    assert (again.returncode, "recalled already" in again.stderr) == (3, True)


def test_a_forged_recall_is_recorded_and_changes_nothing(
    running: RunningSystem, bus: Bus, agency: Profile
) -> None:
    [result] = ask_all(agency, confirmable(1))
    subject = bus.subjects.recall("ice", result.request_id)
    stored = bus.wire("irs").ask(subject.encode(), signed_recall(bus, result.request_id, signer="ice"))
    assert stored["seq"]
    assert subject in {leaf.subject for leaf in await_ledger(bus)}

    async def steps() -> Result:
        async with Client.connect(agency) as client:
            return await client.result(result.request_id, timeout_s=5)

    assert asyncio.run(steps()) == result
    assert result.request_id not in outstanding(running)
    released = result_of(bus, result.request_id)
    assert released is not None and released["type"] == "sealed"


def test_a_forged_notice_is_ignored(running: RunningSystem, bus: Bus, agency: Profile) -> None:
    """Only oversight's account can push a notice, and its ledger entry must be of that recall."""
    first, second = ask_all(agency, confirmable(2))
    recall(running, first.request_id)
    await_ledger(bus)
    page: dict[str, Any] = bus.wire("ice").ask(
        bus.subjects.notices("ice").encode(), encode(NoticesQuery(after=0))
    )

    def of(each: dict[str, str]) -> bytes:
        return base64.b64decode(each["body"])

    genuine = next(each for each in page["notices"] if first.request_id.encode() in decoded(of(each)))
    body = signed_recall(bus, second.request_id, signer="irs")
    forged = Notice(
        leaf=base64.b64decode(genuine["leaf"]), body=body, receipt=base64.b64decode(genuine["receipt"])
    )

    async def steps() -> None:
        async with Client.connect(agency) as client:
            bus.wire("tigta").send(bus.subjects.notice("ice").encode(), encode(forged))
            bus.wire("tigta").settle()
            # The client has received the forged notice once it has a later, genuine one.
            third = await client.ask(confirmable(3)[2], timeout_s=LIMIT_S)
            await asyncio.to_thread(recall, running, third.request_id)
            seen = [each.request_id async for each in recalls_until(client, third.request_id)]
            assert second.request_id not in seen
            assert (await client.result(second.request_id, timeout_s=5)) == second

    asyncio.run(steps())


def signed_recall(bus: Bus, request_id: str, *, signer: str) -> bytes:
    """A recall of no verdict, signed by that party's service."""
    recall = Recall(
        request_id=request_id,
        subject=bus.subjects.recall("ice", request_id),
        agreement=bus.system.agreement.id,
        agency="ice",
        verdict_digest="0" * 64,
        cause="other",
        recalled_at=datetime.now(UTC),
        recalled_by=OFFICE,
    )
    key = read_signing_key(bus.system.layout.private_key(signer, "sign"))
    return seal_envelope(recall, [Signer(key)])


def decoded(body: bytes) -> bytes:
    payload: str = json.loads(body)["payload"]
    return base64.b64decode(payload)


async def recalls_until(client: Client, request_id: str) -> Any:
    async with asyncio.timeout(LIMIT_S):
        async for each in client.recalls():
            yield each
            if each.request_id == request_id:
                return


def test_a_thousand_recalls_at_once_disturb_no_request(
    running: RunningSystem, bus: Bus, agency: Profile, tmp_path: Path
) -> None:
    asks = [replace(confirmable(1)[0], reference=f"many-{number}") for number in range(1000)]
    answered = ask_all(agency, asks)
    rows = tmp_path / "recalls.csv"
    lines = ["request_id,agency,cause", *(f"{each.request_id},ice,record-corrected" for each in answered)]
    rows.write_text("\n".join([*lines, "no id,ice,other", f"{answered[0].request_id},cbp,other", ""]))

    async def steps() -> None:
        async with Client.connect(agency) as client:
            recalling = asyncio.create_task(
                asyncio.to_thread(holder, running, "recall", "--file", str(rows), "--by", OFFICE, "--json")
            )
            other = replace(agency, store=tmp_path / "other.db")
            asks = [replace(confirmable(1)[0], reference=f"flow-{number}") for number in range(300)]
            results = await asyncio.to_thread(ask_all, other, asks)
            assert len(results) == 300 and "unanswered" not in {each.outcome for each in results}

            done = await recalling
            assert done.returncode == 3, done.stderr
            assert json.loads(done.stdout) == {
                **{"version": 1, "rows": 1002, "recalled": 1000},
                **{"already": 0, "refused": 1, "bad_rows": 1},
            }
            assert f"{rows}: line 1002: request_id: not a request id" in done.stderr
            assert f"{rows}: line 1003: no verdict to recall" in done.stderr
            seen: set[str] = set()
            async with asyncio.timeout(LIMIT_S):
                async for recalled in client.recalls():
                    seen.add(recalled.request_id)
                    if len(seen) == 1000:
                        break
            assert seen == {each.request_id for each in answered}
            for each in answered[:3]:
                await require_destroyed(client, each.request_id)
            acks = {bus.subjects.ack("ice", each.request_id) for each in answered}
            assert await asyncio.to_thread(
                wait_until, lambda: bus.at(max(acks)) and all(bus.at(each) for each in acks), LIMIT_S
            )

    asyncio.run(steps())
    assert not outstanding(running) & {each.request_id for each in answered}
    again = holder(running, "recall", "--file", str(rows), "--by", OFFICE, "--json")
    assert json.loads(again.stdout)["already"] == 1000


STEPS = {
    "before the bytes are destroyed": "retention.Store.scrub = lambda store: kill()",
    "before the certificate is stored": "retention.Certified = lambda *_: kill()",
    "before the ack is published": "retention.publish_acks = lambda *_: kill()",
    "before the ack is known to be stored": "retention.Acknowledged = lambda *_: kill()",
}
CHILD = """
import asyncio, os, pathlib, signal, sys
import msgspec
from glomar_requester.incoming import retention
from glomar_requester import Client, Profile
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
{patch}
profile = msgspec.json.decode(sys.stdin.buffer.read(), type=Profile, dec_hook=lambda t, v: pathlib.Path(v))
async def run():
    async with Client.connect(profile):
        await asyncio.sleep(60)
asyncio.run(run())
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_two_steps_of_a_recall_ends_with_one_ack_and_no_answer(
    running: RunningSystem, bus: Bus, agency: Profile, step: str
) -> None:
    [result] = ask_all(agency, confirmable(1))
    answer = stored_release(agency, result.request_id)
    recall(running, result.request_id)
    await_ledger(bus)

    code = CHILD.format(patch=STEPS[step])
    used = msgspec.json.encode(agency, enc_hook=str)
    killed = subprocess.run([sys.executable, "-c", code], input=used, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL

    store = Store(agency.store)
    prepared = {each.request_id: each.ack for each in store.unacknowledged(10)}
    entry = store.find(result.request_id)
    store.close()
    assert entry is not None and entry.withdrawn == "recall" and entry.release is None

    async def steps() -> None:
        async with Client.connect(agency) as client:
            await require_destroyed(client, result.request_id)
            await asyncio.to_thread(await_ack, bus, result.request_id)

    asyncio.run(steps())
    stored = bus.at(bus.subjects.ack("ice", result.request_id))
    assert stored is not None
    if step in ("before the ack is published", "before the ack is known to be stored"):
        assert stored.body == prepared[result.request_id], "the ack that was stored before the kill"
    assert on_disk(agency, answer) == []


def test_an_answer_is_destroyed_at_its_expiry(running: RunningSystem, bus: Bus, agency: Profile) -> None:
    days = bus.system.agreement.retention.answer_days
    [result] = ask_all(agency, confirmable(1))
    answer = stored_release(agency, result.request_id)
    assert result.decided_at is not None
    end = result.decided_at + timedelta(days=days)

    async def ask_at(moment: datetime) -> Result:
        async with Client.connect(agency, clock=lambda: moment) as client:
            await client.destroy()
            return await client.result(result.request_id, timeout_s=5)

    assert asyncio.run(ask_at(end - timedelta(microseconds=1))) == result
    with pytest.raises(Expired):
        asyncio.run(ask_at(end))
    assert await_ack(bus, result.request_id).cause == "expiry"
    assert on_disk(agency, answer) == []

    # An expired answer is already destroyed, so its recall is not outstanding.
    assert recall(running, result.request_id).returncode == 0
    assert result.request_id not in outstanding(running)

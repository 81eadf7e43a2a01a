"""Each party tries every call that it may not make, with its own nkey, and the server refuses it.

The agreement has two agencies, since most forbidden calls of an agency concern another agency.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from glomar_local.provision.credentials import OPERATOR
from glomar_local.system.open_bus import connected
from glomar_schemas.publish import (
    FENCE_STALE,
    SUBJECT_TAKEN,
    NotStored,
    Outgoing,
    store,
    store_atomically,
)
from glomar_schemas.subjects import BATCH_ID, BATCH_SEQUENCE, EXPECTED_SEQUENCE, EXPECTED_SEQUENCE_SUBJECT
from glomar_verifier.decisions.store_verdicts import store_verdicts
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from tests.integration.grants import EVERYTHING, GRANTED, PARTIES, ROOT, STREAM
from tests.support.bus import Bus, agreement_text, bare_bus, err_code, settle
from tests.support.wire import Refusal, header_block

TOO_MANY_BATCHES = 10176
NOBODY = "no responders"
NO_JETSTREAM_HERE = 10039
"""The party's own account has no JetStream: the call never reached the one that has."""
UNANSWERED = (
    "$JS.API.ACCOUNT.PURGE.", "$JS.API.META.LEADER.", "$JS.API.STREAM.LEADER.", "$JS.API.STREAM.PEER.",
    "$JS.API.CONSUMER.UNPIN.", "$JS.API.CONSUMER.RESET.", "$JS.API.CONSUMER.LEADER.",
)  # fmt: skip
"""Calls that the server drops without an answer in an account without JetStream. None of them reads data."""


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    root = tmp_path_factory.mktemp("forbidden")
    source = agreement_text(
        root / "two.toml",
        {
            'requesters = ["ice"]': 'requesters = ["ice", "cbp"]',
            "[parties.tigta]": '[parties.cbp]\nname = "x"\nsignatory = "x"\ncontact = "x"\n\n[parties.tigta]',
        },
    )
    with bare_bus(root / "data", source) as running:
        for agency in ("ice", "cbp"):
            assert running.wire(agency).ask(f"{ROOT}.request.{agency}.known".encode(), b"known")["seq"]
        yield running


def configuration(bus: Bus) -> list[Any]:
    """Everything that an intruder could have changed, as the operator sees it."""
    consumers = bus.operate(f"CONSUMER.LIST.{STREAM}")["consumers"]
    return [
        bus.operate("STREAM.NAMES")["streams"],
        bus.operate(f"STREAM.INFO.{STREAM}")["config"],
        [(each["name"], each["config"], each["delivered"], each["ack_floor"]) for each in consumers],
        bus.last_sequence(),
    ]


@pytest.mark.parametrize(
    ("party", "subject"),
    [(party, subject) for party in PARTIES for subject in EVERYTHING if subject not in GRANTED[party]],
)
def test_what_is_not_granted_is_refused(bus: Bus, party: str, subject: str) -> None:
    before = configuration(bus)
    intruder = bus.wire(party)

    if subject.startswith(UNANSWERED):
        intruder.send(subject.encode())
        intruder.settle()
    else:
        try:
            answer = intruder.ask(subject.encode())
        except Refusal as refusal:
            assert str(refusal) == NOBODY
        else:
            assert err_code(answer) == NO_JETSTREAM_HERE, answer

    assert configuration(bus) == before


@pytest.mark.parametrize(
    ("party", "subject"),
    [
        ("ice", f"{ROOT}.request.ice.granted"),
        ("irs", f"{ROOT}.verdict.ice.granted"),
        ("irs", f"{ROOT}.recall.ice.granted"),
        ("ice", f"{ROOT}.ack.ice.granted"),
        ("ice", f"{ROOT}.canary.ice"),
        ("irs", f"{ROOT}.canary.irs"),
        ("tigta", f"{ROOT}.canary.tigta"),
    ],
)
def test_what_is_granted_is_stored(bus: Bus, party: str, subject: str) -> None:
    answer = bus.wire(party).ask(subject.encode(), b"granted")

    assert answer["stream"].startswith(STREAM) and answer["seq"]


def test_an_agency_reads_its_own_request_and_nobody_elses(bus: Bus) -> None:
    async def read() -> tuple[bytes, str]:
        async with connected(bus.system, "ice") as agency:
            own = await agency.request(f"BUS.API.DIRECT.GET.{STREAM}.{ROOT}.request.ice.known", timeout=60)
            with pytest.raises(NoRespondersError):
                await agency.request(f"BUS.API.DIRECT.GET.{STREAM}.{ROOT}.request.cbp.known", timeout=60)
            # The body of a direct get could ask for another sequence; under a subject it may not.
            other = await agency.request(
                f"BUS.API.DIRECT.GET.{STREAM}.{ROOT}.request.ice.nothing", b'{"seq": 1}', timeout=60
            )
            return own.data, (other.headers or {}).get("Description", "")

    assert asyncio.run(read()) == (b"known", "Bad Request")


def test_no_party_receives_messages_of_other_parties(bus: Bus) -> None:
    received: dict[str, set[str]] = {party: set() for party in PARTIES}

    async def listen(client: Client, party: str) -> None:
        async def note(message: Msg) -> None:
            received[party].add(message.subject)

        await client.subscribe(">", cb=note)
        await settle(client)

    async def publish() -> None:
        async with (
            connected(bus.system, "ice") as ice,
            connected(bus.system, "cbp") as cbp,
            connected(bus.system, "irs") as irs,
            connected(bus.system, "tigta") as tigta,
            connected(bus.system, OPERATOR) as operator,
        ):
            clients = dict(zip(PARTIES, (ice, cbp, irs, tigta), strict=True))
            for party, client in clients.items():
                await listen(client, party)
            await store(ice, Outgoing(f"{ROOT}.request.ice.heard", b"x", {}))
            await store(irs, Outgoing(f"{ROOT}.verdict.ice.heard", b"x", {}))
            await store(operator, Outgoing(f"{ROOT}.control.5", b"x", {}))
            for other in (irs, cbp):
                await other.publish(f"{ROOT}.release.ice.forged", b"x")
                await other.publish(f"{ROOT}.notice.ice", b"x")
                await settle(other)
            await tigta.publish(f"{ROOT}.release.ice.true", b"x")
            await tigta.publish(f"{ROOT}.notice.cbp", b"x")
            for client in (tigta, *clients.values()):
                await settle(client)

    asyncio.run(publish())
    received = {
        party: {s for s in subjects if s.startswith(("glomar.", "$JS"))}
        for party, subjects in received.items()
    }
    # Each party receives its own account's messages, and an agency also the auditor's releases and notices.
    assert received == {
        "ice": {f"{ROOT}.request.ice.heard", f"{ROOT}.release.ice.true"},
        "cbp": {f"{ROOT}.release.ice.forged", f"{ROOT}.notice.ice", f"{ROOT}.notice.cbp"},
        "irs": {f"{ROOT}.verdict.ice.heard", f"{ROOT}.release.ice.forged", f"{ROOT}.notice.ice"},
        "tigta": {f"{ROOT}.release.ice.true", f"{ROOT}.notice.cbp"},
    }


def test_an_agency_cannot_query_the_results_of_another(bus: Bus) -> None:
    async def ask() -> bytes:
        async def answer(message: Msg) -> None:
            await message.respond(b"a release")

        async with connected(bus.system, "tigta") as auditor, connected(bus.system, "cbp") as other:
            await auditor.subscribe(f"{ROOT}.result.*", cb=answer)
            await settle(auditor)
            with pytest.raises(NoRespondersError):
                await other.request(f"{ROOT}.result.ice", b"{}", timeout=60)
            own: bytes = (await other.request(f"{ROOT}.result.cbp", b"{}", timeout=60)).data
            return own

    assert asyncio.run(ask()) == b"a release"


@pytest.mark.parametrize(
    ("party", "subject", "reply"),
    [
        ("ice", f"{ROOT}.request.ice.reply-1", f"{ROOT}.verdict.ice.reply-1"),
        ("ice", f"{ROOT}.request.ice.reply-2", f"{ROOT}.control.2"),
        ("ice", f"{ROOT}.request.ice.reply-3", f"{ROOT}.request.cbp.reply-3"),
        ("ice", f"{ROOT}.request.ice.reply-4", f"$JS.API.STREAM.PURGE.{STREAM}"),
        ("ice", f"BUS.API.DIRECT.GET.{STREAM}.{ROOT}.request.ice.known", f"{ROOT}.verdict.ice.reply-5"),
        ("irs", f"{ROOT}.verdict.ice.reply-6", f"{ROOT}.control.2"),
        ("irs", f"{ROOT}.verdict.ice.reply-7", f"{ROOT}.request.ice.reply-7"),
        ("tigta", f"BUS.API.STREAM.INFO.{STREAM}", f"{ROOT}.verdict.ice.reply-8"),
        ("tigta", f"BUS.API.STREAM.MSG.GET.{STREAM}", f"{ROOT}.control.2"),
    ],
)
def test_a_chosen_reply_subject_stores_nothing(bus: Bus, party: str, subject: str, reply: str) -> None:
    before = bus.last_sequence()

    attacker = bus.wire(party)
    attacker.send(subject.encode(), b'{"batch": 1, "no_wait": true}', reply=reply.encode())
    attacker.settle()

    stored = [each.subject for each in bus.messages(before + 1)]
    assert stored == ([subject] if subject.startswith("glomar.") else [])
    assert bus.at(reply) is None


def test_a_message_id_can_be_used_up_by_another_party(bus: Bus) -> None:
    """nats-server drops a message whose id another party has used. So our messages carry no id."""
    subject = f"{ROOT}.request.ice.dup"
    for attempt in range(100):  # the window is 100 ms, the least there is
        with_id = header_block(b"Nats-Msg-Id: the-victims-%d" % attempt)
        bus.wire("cbp").ask(f"{ROOT}.request.cbp.dup-{attempt}".encode(), b"x", with_id)
        if bus.wire("ice").ask(f"{subject}-{attempt}".encode(), b"x", with_id).get("duplicate"):
            break
    assert bus.at(f"{subject}-{attempt}") is None

    async def publish() -> None:
        async with connected(bus.system, "ice") as victim:
            await store(victim, Outgoing(f"{subject}-{attempt}", b"x", {}))

    asyncio.run(publish())
    assert bus.at(f"{subject}-{attempt}") is not None


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"Nats-Rollup: all", 10111),
        (b"Nats-Rollup: sub", 10111),
        (b"Nats-TTL: 1s", 10166),
        (b"Nats-Schedule: @at 2030-01-01T00:00:00Z", 10188),
        (b"Nats-Incr: 1", 10168),
    ],
)
def test_a_header_that_would_change_what_is_stored_is_refused(bus: Bus, header: bytes, code: int) -> None:
    before = bus.last_sequence()

    answer = bus.wire("ice").ask(f"{ROOT}.request.ice.header".encode(), b"x", header_block(header))

    assert (err_code(answer), bus.last_sequence()) == (code, before)


@pytest.mark.parametrize("only", [b"true", b"false"])
def test_a_trace_header_makes_the_server_send_nothing(bus: Bus, only: bytes) -> None:
    """`Nats-Trace-Dest` names a subject to which the server would send a trace of the message."""
    attacker = bus.wire("ice")
    headers = header_block(
        f"Nats-Trace-Dest: {ROOT}.verdict.ice.traced".encode(), b"Nats-Trace-Only: " + only
    )
    attacker.send(f"{ROOT}.request.ice.trace-{only.decode()}".encode(), b"x", headers)
    attacker.settle()

    assert bus.at(f"{ROOT}.verdict.ice.traced") is None


def test_an_expected_sequence_shows_an_agency_a_sequence_and_nothing_else(bus: Bus) -> None:
    """Known and accepted: the server answers with the sequence of a subject that the agency may not read."""
    expected = header_block(
        f"{EXPECTED_SEQUENCE}: 999999".encode(), f"{EXPECTED_SEQUENCE_SUBJECT}: {ROOT}.control.1".encode()
    )
    answer = bus.wire("ice").ask(f"{ROOT}.request.ice.curious".encode(), b"x", expected)

    assert answer["error"]["description"] == "wrong last sequence: 1"
    assert set(answer) <= {"type", "error", "stream", "seq"}


def test_a_second_verdict_is_refused_and_the_first_one_stays(bus: Bus) -> None:
    async def publish() -> int:
        async with connected(bus.system, "irs") as verifier:
            await store(verifier, Outgoing(f"{ROOT}.verdict.ice.once", b"first", {}))
            with pytest.raises(NotStored) as refusal:
                await store(verifier, Outgoing(f"{ROOT}.verdict.ice.once", b"second", {}))
            return refusal.value.err_code

    assert asyncio.run(publish()) == SUBJECT_TAKEN
    found = bus.at(f"{ROOT}.verdict.ice.once")
    assert found is not None and found.body == b"first"


def test_a_verdict_after_a_newer_control_is_refused(bus: Bus) -> None:
    async def publish() -> int:
        async with connected(bus.system, "irs") as verifier:
            with pytest.raises(NotStored) as refusal:
                # The first control fills slot 1.
                stale = Outgoing(f"{ROOT}.verdict.ice.stale", b"x", {})
                await store(verifier, stale, empty_slot=f"{ROOT}.control.1")
            return refusal.value.err_code

    assert asyncio.run(publish()) == FENCE_STALE
    assert bus.at(f"{ROOT}.verdict.ice.stale") is None


def test_fifty_open_batches_of_an_agency_do_not_stop_verdicts(bus: Bus) -> None:
    async def starve(agency: Client, attempt: int) -> None:
        for number in range(50):
            headers = {BATCH_ID: f"open-{attempt}-{number}", BATCH_SEQUENCE: "1"}
            await agency.publish(f"{ROOT}.request.ice.open-{attempt}-{number}", b"x", headers=headers)
        await settle(agency)

    def verdicts(name: str) -> list[Outgoing]:
        return [Outgoing(f"{ROOT}.verdict.ice.{name}-{n}", b"x", {}) for n in range(10)]

    async def publish() -> list[bool]:
        async with connected(bus.system, "ice") as agency, connected(bus.system, "irs") as verifier:
            # The server drops open batches after a second, so a slow machine needs several attempts.
            for attempt in range(20):
                await starve(agency, attempt)
                try:
                    await store_atomically(verifier, verdicts(f"lucky-{attempt}"))
                except NotStored as refusal:
                    assert refusal.err_code == TOO_MANY_BATCHES
                    return await store_verdicts(
                        verifier, verdicts("starved"), f"{ROOT}.control.2", first_time=True
                    )
            raise AssertionError("open batches no longer block other batches")

    assert asyncio.run(publish()) == [True] * 10
    assert all(bus.at(f"{ROOT}.verdict.ice.starved-{n}") for n in range(10))

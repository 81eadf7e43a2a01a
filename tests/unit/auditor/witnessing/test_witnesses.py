"""Cosigning with real witnesses on this machine: rounds, faults, forks, and the stored checkpoint."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.witnessing import http_client, witnesses
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.witnesses import WitnessRounds
from glomar_runtime.telemetry.logs import JsonFormatter
from glomar_schemas.errors import IntegrityError, Misconfigured
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.layout import COSIGNED
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, format_vkey, open_checkpoint, parse_vkey, sign
from glomar_schemas.tlog.policy import Policy, parse_policy

from tests.support.witness import Witness, serving

ORIGIN = "audit.example/agreement-1/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))
LIMIT_S = 60.0
EVERY_S = 0.02


def a_leaf(sequence: int, body: int = 0) -> Leaf:
    return Leaf(sequence, sequence * 10**9, f"glomar.a.request.r.{sequence}", bytes([body]) * 32)


def grow(ledger: Ledger, count: int, body: int = 0) -> None:
    first = ledger.size + 1
    ledger.append([a_leaf(sequence, body) for sequence in range(first, first + count)])


def open_ledger(directory: Path) -> Ledger:
    return Ledger.open(directory, SIGNER, ORIGIN)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short rounds and pauses: these witnesses are on the same machine."""
    monkeypatch.setattr(witnesses, "ROUND_EVERY_S", EVERY_S)
    monkeypatch.setattr(witnesses, "FIRST_PAUSE_S", EVERY_S)
    monkeypatch.setattr(witnesses, "MAX_PAUSE_S", EVERY_S)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger")
    yield opened
    opened.close()


@pytest.fixture
def peers() -> Iterator[list[Witness]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(Witness(KEY, f"witness.example/w{n}"))) for n in range(3)]


def policy(peers: list[Witness], rule: str = "all") -> Policy:
    lines = [f"witness w{n} {peer.vkey} {peer.url}" for n, peer in enumerate(peers)]
    members = " ".join(f"w{n}" for n in range(len(peers)))
    return parse_policy("\n".join([*lines, f"group g {rule} {members}", "quorum g"]).encode())


class Running:
    """Rounds in the background of a test's event loop."""

    def __init__(self, ledger: Ledger, directory: Path, used: Policy) -> None:
        self.policy = used
        self.directory = directory
        self.cosigned = CosignedCheckpoint(ledger, directory, KEY)
        self.rounds = WitnessRounds(ledger, used, self.cosigned)

    def faults(self) -> list[object]:
        return [each["fault"] for each in self.rounds.status()]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.rounds.wake()
                await asyncio.sleep(EVERY_S)

    async def until_cosigned(self, size: int) -> None:
        await self.until(lambda: self.cosigned.size == size)


def run(running: Running, steps: Callable[[Running], Awaitable[None]]) -> None:
    async def go() -> None:
        task = asyncio.create_task(running.rounds.run())
        try:
            await steps(running)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(go())


def require_proof(receipt: str, index: int, used: Policy, body: int = 0) -> Checkpoint:
    """As a requester checks it."""
    assert used.check_quorum(receipts.parse(receipt).checkpoint).missing == ""
    return receipts.check(receipt, a_leaf(index + 1, body), KEY)


def test_a_quorum_cosigns_each_newest_checkpoint(
    ledger: Ledger, tmp_path: Path, peers: list[Witness]
) -> None:
    async def steps(running: Running) -> None:
        for count in (3, 600, 1):
            grow(ledger, count)
            await running.until_cosigned(ledger.size)
        published = (tmp_path / "ledger" / COSIGNED).read_text()
        assert open_checkpoint(published, KEY).size == 604
        assert published == running.cosigned.note
        assert running.policy.check_quorum(published).times.keys() == {"w0", "w1", "w2"}
        for index in (0, 2, 3, 255, 256, 602, 603):
            assert require_proof(running.cosigned.receipt(index), index, running.policy).size == 604

    run(Running(ledger, tmp_path / "ledger", policy(peers)), steps)
    assert [peer.checked for peer in peers] == [[(0, 3), (3, 603), (603, 604)]] * 3


def test_a_receipt_beyond_what_is_cosigned_rests_on_the_newest_checkpoint(
    ledger: Ledger, tmp_path: Path, peers: list[Witness]
) -> None:
    async def steps(running: Running) -> None:
        grow(ledger, 3)
        await running.until_cosigned(3)

    running = Running(ledger, tmp_path / "ledger", policy(peers))
    run(running, steps)
    grow(ledger, 300)
    assert require_proof(running.cosigned.receipt(2), 2, running.policy).size == 3
    newest = running.cosigned.receipt(3)
    assert running.policy.check_quorum(receipts.parse(newest).checkpoint).missing
    assert receipts.check(newest, a_leaf(4), KEY).size == 303


def test_after_a_restart_the_cosigned_checkpoint_is_there_and_the_witness_tells_where_it_is(
    ledger: Ledger, tmp_path: Path, peers: list[Witness]
) -> None:
    async def once(running: Running) -> None:
        grow(ledger, 5)
        await running.until_cosigned(5)

    directory = tmp_path / "ledger"
    run(Running(ledger, directory, policy(peers[:1])), once)
    ledger.close()
    reopened = open_ledger(directory)
    again = Running(reopened, directory, policy(peers[:1]))
    assert require_proof(again.cosigned.receipt(4), 4, again.policy).size == 5

    async def more(running: Running) -> None:
        grow(reopened, 5)
        await running.until_cosigned(10)

    run(again, more)
    reopened.close()
    assert peers[0].checked[-2:] == [(0, 10), (5, 10)]


@pytest.mark.parametrize("fault", ["down", "silent", "forged", "nonsense", "500", "unknown"])
def test_one_bad_witness_of_three_holds_up_nothing(
    ledger: Ledger, tmp_path: Path, peers: list[Witness], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.5)
    bad = peers[0]
    used = policy(peers, "2")
    if fault == "down":
        used = parse_policy(
            f"witness w0 {bad.vkey} http://127.0.0.1:9\nwitness w1 {peers[1].vkey} {peers[1].url}\n"
            f"witness w2 {peers[2].vkey} {peers[2].url}\ngroup g 2 w0 w1 w2\nquorum g\n".encode()
        )
    elif fault == "silent":
        bad.silent.set()
    elif fault == "forged":
        bad.signs_with = Ed25519PrivateKey.generate()
    else:
        bad.answer = {"nonsense": (200, b"\xff\xfe"), "500": (500, b""), "unknown": (404, b"")}[fault]

    async def steps(running: Running) -> None:
        for _ in range(2):
            grow(ledger, 2)
            await running.until_cosigned(ledger.size)
        assert {"w1", "w2"} == running.policy.check_quorum(running.cosigned.note).times.keys()
        assert ledger.size == 4
        await running.until(lambda: running.faults()[0] != "")
        assert running.faults()[1:] == ["", ""]

    run(Running(ledger, tmp_path / "ledger", used), steps)


def test_a_witness_that_comes_back_cosigns_again(
    ledger: Ledger, tmp_path: Path, peers: list[Witness]
) -> None:
    peers[2].answer = (503, b"")

    async def steps(running: Running) -> None:
        grow(ledger, 2)
        await running.until(lambda: running.faults()[2] != "")
        assert running.cosigned.size == 0, "two of three are no quorum here"
        peers[2].answer = None
        await running.until_cosigned(2)
        assert running.faults() == ["", "", ""]

    run(Running(ledger, tmp_path / "ledger", policy(peers)), steps)


def test_a_witness_that_fails_is_left_alone_for_a_while(
    ledger: Ledger, tmp_path: Path, peers: list[Witness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "MAX_PAUSE_S", LIMIT_S)
    monkeypatch.setattr(witnesses, "FIRST_PAUSE_S", LIMIT_S)
    peers[0].answer = (500, b"")

    async def steps(running: Running) -> None:
        for _ in range(3):
            grow(ledger, 1)
            await running.until_cosigned(ledger.size)

    run(Running(ledger, tmp_path / "ledger", policy(peers, "2")), steps)
    assert (peers[0].received, peers[1].received) == (1, 3)


def test_a_rollback_is_refused_by_the_witness_and_reported(
    tmp_path: Path, peers: list[Witness], caplog: pytest.LogCaptureFixture
) -> None:
    used = policy(peers[:1])

    async def to_ten(running: Running) -> None:
        grow(first, 10)
        await running.until_cosigned(10)

    first = open_ledger(tmp_path / "before")
    run(Running(first, tmp_path / "before", used), to_ten)
    first.close()

    rolled_back = open_ledger(tmp_path / "after")

    async def regrow(running: Running) -> None:
        grow(rolled_back, 4)
        await running.until(lambda: "has cosigned 10 leaves" in str(running.faults()[0]))
        # The same sequences again, with other messages: larger than what was cosigned, and no extension.
        grow(rolled_back, 20, body=1)
        await running.until(lambda: "not an extension" in str(running.faults()[0]))
        assert running.cosigned.size == 0
        assert not (tmp_path / "after" / COSIGNED).exists()

    run(Running(rolled_back, tmp_path / "after", used), regrow)
    rolled_back.close()
    latest = peers[0].latest
    assert latest is not None and latest.size == 10
    lines = [JsonFormatter("auditor").format(each) for each in caplog.records if each.levelname == "ERROR"]
    assert any("witness.example/w0" in line and "not an extension" in line for line in lines)


def test_another_ledger_of_the_same_size_is_refused(tmp_path: Path, peers: list[Witness]) -> None:
    peers[0].latest = Checkpoint(ORIGIN, 4, leaf_hash(b"another"))
    ledger = open_ledger(tmp_path / "ledger")

    async def steps(running: Running) -> None:
        grow(ledger, 4)
        await running.until(lambda: "not an extension" in str(running.faults()[0]))

    run(Running(ledger, tmp_path / "ledger", policy(peers[:1])), steps)
    ledger.close()


def test_a_witness_whose_conflicts_never_end_is_left_for_later(
    ledger: Ledger, tmp_path: Path, peers: list[Witness]
) -> None:
    peers[0].answer = (409, b"1\n")

    async def steps(running: Running) -> None:
        grow(ledger, 4)
        await running.until(lambda: "changes each time" in str(running.faults()[0]))

    run(Running(ledger, tmp_path / "ledger", policy(peers[:1])), steps)


def test_a_slow_witness_has_one_request_in_flight_and_gets_the_newest(
    ledger: Ledger, tmp_path: Path, peers: list[Witness]
) -> None:
    calls: list[int] = []
    gate = threading.Event()
    slow = peers[0]
    answer = slow.add_checkpoint

    def waiting(body: bytes) -> tuple[int, bytes]:
        calls.append(len(calls))
        assert gate.wait(LIMIT_S)
        return answer(body)

    slow.add_checkpoint = waiting  # type: ignore[method-assign]

    async def steps(running: Running) -> None:
        grow(ledger, 1)
        await running.until(lambda: len(calls) == 1)
        for _ in range(50):
            grow(ledger, 1)
            running.rounds.wake()
            await asyncio.sleep(0)
        assert calls == [0]
        gate.set()
        await running.until_cosigned(51)

    run(Running(ledger, tmp_path / "ledger", policy(peers[:1])), steps)
    assert slow.checked == [(0, 1), (1, 51)]


def test_a_quiet_ledger_is_cosigned_again_in_time(
    ledger: Ledger, tmp_path: Path, peers: list[Witness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "RENEW_S", EVERY_S)

    async def steps(running: Running) -> None:
        grow(ledger, 2)
        await running.until(lambda: (2, 2) in peers[0].checked)

    run(Running(ledger, tmp_path / "ledger", policy(peers[:1])), steps)


@pytest.mark.parametrize("stored", ["longer", "forked", "foreign", "garbage"])
def test_a_ledger_that_is_no_extension_of_what_was_cosigned_is_not_opened(
    ledger: Ledger, tmp_path: Path, stored: str
) -> None:
    grow(ledger, 4)
    note = {
        "longer": sign(Checkpoint(ORIGIN, 5, bytes(32)), SIGNER),
        "forked": sign(Checkpoint(ORIGIN, 4, bytes(32)), SIGNER),
        "foreign": sign(Checkpoint(ORIGIN, 4, bytes(32)), Ed25519PrivateKey.generate()),
        "garbage": "\udcff",
    }[stored]
    (tmp_path / "ledger" / COSIGNED).write_bytes(note.encode(errors="surrogateescape"))
    with pytest.raises(IntegrityError, match=r"checkpoint\.cosigned: .*evidence"):
        CosignedCheckpoint(ledger, tmp_path / "ledger", KEY)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("witness w {vkey}", "can't be reached"),
        ("witness w {vkey} ftp://w.example/", "not an http"),
        ("witness w {vkey} https://", "not an http"),
        ("witness w {vkey} http://w.example:0x/", "not an http"),
    ],
)
def test_a_policy_under_which_no_quorum_can_come_is_refused_at_the_start(
    ledger: Ledger, tmp_path: Path, line: str, what: str
) -> None:
    used = parse_policy(f"{line.format(vkey=Witness(KEY).vkey)}\nquorum w\n".encode())
    with pytest.raises(Misconfigured, match=what):
        Running(ledger, tmp_path / "ledger", used)


def test_more_witnesses_than_fit_into_a_receipt_are_refused_at_the_start(
    ledger: Ledger, tmp_path: Path
) -> None:
    lines = [f"witness w{n} {Witness(KEY).vkey} http://127.0.0.1:9" for n in range(13)]
    with pytest.raises(Misconfigured, match="more witnesses than fit"):
        Running(ledger, tmp_path / "ledger", parse_policy("\n".join([*lines, "quorum none"]).encode()))

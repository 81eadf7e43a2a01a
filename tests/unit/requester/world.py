"""Agency, record holder and auditor in one process, with real keys; and a bus that misbehaves on order.

The bus is write-once by subject and knows atomic batches, as the stream does.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from glomar_requester.ask import Prepared, Question, RequestRecord
from glomar_requester.identity import Identity, make_identity
from glomar_requester.outgoing.compose import Label, compose, new_request_id
from glomar_schemas.agreement.model import SignedAgreement, parse_agreement
from glomar_schemas.crypto.dsse import Signer, seal_envelope
from glomar_schemas.crypto.sealing import ANSWER_SIZES, RELEASE_SIZES, TAGS_SIZES, Context, Sealer, pad
from glomar_schemas.keys import KeyRecord, KeyRing, public_text
from glomar_schemas.messages import (
    Answer,
    Control,
    Notice,
    Notices,
    NoticesQuery,
    Recall,
    Release,
    ResultPending,
    ResultQuery,
    Tags,
    Verdict,
    encode,
)
from glomar_schemas.request_file import Ask, Defaults
from glomar_schemas.subjects import BATCH_COMMIT, BATCH_ID
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import note, receipt
from glomar_schemas.tlog.merkle import leaf_hash, node_hash
from msgspec import Struct
from nats.errors import NoRespondersError

from tests.support import samples

AGREEMENT_FILE = Path(__file__).parents[3] / "schemas/agreements/irs-ice-2025/agreement.toml"
NOW = samples.NOW
DEFAULTS = Defaults("Unit 7", "DEL-2025-01", "mnd", 72)
CONFIRMED = samples.CONFIRMED
DENIED = Answer(outcome="deny", record_consulted=True, salt=bytes(16))


@cache
def signed_agreement(ring_from: datetime = samples.VALID_FROM) -> SignedAgreement:
    records = tuple(
        KeyRecord(
            party=party,
            use=use,
            public=public_text(private.public_key()),
            valid_from=ring_from,
            valid_until=ring_from + timedelta(days=3650),
        )
        for (party, use), private in samples.PRIVATE_KEYS.items()
    )
    agreement = parse_agreement(AGREEMENT_FILE.read_bytes(), where="agreement")
    return SignedAgreement(agreement, samples.AGREEMENT_DIGEST, KeyRing(records))


@cache
def identity() -> Identity:
    return make_identity(
        samples.REQUESTER,
        signed_agreement(),
        samples.signer(samples.REQUESTER),
        samples.sealing_key(samples.REQUESTER),
        defaults=DEFAULTS,
    )


def an_ask(number: int = 1) -> Ask:
    return Ask(reference=f"R-{number}", first_name="Marisol", last_name="Quandt", officer_id="OFF-001")


def prepared(*asks: Ask, key: str = "", now: datetime = NOW, first: int = 1) -> list[Prepared]:
    labels = [
        Label(new_request_id(1_760_000_000_000 + number, bytes(10)), f"00-{number:032x}-{1:016x}-01")
        for number in range(first, first + len(asks))
    ]
    return compose([Question(ask, key) for ask in asks], labels, identity(), now)


class Made(Struct, frozen=True):
    """Everything that a release is made of, each part replaceable."""

    request: RequestRecord
    verdict: Verdict
    answer: bytes
    entry: leaves.Leaf
    release: Release

    def with_release(self, **changes: Any) -> bytes:
        return encode(msgspec.structs.replace(self.release, **changes))


def decide(
    request: RequestRecord,
    answer: Answer = CONFIRMED,
    *,
    signed_by: str = samples.HOLDER,
    ledger_key: str = samples.OVERSIGHT,
    origin: str = "",
    index: int = 1,
    time_ns: int = 1_759_933_805_000_000_042,
    **verdict_changes: Any,
) -> Made:
    """Holder and auditor in one: the verdict is leaf 1 of a log of two."""
    plaintext = encode(answer)
    sealer = Sealer(
        identity().signed.ring.sealing_key(samples.OVERSIGHT, datetime.now(UTC)),
        Context("verdict", samples.AGREEMENT, samples.REQUESTER),
    )
    fields: dict[str, Any] = {
        "request_id": request.request_id,
        "subject": samples.SUBJECTS.verdict(samples.REQUESTER, request.request_id),
        "request_digest": request.digest,
        "agreement_digest": samples.AGREEMENT_DIGEST,
        "control_n": 1,
        "decided_at": NOW,
        "verifier": "a test",
        "answer_digest": hashlib.sha256(plaintext).hexdigest(),
        "answer": sealer.seal("answer", request.request_id, plaintext, ANSWER_SIZES),
        "tags": sealer.seal("tags", request.request_id, encode(Tags()), TAGS_SIZES),
    }
    verdict = Verdict(**{**fields, **verdict_changes})
    body = seal_envelope(verdict, [samples.signer(signed_by)])
    entry = leaves.Leaf(2, time_ns, verdict.subject, hashlib.sha256(body).digest())
    release = Release(
        request_id=request.request_id,
        leaf=leaves.encode(entry),
        verdict=body,
        answer=pad(plaintext, ANSWER_SIZES),
        receipt=_receipt(entry, ledger_key, origin, index).encode(),
    )
    return Made(request, verdict, plaintext, entry, release)


def _receipt(entry: leaves.Leaf, ledger_key: str, origin: str, index: int) -> str:
    """In a log that ends with that leaf, after as many other leaves as its sequence says."""
    hashes = [leaf_hash(b"another")] * (entry.sequence - 1) + [leaf_hash(leaves.encode(entry))]
    proof, root = _path(hashes)
    name = origin or samples.SUBJECTS.origin(samples.OVERSIGHT)
    checkpoint = note.Checkpoint(name, len(hashes), root)
    use: Any = "ledger" if ledger_key == samples.OVERSIGHT else "sign"
    return receipt.encode(
        receipt.Receipt(index, tuple(proof), note.sign(checkpoint, samples.signing_key(ledger_key, use)))
    )


def _path(hashes: list[bytes]) -> tuple[list[bytes], bytes]:
    """Proof of the last leaf, leaf to root, and the root. RFC 9162 sections 2.1.1 and 2.1.3.1."""
    if len(hashes) == 1:
        return [], hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    (_, left), (proof, right) = _path(hashes[:half]), _path(hashes[half:])
    return [*proof, left], node_hash(left, right)


def notice(
    message: Recall | Control,
    sequence: int,
    *signers: Signer,
    ledger_key: str = samples.OVERSIGHT,
    at: datetime = NOW,
    **changes: bytes,
) -> Notice:
    """As the auditor sends it."""
    body = seal_envelope(message, signers)
    time_ns = int(at.timestamp()) * 1_000_000_000
    entry = leaves.Leaf(sequence, time_ns, message.subject, hashlib.sha256(body).digest())
    made = Notice(
        leaf=leaves.encode(entry),
        body=body,
        receipt=_receipt(entry, ledger_key, "", sequence - 1).encode(),
    )
    return msgspec.structs.replace(made, **changes)


def a_recall(request_id: str, agency: str = samples.REQUESTER) -> Recall:
    return Recall(
        request_id=request_id,
        subject=samples.SUBJECTS.recall(agency, request_id),
        agreement=samples.AGREEMENT,
        agency=agency,
        verdict_digest="0" * 64,
        cause="wrong-match",
        recalled_at=NOW,
        recalled_by="Office of Disclosure",
    )


def a_control(slot: int, action: str, **fields: Any) -> Control:
    said = {"agreement_digest": samples.AGREEMENT_DIGEST, "authority": "Order", "issued_at": NOW, **fields}
    return Control(
        slot=slot,
        subject=samples.SUBJECTS.control(slot),
        agreement=samples.AGREEMENT,
        action=action,  # type: ignore[arg-type]
        **said,
    )


def officials(*parties: str) -> list[Signer]:
    return [samples.signer(party, "official") for party in parties]


def sealed(made: Made, release: bytes | None = None, agency: str = samples.REQUESTER) -> bytes:
    """As the auditor pushes it."""
    key = identity().signed.ring.sealing_key(samples.REQUESTER, datetime.now(UTC))
    context = Context("release", samples.AGREEMENT, agency)
    plaintext = encode(made.release) if release is None else release
    return encode(Sealer(key, context).seal("release", made.request.request_id, plaintext, RELEASE_SIZES))


class Reply(Struct):
    """What is needed of nats-py's Msg."""

    subject: str
    data: bytes
    headers: dict[str, str] | None = None


class FakeBus:
    """Connection of the agency to a write-once stream, a verifier and an auditor.

    refuse: err_code -> how many batch store are still refused with it. away: nobody responds.
    full: nothing is taken. lose_acks: how many are stored without an acknowledgement.
    pushes: whether the auditor's pushes arrive. answering: whether there are verdicts at all.
    notices: the auditor's replies to queries, with their sequences; audited: up to which sequence.
    """

    def __init__(self) -> None:
        self.stream: dict[str, tuple[int, bytes]] = {}
        self.sent: list[bytes] = []
        self.store = 0
        self.refuse: dict[int, int] = {}
        self.away = False
        self.pushes = True
        self.answering = True
        self.lose_acks = 0
        self.full = False
        self.notices: list[tuple[int, Notice]] = []
        self.audited = 0
        self.receive: Callable[[Any], Any] | None = None
        self.spoil: Callable[[bytes], bytes] = lambda raw: raw
        self._batches: dict[str, list[tuple[str, bytes]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        assert headers is not None
        self._batches.setdefault(headers[BATCH_ID], []).append((subject, payload))

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 - nats-py's signature
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Reply:
        await asyncio.sleep(0)
        if self.away:
            raise NoRespondersError
        if subject.startswith("BUS.API.DIRECT.GET."):
            sequence, body = self.stream[subject.partition(f"{samples.SUBJECTS.stream}.")[2]]
            return Reply(subject, body, {"Nats-Sequence": str(sequence)})
        if subject == samples.SUBJECTS.result(samples.REQUESTER):
            return self._result(msgspec.json.decode(payload, type=ResultQuery).request_id)
        if subject == samples.SUBJECTS.notices(samples.REQUESTER):
            return self._notices(msgspec.json.decode(payload, type=NoticesQuery).after)
        return self._store(subject, payload, headers or {})

    def _store(self, subject: str, payload: bytes, headers: dict[str, str]) -> Reply:
        if self.full:
            return _refused(10023)
        messages = [(subject, payload)]
        if BATCH_COMMIT in headers:
            self.store += 1
            messages = self._batches.pop(headers[BATCH_ID], []) + messages
            for code, times in self.refuse.items():
                if times:
                    self.refuse[code] = times - 1
                    return _refused(code)
        self.sent += [body for _, body in messages]
        if any(subject in self.stream for subject, _ in messages):
            return _refused(10077)
        for one, body in messages:
            self.stream[one] = (len(self.stream) + 1, body)
            if self.answering and self.pushes and ".request." in one:
                self._push(one.rpartition(".")[2])
        if self.lose_acks:
            self.lose_acks -= 1
            raise TimeoutError
        count = {"count": len(messages)} if BATCH_COMMIT in headers else {}
        return Reply(subject, json.dumps({"stream": "S", "seq": len(self.stream), **count}).encode())

    def _push(self, request_id: str) -> None:
        async def push() -> None:
            if self.receive is not None:
                subject = samples.SUBJECTS.release(samples.REQUESTER, request_id)
                await self.receive(Reply(subject, self.spoil(self._release(request_id))))

        task = asyncio.get_running_loop().create_task(push())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _result(self, request_id: str) -> Reply:
        if not self.answering or samples.SUBJECTS.request(samples.REQUESTER, request_id) not in self.stream:
            return Reply("", encode(ResultPending(request_id=request_id)))
        return Reply("", self.spoil(self._release(request_id)))

    def _notices(self, after: int) -> Reply:
        """One a page, so that every reader has to ask again."""
        newer = [(sequence, each) for sequence, each in self.notices if sequence > after]
        page = tuple(each for _, each in newer[:1])
        through = newer[0][0] if newer else max(after, self.audited)
        return Reply("", encode(Notices(notices=page, through=through, more=bool(newer))))

    def _release(self, request_id: str) -> bytes:
        _, body = self.stream[samples.SUBJECTS.request(samples.REQUESTER, request_id)]
        digest = hashlib.sha256(body).hexdigest()
        request = RequestRecord(request_id, "", "", b"", digest, "", NOW)
        now = datetime.now(UTC)
        return sealed(decide(request, time_ns=int(now.timestamp() * 1e9), decided_at=now))


def _refused(err_code: int) -> Reply:
    return Reply("", json.dumps({"error": {"code": 400, "err_code": err_code}}).encode())

"""A report reads only what was signed and recorded; otherwise nothing is counted."""

import asyncio
import hashlib
import json
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.index.fill import messages
from glomar_auditor.ledger.archive import freeze, verify_archive
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.ledger.view import LedgerView, open_view, signed_prefix
from glomar_schemas.errors import IntegrityError, Misconfigured
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, format_vkey, parse_vkey, sign

from tests.unit.auditor.ledger.test_fsck import ENTRIES, KEY, LOG, ORIGIN, SIGNER, forge_ledger, write_ledger
from tests.unit.schemas.tlog.test_merkle import naive_root

TIME = "2025-10-08T14:30:00.000000001Z"
TIME_NS = 1759933800000000001
BODIES = [b"one", b"two", b"three"]


class Stream:
    """A client whose stream holds these bodies under subjects s.1, s.2 …"""

    def __init__(self, bodies: list[bytes | None], **other: object) -> None:
        self.bodies = bodies
        self.other = other

    async def request(self, subject: str, body: bytes, timeout: float) -> Any:  # noqa: ASYNC109
        sequence = json.loads(body)["seq"]
        found = self.bodies[sequence - 1]
        answer: dict[str, object] = {"error": {"err_code": 10037}}
        if found is not None:
            data = b64encode(found).decode()
            message = {"subject": f"s.{sequence}", "seq": sequence, "time": TIME, "data": data}
            answer = {"message": message | self.other}
        return SimpleNamespace(data=json.dumps(answer).encode())


def recorded(directory: Path) -> LedgerView:
    ledger = Ledger.open(directory, SIGNER, ORIGIN)
    leaves = [Leaf(n, TIME_NS, f"s.{n}", hashlib.sha256(body).digest()) for n, body in enumerate(BODIES, 1)]
    ledger.append(leaves)
    ledger.close()
    return open_view(directory, [KEY])


def read(view: LedgerView, stream: Stream, after: int = 0) -> list[bytes]:
    async def run() -> list[bytes]:
        return [
            stored.body
            async for batch in messages(stream, "S", view, after)  # type: ignore[arg-type]
            for stored in batch
            if stored is not None
        ]

    return asyncio.run(run())


def test_the_messages_are_those_that_the_ledger_recorded(tmp_path: Path) -> None:
    assert read(recorded(tmp_path), Stream([*BODIES])) == BODIES
    assert read(open_view(tmp_path, [KEY]), Stream([*BODIES]), after=1) == BODIES[1:]


@pytest.mark.parametrize(
    "stream",
    [
        Stream([b"one", b"tWo", b"three"]),
        Stream([b"one", None, b"three"]),
        Stream([b"one", b"three", b"two"]),
        Stream([*BODIES], subject="s.4"),
        Stream([*BODIES], time="2025-10-08T14:30:00.000000002Z"),
    ],
    ids=["another body", "missing", "swapped", "another subject", "another time"],
)
def test_a_stream_that_differs_from_the_ledger_counts_for_nothing(tmp_path: Path, stream: Stream) -> None:
    with pytest.raises(IntegrityError, match=r"sequence [12]"):
        read(recorded(tmp_path), stream)


def test_entries_that_do_not_hash_to_the_root_are_not_the_ledger(tmp_path: Path) -> None:
    forge_ledger(tmp_path, ENTRIES[:5])
    assert len(list(open_view(tmp_path, [KEY]).leaves())) == 5
    other = naive_root([leaf_hash(entry) for entry in ENTRIES[1:6]])
    (tmp_path / "checkpoint").write_bytes(sign(Checkpoint(ORIGIN, 5, other), SIGNER).encode())
    with pytest.raises(IntegrityError, match="root"):
        list(open_view(tmp_path, [KEY]).leaves())


def test_a_gap_in_the_ledger_is_read_as_one(tmp_path: Path) -> None:
    forge_ledger(tmp_path, [ENTRIES[0], b'{"gap":true,"seq":2}', ENTRIES[2]])
    assert list(open_view(tmp_path, [KEY]).leaves()) == [LOG[0], None, LOG[2]]


@pytest.mark.parametrize("size", [1, 255, 256, 300, 512])
def test_an_older_checkpoint_is_a_ledger_of_its_own(tmp_path: Path, size: int) -> None:
    write_ledger(tmp_path, size)
    note = tmp_path / "old"
    note.write_bytes((tmp_path / "checkpoint").read_bytes())
    write_ledger(tmp_path, 600)
    view = open_view(tmp_path, [KEY], note)
    assert list(view.leaves()) == LOG[:size]
    receipt = view.receipt(size)
    assert receipts.check(receipt, LOG[size - 1], KEY).size == size
    assert receipts.leaf_within(receipt) == LOG[size - 1]


def test_a_prefix_is_signed_up_to_a_time(tmp_path: Path) -> None:
    view = open_view(write_ledger(tmp_path, 600), [KEY])
    early = signed_prefix(tmp_path, view, SIGNER, until_ns=300, most=view.size)
    assert list(early.leaves()) == LOG[:300]
    assert signed_prefix(tmp_path, view, SIGNER, until_ns=0, most=view.size).size == 0


@pytest.mark.parametrize(("held", "size"), [(40, 3), (40, 40), (300, 256), (300, 299), (600, 1)])
def test_a_beginning_that_was_never_published_can_be_frozen(tmp_path: Path, held: int, size: int) -> None:
    view = open_view(write_ledger(tmp_path / "ledger", held), [KEY])
    early = signed_prefix(tmp_path / "ledger", view, SIGNER, until_ns=2**62, most=size)
    freeze(early, tmp_path / "a.tar", lambda done, total: None)
    (tmp_path / "thawed").mkdir()
    report = verify_archive(tmp_path / "a.tar", tmp_path / "thawed", KEY, lambda done, total: None)
    assert report.size == size


@pytest.mark.parametrize("changed", [5, 450])
def test_no_prefix_is_signed_of_a_ledger_that_is_not_what_was_signed(tmp_path: Path, changed: int) -> None:
    view = open_view(write_ledger(tmp_path, 600), [KEY])
    bundle = tmp_path / "tile" / "entries" / f"00{changed // 256}"
    subject = LOG[changed].subject.encode()
    forged = subject.replace(b"request", b"verdict")
    assert len(forged) == len(subject) and forged != subject
    bundle.write_bytes(bundle.read_bytes().replace(subject, forged))
    with pytest.raises(IntegrityError, match="do not hash to the signed root"):
        signed_prefix(tmp_path, view, SIGNER, until_ns=300, most=view.size)


def test_only_a_checkpoint_of_this_ledger_and_key_counts(tmp_path: Path) -> None:
    write_ledger(tmp_path, 3)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    keys = [
        parse_vkey(format_vkey(ORIGIN, other.public_key())),
        parse_vkey(format_vkey("else", SIGNER.public_key())),
    ]
    with pytest.raises(IntegrityError, match="no ledger key"):
        open_view(tmp_path, keys)
    assert open_view(tmp_path, [*keys, KEY]).size == 3
    with pytest.raises(Misconfigured, match="no checkpoint"):
        open_view(tmp_path / "tile", [KEY])

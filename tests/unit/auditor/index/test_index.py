"""The index: what stays sealed in it, what it refuses, and that it shows no outcome without the key."""

import gc
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from glomar_auditor.index.database import Damaged, Index, RequestFilter
from glomar_auditor.index.record import IndexRecord, MessageReader, VerdictOutcome
from glomar_runtime.bus.stream import Stored
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.crypto.sealing import ANSWER_SIZES, TAGS_SIZES, Opener, Sealer
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import Key
from glomar_schemas.messages import Answer, Refusal, Tags, encode
from msgspec.structs import replace

from tests.support import samples

OVERSIGHTS = samples.RING.sealing_keys(samples.OVERSIGHT)[0]
REFUSALS = tuple(Refusal(condition=each, citation="c", message="m") for each in ("L2", "L7"))
READER = MessageReader(samples.SUBJECTS, samples.opener(samples.OVERSIGHT))
READER_WITHOUT_KEY = MessageReader(samples.SUBJECTS, Opener({}))


def request(sequence: int, token: str = "", **fields: str) -> IndexRecord:
    found = IndexRecord(sequence=sequence, kind="request", agency="ice", token=token or f"r{sequence}")
    return replace(found, **fields)


def verdict(sequence: int, token: str, body: bytes = b"") -> IndexRecord:
    return IndexRecord(sequence=sequence, kind="verdict", agency="ice", token=token, body=body)


def stored_verdict(
    answer: Answer,
    named: Answer | None = None,
    tags: Tags = samples.TAGS,
    to: Key = OVERSIGHTS,
    slot: str = samples.REQUEST_ID,
) -> Stored:
    """named: the answer whose digest is in the verdict, if it is another one."""
    sealer = Sealer(to, samples.TO_AUDITOR)
    sealed = sealer.seal("answer", slot, encode(answer), ANSWER_SIZES)
    message = replace(
        samples.verdict(
            b"request",
            encode(named or answer),
            sealed,
            sealer.seal("tags", slot, encode(tags), TAGS_SIZES),
        ),
        request_id=slot,
        subject=samples.SUBJECTS.verdict(samples.REQUESTER, slot),
    )
    return Stored(9, 1, message.subject, seal_envelope(message, [samples.signer(samples.HOLDER)]))


def filled(path: Path | None, *records: IndexRecord) -> Index:
    index = Index(path, "audit.tigta/A_1")
    assert index.add(records)
    return index


def test_what_a_verdict_says_stays_sealed_until_somebody_with_the_key_asks() -> None:
    refused = replace(samples.CONFIRMED, outcome="deny", record_consulted=False, refusals=REFUSALS)
    confirmed, denied = (READER.read(stored_verdict(answer)) for answer in (samples.CONFIRMED, refused))
    assert b"confirm" not in confirmed.body
    assert len(confirmed.body) == len(denied.body), "the length tells nothing"
    tags = samples.TAGS
    assert READER.outcome(confirmed) == VerdictOutcome("confirm", (), tags.person, tags.reason, tags.case)
    assert READER.outcome(denied) == VerdictOutcome(
        "refused", ("L2", "L7"), tags.person, tags.reason, tags.case
    )
    assert READER_WITHOUT_KEY.read(stored_verdict(refused)).fault == "", "the record needs no key"
    assert READER_WITHOUT_KEY.outcome(confirmed) is None, "not readable without the key"


def test_a_verdict_that_was_changed_in_the_index_says_nothing() -> None:
    record = READER.read(stored_verdict(samples.CONFIRMED))
    assert READER.outcome(
        replace(record, body=record.body[:-1] + bytes([record.body[-1] ^ 1]))
    ) == VerdictOutcome("void")
    assert READER.outcome(replace(record, agency="snap")) == VerdictOutcome("void")
    assert READER.outcome(replace(record, body=record.body[:100])) == VerdictOutcome("void")


def test_a_verdict_whose_answer_is_not_the_one_that_it_names_is_unreadable() -> None:
    right = stored_verdict(samples.CONFIRMED)
    wrong = stored_verdict(samples.CONFIRMED, named=replace(samples.CONFIRMED, outcome="deny"))
    assert READER.outcome(READER.read(wrong)) == VerdictOutcome("void")
    assert [READER.read(each, lambda stored: "").fault for each in (right, wrong)] == ["", "unreadable"]
    assert READER_WITHOUT_KEY.read(wrong, lambda stored: "").fault == "", "not known without the key"


@pytest.mark.parametrize(
    "hint", ["", "x", "00-" + "z" * 32 + "-" + "1" * 16 + "-01", "00-" + "A" * 32, "\x1b[31m"]
)
def test_a_trace_header_that_is_none_leaves_nothing_in_the_index(hint: str) -> None:
    assert READER.read(Stored(1, 1, samples.SUBJECTS.request("ice", "a"), b"{}", hint)).trace == ""


def test_records_go_in_without_a_hole_and_once(tmp_path: Path) -> None:
    index = filled(tmp_path / "i.db", request(1), request(2))
    assert not index.add([request(2)])
    assert not index.add([request(4)])
    assert index.add([request(3)])
    assert [each.sequence for each in index.records()] == [1, 2, 3]


def test_an_index_is_its_owners_alone_and_of_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "i.db"
    filled(path, request(1)).close()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(Misconfigured, match="another ledger"):
        Index(path, "audit.tigta/B_1")
    with pytest.raises(Misconfigured, match="rebuild-index"):
        Index(tmp_path / "none.db", "audit.tigta/A_1", write=False)
    assert not (tmp_path / "none.db").exists()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Damaged, match="rebuild-index"):
        Index(path, "audit.tigta/A_1", write=False)


def test_a_crash_while_the_file_is_made_leaves_nothing_or_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the ledger is named: the file that is left must not count as the index of another ledger."""

    class Crashing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql.startswith("INSERT INTO ledger"):
                raise KeyboardInterrupt
            return super().execute(sql, *values)

    path, connect = tmp_path / "i.db", sqlite3.connect
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Crashing, **k))
        with pytest.raises(KeyboardInterrupt):
            Index(path, "audit.tigta/A_1")
    gc.collect()
    assert filled(path, request(1)).size == 1


def test_a_request_is_found_with_the_verdict_in_its_own_slot() -> None:
    index = filled(
        None,
        request(1, "r1", officer="A"),
        request(2, "no id!", officer="B"),
        verdict(3, "r1"),
        verdict(4, "~2"),
        # A second one under another subject does not make the request count twice.
        verdict(5, "~1"),
    )
    assert [(r.sequence, v and v.sequence) for r, v in index.requests(RequestFilter())] == [(1, 3), (2, 4)]
    assert [r.sequence for r, _ in index.requests(RequestFilter(officer="B"))] == [2]
    index.limit_to(3)
    assert [(r.sequence, v and v.sequence) for r, v in index.requests(RequestFilter())] == [(1, 3), (2, None)]

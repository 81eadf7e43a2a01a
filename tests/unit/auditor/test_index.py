"""The index: what it keeps sealed, what it refuses, and that it forgets with the key."""

from pathlib import Path

import pytest
from glomar_auditor.index.cells import Cells, Outcome
from glomar_auditor.index.file import Damaged, Index, Wanted
from glomar_auditor.index.record import Reading, Record
from glomar_runtime.delivery import Stored
from glomar_schemas.controls import InForce
from glomar_schemas.envelope import seal_envelope
from glomar_schemas.errors import IntegrityError, Misconfigured
from glomar_schemas.keyholder import Keyholder
from glomar_schemas.messages import encode
from glomar_schemas.sealing import ANSWER_SIZES, TAGS_SIZES, Sealer
from msgspec.structs import replace

from tests import samples
from tests.unit.auditor.test_officials import SIGNED

CONFIRMED = Outcome("confirm", (), "a" * 64, "b" * 64, "c" * 64)
REFUSED = Outcome("refused", ("L2", "L7"), "a" * 64, "b" * 64, "c" * 64)
KEY_ID = samples.RING.sealing_keys(samples.OVERSIGHT)[0].id
IN_FORCE = InForce(slot=1, signed=SIGNED)


def keyholder() -> Keyholder:
    found = Keyholder(samples.OVERSIGHT, lambda key_id: samples.sealing_key(samples.OVERSIGHT))
    found.follow(IN_FORCE)
    return found


def request(sequence: int, token: str = "", **fields: str) -> Record:
    asked = Record(sequence=sequence, kind="request", agency="ice", token=token or f"r{sequence}")
    return replace(asked, **fields)


def verdict(sequence: int, token: str, cell: bytes = b"") -> Record:
    return Record(sequence=sequence, kind="verdict", agency="ice", token=token, key_id=KEY_ID, cell=cell)


def filled(path: Path | None, *records: Record) -> Index:
    index = Index(path, "audit.tigta/A_1")
    assert index.add(records)
    return index


def test_a_cell_opens_only_in_its_place_and_tells_nothing_by_its_length() -> None:
    cells = Cells(keyholder())
    cell = cells.seal(KEY_ID, 7, CONFIRMED)
    assert cells.open(KEY_ID, 7, cell) == CONFIRMED
    assert b"confirm" not in cell
    assert len(cell) == len(cells.seal(KEY_ID, 7, REFUSED))
    assert cells.seal(KEY_ID, 7, CONFIRMED) == cell, "a rebuilt index is the same"
    assert cells.seal(KEY_ID, 8, CONFIRMED) != cell, "equal outcomes do not look equal"
    with pytest.raises(IntegrityError):
        cells.open(KEY_ID, 8, cell)
    with pytest.raises(IntegrityError):
        cells.open(KEY_ID, 7, cell[:-1] + bytes([cell[-1] ^ 1]))


def test_a_cell_is_forgotten_with_the_key_that_opened_the_verdict() -> None:
    held = keyholder()
    cells = Cells(held)
    cell = cells.seal(KEY_ID, 7, CONFIRMED)
    held.follow(replace(IN_FORCE, signed=replace(SIGNED, ring=SIGNED.ring.without(KEY_ID))))
    assert cells.open(KEY_ID, 7, cell) is None
    assert cells.seal(KEY_ID, 7, CONFIRMED) == b""


def test_a_verdict_whose_answer_is_not_the_one_that_it_names_is_unreadable() -> None:
    sealer = Sealer(samples.RING.sealing_keys(samples.OVERSIGHT)[0], samples.TO_AUDITOR)
    answer, other = encode(samples.CONFIRMED), encode(replace(samples.CONFIRMED, outcome="deny"))
    tags = sealer.seal("tags", samples.REQUEST_ID, encode(samples.TAGS), TAGS_SIZES)
    found = []
    for named in (answer, other):
        sealed = sealer.seal("answer", samples.REQUEST_ID, answer, ANSWER_SIZES)
        message = samples.verdict(b"request", named, sealed, tags)
        body = seal_envelope(message, [samples.signer(samples.HOLDER)])
        reading = Reading(samples.SUBJECTS, samples.opener(samples.OVERSIGHT), Cells(keyholder()))
        found.append((reading, reading.read(Stored(9, 1, message.subject, body))))
    (reading, right), (_, wrong) = found
    assert (right.fault, wrong.fault, wrong.cell) == ("", "unreadable", b"")
    opened = reading.outcome(right)
    assert opened is not None
    assert (opened.outcome, opened.person) == ("confirm", samples.TAGS.person)


@pytest.mark.parametrize(
    "hint", ["", "x", "00-" + "z" * 32 + "-" + "1" * 16 + "-01", "00-" + "A" * 32, "\x1b[31m"]
)
def test_a_trace_header_that_is_none_leaves_nothing_in_the_index(hint: str) -> None:
    reading = Reading(samples.SUBJECTS, samples.opener(samples.OVERSIGHT), Cells(keyholder()))
    assert reading.read(Stored(1, 1, samples.SUBJECTS.request("ice", "a"), b"{}", hint)).trace == ""


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


def test_a_request_is_found_with_the_verdict_in_its_own_slot() -> None:
    index = filled(
        None,
        request(1, "r1", officer="A"),
        request(2, "no id!", officer="B"),
        verdict(3, "r1"),
        verdict(4, "~2"),
        # Whoever stores a second one elsewhere does not make the request count twice.
        verdict(5, "~1"),
    )
    assert [(r.sequence, v and v.sequence) for r, v in index.matters(Wanted())] == [(1, 3), (2, 4)]
    assert [r.sequence for r, _ in index.matters(Wanted(officer="B"))] == [2]
    index.only(3)
    assert [(r.sequence, v and v.sequence) for r, v in index.matters(Wanted())] == [(1, 3), (2, None)]


def test_what_was_sealed_to_a_destroyed_key_is_wiped(tmp_path: Path) -> None:
    cell = Cells(keyholder()).seal(KEY_ID, 2, CONFIRMED)
    path = tmp_path / "i.db"
    index = filled(path, request(1, "r"), verdict(2, "r", cell))
    index.forget([KEY_ID])
    assert [each.cell for each in index.records("verdict")] == [b""]
    index.close()
    assert cell[:32] not in path.read_bytes()

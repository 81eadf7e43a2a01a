"""Epochs: only all three parts of a key open it, and no key is destroyed before its control."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.keys import KeyRecord, public_text
from glomar_verifier.epochs.epoch import Shares, make_shares, retention_ends, survey, unwrap, wrap
from glomar_verifier.epochs.files import EpochFiles
from msgspec.structs import replace

from tests.support import samples
from tests.support.model_request import model_agreement

PRIVATE = samples.sealing_key(samples.HOLDER)
RECORD = KeyRecord(
    party=samples.HOLDER,
    use="seal",
    public=public_text(PRIVATE.public_key()),
    valid_from=samples.VALID_FROM,
    valid_until=samples.VALID_UNTIL,
)
SHARES = make_shares()
LATER = samples.VALID_UNTIL + timedelta(days=30)
SECOND = replace(RECORD, public=public_text(samples.sealing_key("second").public_key()), valid_until=LATER)
IN_FORCE = InForce(
    3,
    SignedAgreement(model_agreement(), samples.AGREEMENT_DIGEST, samples.RING.having(SECOND)),
    added=(SECOND,),
)


@pytest.fixture
def files(tmp_path: Path) -> EpochFiles:
    for name in ("epochs", "a", "b"):
        (tmp_path / name).mkdir()
    return EpochFiles(tmp_path / "epochs", (tmp_path / "a", tmp_path / "b"))


def created(files: EpochFiles) -> KeyRecord:
    return files.create(samples.HOLDER, samples.VALID_FROM, samples.VALID_UNTIL)


def test_both_shares_open_a_wrapped_key() -> None:
    found = unwrap(wrap(PRIVATE, RECORD, SHARES), SHARES)

    assert found.private_numbers() == PRIVATE.private_numbers()


@pytest.mark.parametrize(
    "shares",
    [
        (SHARES[0], bytes(32)),
        (bytes(32), SHARES[1]),
        (SHARES[0], SHARES[0]),
        (SHARES[1], SHARES[0]),
        (SHARES[0], b""),
    ],
    ids=["only the first", "only the second", "one twice", "swapped", "one empty"],
)
def test_anything_less_opens_nothing(shares: Shares) -> None:
    with pytest.raises(Malformed, match="custodians"):
        unwrap(wrap(PRIVATE, RECORD, SHARES), shares)


def test_a_wrapped_key_under_another_record_opens_nothing() -> None:
    wrapped = wrap(PRIVATE, RECORD, SHARES)

    with pytest.raises(Malformed):
        unwrap(replace(wrapped, record=replace(RECORD, valid_until=LATER)), SHARES)


def test_retention_counts_from_the_last_request_that_may_be_sealed_to_it() -> None:
    retention = replace(model_agreement().retention, particulars_days=180)

    assert retention_ends(datetime(2026, 1, 8, tzinfo=UTC), retention) == datetime(2026, 7, 7, tzinfo=UTC)


def test_a_survey_says_of_each_epoch_how_far_it_has_come() -> None:
    unnamed = replace(RECORD, public=public_text(samples.sealing_key("third").public_key()))
    signed = IN_FORCE.require()
    shredded = replace(
        IN_FORCE,
        signed=replace(signed, ring=signed.ring.without(RECORD.key_id)),
        shredded=frozenset({RECORD.key_id}),
    )

    found = survey([RECORD, unnamed], {SECOND.key_id: 3}, shredded, samples.NOW)

    assert {epoch.key_id: (epoch.state, epoch.due, epoch.files) for epoch in found} == {
        RECORD.key_id: ("shredded", False, 0),
        SECOND.key_id: ("in force", False, 3),
        unnamed.key_id: ("unnamed", False, 0),
    }


@pytest.mark.parametrize(("early", "due"), [(timedelta(seconds=1), False), (timedelta(0), True)])
def test_an_epoch_is_due_once_its_retention_is_over(early: timedelta, due: bool) -> None:
    end = retention_ends(SECOND.valid_until, IN_FORCE.require().agreement.retention)

    found = {epoch.key_id: epoch for epoch in survey([], {}, IN_FORCE, end - early)}

    assert found[SECOND.key_id].due is due


def test_a_key_is_stored_in_three_files_that_only_their_owner_reads(
    files: EpochFiles, tmp_path: Path
) -> None:
    record = created(files)
    paths = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]

    assert [path.parent.name for path in paths] == ["a", "b", "epochs"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert public_text(files.load(record.key_id).public_key()) == record.public
    assert files.records() == [record]


@pytest.mark.parametrize("part", ["a", "b", "epochs"])
def test_the_key_cannot_be_opened_without_any_one_of_them(
    files: EpochFiles, tmp_path: Path, part: str
) -> None:
    record = created(files)
    next((tmp_path / part).iterdir()).unlink()

    with pytest.raises(Misconfigured, match="missing"):
        files.load(record.key_id)


@pytest.mark.parametrize("part", ["a", "b", "epochs"])
def test_a_file_that_others_may_read_is_not_used(files: EpochFiles, tmp_path: Path, part: str) -> None:
    record = created(files)
    next((tmp_path / part).iterdir()).chmod(0o640)

    with pytest.raises(Misconfigured, match="open to others"):
        files.load(record.key_id)


@pytest.mark.parametrize("part", ["a", "b", "epochs"])
def test_the_file_of_another_epoch_opens_nothing(files: EpochFiles, tmp_path: Path, part: str) -> None:
    record, other = created(files), created(files)
    [own] = (tmp_path / part).glob(f"{record.key_id}*")
    [others] = (tmp_path / part).glob(f"{other.key_id}*")
    own.write_bytes(others.read_bytes())

    with pytest.raises(Misconfigured):
        files.load(record.key_id)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"{}", b"[]"])
def test_a_spoilt_file_is_named(files: EpochFiles, tmp_path: Path, content: bytes) -> None:
    record = created(files)
    [wrapped] = (tmp_path / "epochs").iterdir()
    wrapped.write_bytes(content)

    with pytest.raises(Misconfigured, match="epochs"):
        files.load(record.key_id)


def test_destroying_leaves_none_of_the_three_and_can_be_repeated(files: EpochFiles, tmp_path: Path) -> None:
    record, other = created(files), created(files)

    assert (files.destroy(record.key_id), files.destroy(record.key_id)) == (3, 0)
    assert {path.stem for path in tmp_path.rglob("*") if path.is_file()} == {other.key_id}
    files.load(other.key_id)


def test_what_is_destroyed_was_overwritten_first(files: EpochFiles, tmp_path: Path) -> None:
    record = created(files)
    names = [path for path in tmp_path.rglob("*") if path.is_file()]
    links = [tmp_path / f"link-{number}" for number in range(3)]
    before = []
    for path, link in zip(names, links, strict=True):
        link.hardlink_to(path)
        before.append(link.read_bytes())

    files.destroy(record.key_id)

    assert all(link.read_bytes() != content for link, content in zip(links, before, strict=True))


def test_nothing_is_destroyed_while_a_custodians_medium_is_away(files: EpochFiles, tmp_path: Path) -> None:
    record = created(files)
    away = (tmp_path / "b").rename(tmp_path / "in a safe")

    with pytest.raises(Misconfigured, match="medium"):
        files.destroy(record.key_id)

    away.rename(tmp_path / "b")
    files.load(record.key_id)


def test_one_custodian_may_not_hold_both_shares(tmp_path: Path) -> None:
    for name in ("epochs", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")

    with pytest.raises(Misconfigured, match="both shares"):
        created(EpochFiles(tmp_path / "epochs", (tmp_path / "a", tmp_path / "b")))

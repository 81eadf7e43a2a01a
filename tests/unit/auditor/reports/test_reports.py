"""Documents escape what others wrote; public numbers hide what is small; archives are whole or refused."""

import io
import tarfile
from pathlib import Path

import pytest
from glomar_auditor.ledger.archive import freeze, thaw, verify_archive
from glomar_auditor.ledger.view import open_view
from glomar_auditor.reports.document import Document, DocumentSection, DocumentTable, as_html, as_text
from glomar_auditor.reports.public import rounded
from glomar_schemas.errors import GlomarError, IntegrityError, Misconfigured

from tests.unit.auditor.ledger.test_fsck import KEY, write_ledger

HOSTILE = "<script>alert('1')</script>&\"<img src=x onerror=y>"


def frozen(folder: Path, *sizes: int) -> Path:
    view = open_view(write_ledger(folder / "ledger", *sizes), [KEY])
    freeze(view, folder / "a.tar", lambda done, total: None)
    return folder / "a.tar"


def checked(archive: Path, scratch: Path) -> int:
    scratch.mkdir()
    return verify_archive(archive, scratch, KEY, lambda done, total: None).size


def test_a_page_escapes_everything_that_it_is_given() -> None:
    table = DocumentTable(HOSTILE, (HOSTILE, "n"), ((HOSTILE, "1"),), frozenset({1}), HOSTILE)
    empty = DocumentTable(HOSTILE, (), (), empty=HOSTILE)
    section = DocumentSection(HOSTILE, (HOSTILE,), (table, empty), HOSTILE)
    page = as_html(Document(HOSTILE, HOSTILE, HOSTILE, (section,), (HOSTILE,)))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") == 14
    assert HOSTILE in as_text(Document("", "", "", (section,)))


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (1, "under 10"), (9, "under 10"), (10, "10"), (14, "10"), (15, "20"), (47_289, "47290")],
)
def test_a_public_number_is_a_ten_or_a_few_or_none(number: int, shown: str) -> None:
    assert rounded(number) == shown


@pytest.mark.parametrize("sizes", [(), (1,), (256,), (2, 300, 512), (5, 600)])
def test_an_archive_verifies_and_is_the_same_every_time(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    archive = frozen(tmp_path, *sizes)
    assert checked(archive, tmp_path / "scratch") == (sizes[-1] if sizes else 0)
    again = tmp_path / "again"
    again.mkdir()
    # Grown in other steps, the same ledger gives the same bytes.
    assert frozen(again, *sizes[-1:]).read_bytes() == archive.read_bytes()


def test_an_archive_replaces_nothing_and_leaves_no_draft(tmp_path: Path) -> None:
    archive = frozen(tmp_path, 3)
    view = open_view(tmp_path / "ledger", [KEY])
    with pytest.raises(Misconfigured, match="already"):
        freeze(view, archive, lambda done, total: None)
    with pytest.raises(Misconfigured, match="can't be written"):
        freeze(view, tmp_path / "nowhere" / "a.tar", lambda done, total: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "ledger"]


def test_a_changed_ledger_is_not_archived(tmp_path: Path) -> None:
    directory = write_ledger(tmp_path / "ledger", 5)
    bundle = directory / "tile" / "entries" / "000.p" / "5"
    bundle.write_bytes(bundle.read_bytes().replace(b"glomar", b"Glomar", 1))
    with pytest.raises(IntegrityError, match="root"):
        freeze(open_view(directory, [KEY]), tmp_path / "a.tar", lambda done, total: None)
    assert not (tmp_path / "a.tar").exists()


def test_every_flipped_byte_and_every_truncation_of_an_archive_is_found(tmp_path: Path) -> None:
    content = frozen(tmp_path, 2).read_bytes()
    broken = tmp_path / "broken.tar"
    # Blocks of zeros at the end of a tar are as good as any one of them: one step in 97 meets every part.
    for number, place in enumerate(range(0, len(content), 97)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        for changed in (bytes(flipped), content[:place]):
            broken.write_bytes(changed)
            with pytest.raises(GlomarError) as fault:
                checked(broken, tmp_path / f"{number}-{len(changed)}")
            assert fault.value.exit_code == 6, place


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "tile/0/../../x", "journal", "tile/entries/0"])
def test_an_archive_with_files_of_no_ledger_is_not_unpacked(tmp_path: Path, name: str) -> None:
    archive, scratch = tmp_path / "a.tar", tmp_path / "scratch"
    scratch.mkdir()
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(IntegrityError, match="not a file of a ledger"):
        thaw(archive, scratch)
    assert list(scratch.iterdir()) == []


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    archive, scratch = tmp_path / "a.tar", tmp_path / "scratch"
    scratch.mkdir()
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("checkpoint")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(IntegrityError, match="not a file of a ledger"):
        thaw(archive, scratch)

"""A file that is replaced while a service runs: the whole new file is read, or the old value stays."""

from pathlib import Path

import pytest
from glomar_schemas.errors import Malformed
from glomar_verifier.readers.reloading import Reloading


def read(path: Path) -> str:
    text = path.read_text()
    if "bad" in text:
        raise Malformed("bad", where="line 1")
    return text


def put(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def test_without_a_file_the_absent_value_is_in_force(path: Path) -> None:
    found = Reloading(path, read, "nothing")
    found.refresh()
    assert found.value == "nothing"


def test_a_file_that_comes_later_or_is_replaced_is_read(path: Path) -> None:
    found = Reloading(path, read, "nothing")
    for text in ("one", "two"):
        put(path, text)
        found.refresh()
        assert found.value == text


def test_a_file_is_read_once_while_it_stays_the_same(path: Path) -> None:
    times: list[Path] = []
    put(path, "one")
    found = Reloading(path, lambda place: times.append(place) or "read", "")  # type: ignore[func-returns-value]
    for _ in range(3):
        found.refresh()
    assert times == [path]


def test_a_bad_file_is_refused_whole_and_reported_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(path, "one")
    found = Reloading(path, read, "")
    put(path, "two, bad")
    for _ in range(3):
        found.refresh()
    assert found.value == "one"
    assert [record.__dict__["fault"] for record in caplog.records] == ["line 1: bad"]
    put(path, "three")
    found.refresh()
    assert found.value == "three"


def test_a_bad_file_at_the_start_is_an_error(path: Path) -> None:
    put(path, "bad")
    with pytest.raises(Malformed):
        Reloading(path, read, "")


def test_a_file_that_changes_while_it_is_read_is_not_taken(path: Path) -> None:
    put(path, "one")
    busy = True

    def interrupted(place: Path) -> str:
        text = read(place)
        if busy and text != "one":
            place.write_text(text + " and more")
        return text

    found = Reloading(path, interrupted, "")
    put(path, "two")
    found.refresh()
    assert found.value == "one"
    busy = False
    found.refresh()
    assert found.value == "two and more"


def test_a_file_that_goes_away_changes_nothing(path: Path) -> None:
    put(path, "one")
    found = Reloading(path, read, "nothing")
    path.unlink()
    found.refresh()
    assert found.value == "one"

"""Files written whole or not at all."""

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_schemas.files import create, replace, replacing, replacing_text, require_distinct


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_new_content_takes_the_old_ones_place_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"old")
    replace(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_text_keeps_the_line_ends_that_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with replacing_text(path, mode=0o640) as file:
        file.write("é\r\nb\n")
    assert (path.read_bytes(), mode(path)) == ("é\r\nb\n".encode(), 0o640)


def test_an_error_leaves_the_old_content_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), replacing_text(path) as text:
        text.write("half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_disk_is_reported_with_the_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "list.csv"
    monkeypatch.setattr(os, "fsync", full)
    for write in (replace, create):
        with pytest.raises(Misconfigured, match=r"list.csv: can't be written \(No space left on device\)"):
            write(path, b"new")
        assert not list(tmp_path.iterdir())


def test_the_content_is_durable_before_its_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        steps.append("sync directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        steps.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    replace(tmp_path / "list.csv", b"new")
    assert steps == ["sync file", "name", "sync directory"]


def test_a_link_in_the_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "list.csv"
    other.write_bytes(b"other")
    path.symlink_to(other)
    with pytest.raises(Misconfigured, match="there is a file already"):
        create(path, b"new")
    replace(path, b"new")
    assert (other.read_bytes(), path.read_bytes(), path.is_symlink()) == (b"other", b"new", False)


def test_a_new_file_never_overwrites_an_existing_one(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"old")
    with pytest.raises(Misconfigured, match="there is a file already"):
        create(path, b"new")
    with pytest.raises(Misconfigured, match="there is a file already"), replacing(path, new=True):
        pytest.fail("it is refused before anything is written")
    path.unlink()
    with pytest.raises(Misconfigured, match="there is a file already"), replacing(path, new=True) as file:
        file.write(b"new")
        path.write_bytes(b"came in between")
    assert path.read_bytes() == b"came in between"
    assert list(tmp_path.iterdir()) == [path]


def test_the_draft_of_a_killed_process_goes_at_the_next_write_and_that_of_a_living_one_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list[1].csv"
    code = (
        "import os, signal, sys; from pathlib import Path; from glomar_schemas.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as file:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    [abandoned] = tmp_path.iterdir()

    with replacing(path) as file:
        file.write(b"first")
        [own] = tmp_path.iterdir()
        replace(path, b"second")
        assert own.exists() and not abandoned.exists()
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_one_file_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    (other := tmp_path / ".list.csv.mine.draft").write_bytes(b"not ours")
    contents = [bytes([letter]) * 1_000 for letter in b"abcd"]
    with ThreadPoolExecutor() as pool:
        for write in [pool.submit(replace, path, content) for content in contents * 50]:
            write.result()
    assert path.read_bytes() in contents
    assert sorted(tmp_path.iterdir()) == [other, path]


def test_an_output_is_never_an_input_or_something_else_than_a_file(tmp_path: Path) -> None:
    path, link, pipe = tmp_path / "list.csv", tmp_path / "link.csv", tmp_path / "pipe"
    path.write_bytes(b"input")
    link.symlink_to(path)
    os.mkfifo(pipe)
    for other in (path, link):
        with pytest.raises(Misconfigured, match="the output would overwrite it"):
            require_distinct(other, tmp_path / "absent", path)
    require_distinct(tmp_path / "new.csv", path, link)
    with pytest.raises(Misconfigured, match="is not a regular file"):
        replace(pipe, b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is a directory"):
        replace(tmp_path, b"new")

"""Who holds a data directory is known for certain, also after a supervisor was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from glomar_local.layout import Layout
from glomar_local.ports import consecutive
from glomar_local.system import runfile
from glomar_schemas.errors import Misconfigured


def test_a_directory_is_held_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)

    with runfile.claim(layout):
        runfile.write(layout, runfile.Run(pids={"supervisor": 4711}, ports=consecutive(), started_at=""))
        assert runfile.in_use(layout)
        assert runfile.is_supervised(layout)
        with pytest.raises(Misconfigured, match="in use by process 4711"), runfile.claim(layout):
            pass

    assert not runfile.in_use(layout)
    assert runfile.read(layout) is None


def test_a_directory_is_in_use_while_a_child_lives(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with runfile.claim(layout) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock])

    assert runfile.in_use(layout)
    assert not runfile.is_supervised(layout)
    with pytest.raises(Misconfigured, match="in use"), runfile.claim(layout):
        pass

    child.communicate(b"\n")
    assert not runfile.in_use(layout)


def test_a_run_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    run = runfile.Run(pids={"supervisor": 1, "auditor": 2}, ports=consecutive(), started_at="now")

    runfile.write(layout, run)

    assert runfile.read(layout) == run


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_process_is_ours_only_if_its_command_line_names_the_directory(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "input()", str(tmp_path / "auditor.toml")], stdin=subprocess.PIPE
    )
    deadline = time.monotonic() + 5
    while not runfile.is_ours(child.pid, Layout(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert runfile.is_ours(child.pid, Layout(tmp_path))
    assert not runfile.is_ours(child.pid, Layout(tmp_path / "other"))
    assert not runfile.is_ours(os.getpid(), Layout(tmp_path))
    child.communicate(b"\n")

"""The list of requests that wait under a hold."""

from pathlib import Path

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_verifier.decisions.held_requests import Held, Waiting


def test_what_waits_for_no_hold_in_force_is_resumable_oldest_first(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    waiting.add([Held(9, 2, 90), Held(7, 2, 70), Held(8, 3, 80)])

    assert waiting.resumable([2, 3], 10) == []
    assert waiting.resumable([3], 10) == [Held(7, 2, 70), Held(9, 2, 90)]
    assert waiting.resumable([], 2) == [Held(7, 2, 70), Held(8, 3, 80)]


def test_a_request_held_again_keeps_the_time_since_when_it_waits(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    waiting.add([Held(7, 2, 70)])
    waiting.add([Held(7, 5, 99)])

    assert waiting.resumable([2], 10) == [Held(7, 5, 70)]
    assert waiting.resumable([5], 10) == []


def test_the_list_outlives_the_process(tmp_path: Path) -> None:
    first = Waiting(tmp_path / "waiting.db")
    first.add([Held(n, 2, n) for n in range(1, 6)])
    first.remove([2, 4])
    first.close()

    again = Waiting(tmp_path / "waiting.db")

    assert [held.sequence for held in again.resumable([], 10)] == [1, 3, 5]
    assert len(again) == 3


def test_a_file_that_is_no_list_is_said(tmp_path: Path) -> None:
    (tmp_path / "waiting.db").write_bytes(b"no database" * 100)

    with pytest.raises(Misconfigured, match="waiting requests"):
        Waiting(tmp_path / "waiting.db")

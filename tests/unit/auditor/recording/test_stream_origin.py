"""When a ledger's stream was made: written once, and nothing else is believed."""

from pathlib import Path

import pytest
from glomar_auditor.recording.stream_origin import OriginFile
from glomar_schemas.errors import IntegrityError

CREATED = "2026-11-26T19:03:01.471250911Z"


def test_it_is_found_again_after_a_start(tmp_path: Path) -> None:
    first = OriginFile(tmp_path, "S_1")
    assert first.created == ""
    first.note(CREATED)
    assert first.created == CREATED
    assert OriginFile(tmp_path, "S_1").created == CREATED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"version":1,"stream":"S_2","created":"2026-11-26T19:03:01Z"}',
        b'{"version":1,"stream":"S_1","created":1}',
        b'{"version":1,"stream":"S_1","created":"2026-11-26T19:03:01Z","more":1}',
    ],
)
def test_what_says_something_else_is_an_integrity_failure_that_names_the_file(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "stream.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"stream\.json"):
        OriginFile(tmp_path, "S_1")

"""What the stream stored for the verifier is noted, across restarts too, and checked against the ledger."""

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_schemas.publish import SUBJECT_TAKEN, Outgoing
from glomar_schemas.subjects import BATCH_COMMIT, Subjects
from glomar_schemas.tlog.inclusion_watch import InclusionStatus, Publication
from glomar_schemas.tlog.leaf import Leaf
from glomar_verifier.decisions.ledger_watch import VerifierLedgerWatch, open_ledger_watch
from glomar_verifier.decisions.store_verdicts import store_verdicts
from glomar_verifier.settings import VerifierSettings

from tests.support.published_ledger import OPENED, ORIGIN, extend

BODIES = [b"one", b"two", b"three"]
VERDICTS = [Outgoing(f"glomar.a.verdict.r.{body.decode()}", body, {}) for body in BODIES]
LOG = [Leaf(n, n, each.subject, sha256(each.body).digest()) for n, each in enumerate(VERDICTS, 1)]


def opened(folder: Path) -> VerifierLedgerWatch:
    return VerifierLedgerWatch(folder / "own.db", Publication(str(folder / "ledger"), 0.01), ORIGIN, OPENED)


async def status_of(own: VerifierLedgerWatch) -> InclusionStatus:
    """After the first complete check."""
    watching = asyncio.create_task(own.watch())
    async with asyncio.timeout(30):
        while own.status.checked_at is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return own.status


def test_what_was_acknowledged_is_looked_for_after_a_restart(tmp_path: Path) -> None:
    changed = [*LOG[:2], Leaf(3, 3, LOG[2].subject, bytes(32))]
    extend(tmp_path / "ledger", changed, 3)
    own = opened(tmp_path)
    own.on_stored([1, 3], [VERDICTS[0], VERDICTS[2]])
    own.close()

    again = opened(tmp_path)
    found = asyncio.run(status_of(again))
    again.close()

    assert (found.state, found.absent_sequences) == ("alert", (3,))


def test_what_is_stored_while_it_watches_is_checked(tmp_path: Path) -> None:
    extend(tmp_path / "ledger", [Leaf(1, 1, "glomar.a.control.1", bytes(32)), *LOG[1:]], 3)
    own = opened(tmp_path)
    own.on_stored([1, 2, 3], VERDICTS)
    found = asyncio.run(status_of(own))
    own.close()

    assert (found.state, found.absent_sequences) == ("alert", (1,))


class Stream:
    """Stores messages singly or as a batch; or refuses batches."""

    def __init__(self, *, stores_batches: bool, taken: str = "") -> None:
        self._stores_batches, self._taken = stores_batches, taken
        self._last = 0

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self._last += self._stores_batches

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109
        old_style: bool = False,
        headers: Mapping[str, Any] | None = None,
    ) -> Any:
        is_batch = BATCH_COMMIT in (headers or {})
        if (is_batch and not self._stores_batches) or subject == self._taken:
            return SimpleNamespace(
                data=json.dumps({"error": {"code": 400, "err_code": SUBJECT_TAKEN}}).encode()
            )
        self._last += 1
        count = len(VERDICTS) if is_batch else 1
        return SimpleNamespace(data=json.dumps({"stream": "S", "seq": self._last, "count": count}).encode())


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (Stream(stores_batches=True), [(1, "one"), (2, "two"), (3, "three")]),
        (Stream(stores_batches=False), [(1, "one"), (2, "two"), (3, "three")]),
        (Stream(stores_batches=False, taken=VERDICTS[1].subject), [(1, "one"), (2, "three")]),
    ],
    ids=["batch", "singles", "a subject that is taken"],
)
def test_each_stored_message_is_reported_with_its_sequence(
    stream: Stream, expected: list[tuple[int, str]]
) -> None:
    reported: list[tuple[int, str]] = []

    def on_stored(sequences: Any, messages: Any) -> None:
        reported.extend(zip(sequences, (each.body.decode() for each in messages), strict=True))

    stand = asyncio.run(
        store_verdicts(stream, VERDICTS, "glomar.a.control.2", first_time=True, on_stored=on_stored)
    )

    assert stand == [True] * 3
    assert reported == expected


def settings(folder: Path, **more: Any) -> VerifierSettings:
    paths = ("nkey", "agreement", "trust", "signing_key", "epochs", "custodian_a", "custodian_b")
    files = (*paths, "tag_key", "register", "counts", "waiting")
    given: dict[str, Any] = {"http_port": 1, **{name: folder / name for name in files}, **more}
    return VerifierSettings(**given)


def test_without_a_url_nothing_is_noted(tmp_path: Path) -> None:
    assert open_ledger_watch(settings(tmp_path), _never, Subjects("a"), _never) is None  # type: ignore[arg-type]


def test_a_url_without_a_file_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="own_messages"):
        open_ledger_watch(settings(tmp_path, ledger_url="http://a/log"), _never, Subjects("a"), _never)  # type: ignore[arg-type]


def test_a_file_that_is_none_of_its_own_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "own.db").write_bytes(b"something else" * 100)

    with pytest.raises(Misconfigured, match=r"own\.db"):
        opened(tmp_path)


def _never() -> Any:
    raise AssertionError("it is not needed")

"""A file of requests from start to end, on a bus of the tests' own."""

import asyncio
import csv
import json
from pathlib import Path

import pytest
from glomar_requester.files.read_requests import BadRow
from glomar_requester.files.result_file import open_results
from glomar_requester.files.submit import Submission, Summary
from glomar_schemas.errors import Malformed, Misconfigured

from tests.unit.requester.test_client import Harness

HEADER = "reference,last_name,date_of_birth,officer_id"
BAD = "R-bad,Ferreira,yesterday,OFF-001"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "store.db")


class Run:
    """What one run of `submit` gave."""

    def __init__(
        self, harness: Harness, source: Path, out: Path | None = None, *, timeout_s: float = 5.0
    ) -> None:
        self.bad: list[BadRow] = []
        self.steps: list[tuple[int, int]] = []
        self.summary = asyncio.run(self._run(harness, source, out, timeout_s))

    async def _run(self, harness: Harness, source: Path, out: Path | None, timeout_s: float) -> Summary:
        async with harness.client() as client:
            with open_results(out, quiet=True) as writer:
                submission = Submission(client, source, writer, self.bad.append)
                return await submission.run(
                    wait=True, timeout_s=timeout_s, advance=lambda *step: self.steps.append(step)
                )


def file_of(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def good(count: int) -> list[str]:
    return [f"R-{number},Ferreira,1984-02-29,OFF-001" for number in range(count)]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_has_one_result(harness: Harness, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    run = Run(harness, file_of(tmp_path / "requests.csv", *good(450)), out)
    rows = read_csv(out)
    assert sorted(row["reference"] for row in rows) == sorted(f"R-{number}" for number in range(450))
    assert {(row["outcome"], row["receipt_ok"], row["refusals"]) for row in rows} == {("confirm", "true", "")}
    assert (run.summary.version, run.summary.rows, run.summary.confirm) == (1, 450, 450)
    assert run.steps[-1] == (450, 451)


def test_results_have_the_columns_of_the_protocol(harness: Harness, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    Run(harness, file_of(tmp_path / "requests.csv", *good(1)), out)
    assert out.read_text().splitlines()[0] == (
        "reference,request_id,outcome,refusals,sequence,trace_id,receipt_ok"
    )


def test_a_bad_row_is_reported_and_rejected_and_the_other_rows_are_sent(
    harness: Harness, tmp_path: Path
) -> None:
    out = tmp_path / "results.csv"
    run = Run(harness, file_of(tmp_path / "requests.csv", *good(2), BAD, *good(2)[:1]), out)
    assert [str(row) for row in run.bad] == ["line 4: date_of_birth: not a day as 2025-03-04"]
    rejected = [row for row in read_csv(out) if row["outcome"] == "rejected"]
    assert [(row["reference"], row["request_id"], row["receipt_ok"]) for row in rejected] == [
        ("R-bad", "", "false")
    ]
    assert (run.summary.confirm, run.summary.rejected, run.summary.bad_rows) == (3, 1, 1)


def test_the_same_file_again_asks_nothing_and_writes_the_same(harness: Harness, tmp_path: Path) -> None:
    source = file_of(tmp_path / "requests.csv", *good(20))
    Run(harness, source, tmp_path / "one.csv")
    sent = len(harness.bus.sent)
    Run(harness, source, tmp_path / "two.csv")
    assert len(harness.bus.sent) == sent
    one, two = (sorted((tmp_path / name).read_text().splitlines()) for name in ("one.csv", "two.csv"))
    assert one == two


def test_two_rows_that_say_the_same_are_two_requests(harness: Harness, tmp_path: Path) -> None:
    Run(harness, file_of(tmp_path / "requests.csv", *good(1), *good(1)))
    assert len(harness.bus.stream) == 2


def test_unanswered_rows_are_written_as_such(harness: Harness, tmp_path: Path) -> None:
    harness.bus.answering = False
    out = tmp_path / "results.csv"
    run = Run(harness, file_of(tmp_path / "requests.csv", *good(3)), out, timeout_s=0.2)
    assert [row["outcome"] for row in read_csv(out)] == ["unanswered"] * 3
    assert all(row["request_id"] for row in read_csv(out))
    assert run.summary.unanswered == 3


def test_an_answer_that_fails_its_checks_is_named_in_the_summary(harness: Harness, tmp_path: Path) -> None:
    harness.bus.pushes = False
    harness.bus.spoil = lambda raw: b"{}"
    run = Run(harness, file_of(tmp_path / "requests.csv", *good(2)), timeout_s=10)
    assert run.summary.fault
    assert (run.summary.unanswered, run.summary.confirm) == (2, 0)


def test_ndjson_in_and_out(harness: Harness, tmp_path: Path) -> None:
    source, out = tmp_path / "requests.ndjson", tmp_path / "results.ndjson"
    source.write_text('{"reference": "R-1", "officer_id": "OFF-001"}\n{"nobody": 1}\n')
    Run(harness, source, out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(row["outcome"] for row in rows) == ["confirm", "rejected"]


def test_results_are_for_their_owner_alone_and_named_when_complete(harness: Harness, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    Run(harness, file_of(tmp_path / "requests.csv", *good(1)), out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))


def test_an_unreadable_file_asks_nothing_and_leaves_no_results(harness: Harness, tmp_path: Path) -> None:
    source, out = tmp_path / "requests.csv", tmp_path / "results.csv"
    source.write_bytes((HEADER + "\n" + "\n".join(good(500))).encode() + b"\nR,N\xfa\xf1ez,,\n")
    with pytest.raises(Malformed, match="line 502: not UTF-8") as caught:
        Run(harness, source, out)
    assert str(source) in str(caught.value)
    assert not harness.bus.stream
    assert not out.exists()


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_is_not_there_is_a_mistake_of_the_caller(
    harness: Harness, tmp_path: Path, name: str
) -> None:
    with pytest.raises(Misconfigured):
        Run(harness, tmp_path / name)


def test_an_empty_file_with_a_header_is_no_fault(harness: Harness, tmp_path: Path) -> None:
    assert Run(harness, file_of(tmp_path / "requests.csv")).summary.rows == 0

"""The product's requester: the real client in a process of its own, with spans.

    python -m tests.bench.requester REQUESTER_TOML ROWS

The client verifies every answer (signature, receipt, checkpoint); it is compared with the generator's truth.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop
from glomar_requester.ask import Question
from glomar_requester.client import Client
from glomar_requester.service.otel_tracing import OtelTracing
from glomar_requester.settings import RequesterSettings
from glomar_requester.verification.release import Result
from glomar_runtime.service import tune_garbage_collector
from glomar_runtime.settings import load_settings
from glomar_runtime.telemetry import spans as telemetry
from glomar_schemas.request_file import COLUMNS, Ask, parse_ask

from tests.bench.commands import serve_commands
from tests.bench.figures import Failed

TIMEOUT_S = 120.0


class ProductRequester:
    """Sends requests as `glomar-requester submit --wait` does: with keys, so that no row is sent twice."""

    def __init__(self, client: Client, rows: list[dict[str, str]]) -> None:
        self._client = client
        self._questions = [Question(_ask(row), key=f"bench:{row['reference']}") for row in rows]
        self._truth = {row["reference"]: row["truth"] for row in rows}

    async def ask(self, number: int) -> int:
        question = self._questions[number]
        result = await self._client.ask(question.ask, timeout_s=TIMEOUT_S, key=question.key)
        return self._is_wrong(result)

    async def ask_all(self, numbers: range) -> int:
        questions: Iterator[Question] = (self._questions[number] for number in numbers)
        answers = wrong = 0
        async for result in self._client.ask_many(questions, timeout_s=TIMEOUT_S):
            answers += 1
            wrong += self._is_wrong(result)
        if answers != len(numbers):
            raise Failed(f"{answers} answers to {len(numbers)} requests")
        return wrong

    def _is_wrong(self, result: Result) -> int:
        """1 or 0. Raises Failed for a request without a verified answer."""
        if result.outcome == "unanswered" or not result.receipt_ok:
            raise Failed(f"{result.reference} has no verified answer")
        outcome, _, conditions = self._truth[result.reference].partition(":")
        refusals = ";".join(refusal.condition for refusal in result.refusals)
        return int((result.outcome, refusals) != (outcome, conditions))


def _ask(row: dict[str, str]) -> Ask:
    found = parse_ask({column: row[column] for column in COLUMNS})
    if not isinstance(found, Ask):
        raise Failed(f"{row['reference']} is no valid request: {found}")
    return found


async def main(config: Path, rows: list[dict[str, str]]) -> None:
    profile = load_settings(RequesterSettings, config).profile()
    provider = telemetry.set_up("glomar-requester-client", dict(os.environ))
    try:
        async with Client.connect(
            profile, tracing=lambda subjects: OtelTracing(telemetry.Spans(subjects))
        ) as client:
            await serve_commands(ProductRequester(client, rows))
    finally:
        provider.shutdown()


if __name__ == "__main__":
    rows = msgspec.json.Decoder(dict[str, str]).decode_lines(Path(sys.argv[2]).read_bytes())
    tune_garbage_collector()
    uvloop.run(main(Path(sys.argv[1]), rows))

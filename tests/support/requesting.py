"""Requests as an agency's own system sends them: the client, on the files of a data directory."""

import asyncio
import csv
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_requester import Ask, Client, Profile, Question, Result
from glomar_requester.settings import RequesterSettings
from glomar_runtime.settings import load_settings
from glomar_schemas.request_file import COLUMNS, parse_ask
from msgspec.structs import replace

LIMIT_S = 300.0


def profile(layout: Layout, store: Path) -> Profile:
    """The agency's profile, with the store at that path."""
    settings = load_settings(RequesterSettings, layout.settings("requester"))
    return replace(settings.profile(), store=store)


def read_results(file: Path) -> list[dict[str, str]]:
    """The rows of a results file."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def ask_all(used: Profile, asks: Sequence[Ask]) -> list[Result]:
    """The results, in the order of the requests."""

    async def run() -> list[Result]:
        async with Client.connect(used) as client:
            questions = [Question(each, key=f"test:{n}") for n, each in enumerate(asks)]
            found = {r.reference: r async for r in client.ask_many(questions, timeout_s=LIMIT_S)}
            return [found[each.reference] for each in asks]

    return asyncio.run(run())


class BackgroundRequests(threading.Thread):
    """Sends requests in the background, until every answer is there."""

    def __init__(self, used: Profile, asks: Sequence[Ask], limit_s: float = 300) -> None:
        super().__init__(daemon=True)
        self._used, self._asks, self._limit_s = used, asks, limit_s
        self.results: list[Result] = []

    def run(self) -> None:
        async def ask() -> None:
            async with Client.connect(self._used) as client:
                questions = [Question(each, key=f"{n}") for n, each in enumerate(self._asks)]
                async for result in client.ask_many(questions, timeout_s=self._limit_s):
                    self.results.append(result)

        asyncio.run(ask())


@cache
def rows(number: int = 200) -> list[dict[str, str]]:
    """Request rows about the synthetic people of `glomar up`, each with its `truth` and `klass`."""
    return population.make_requests(number, population.today())


def to_ask(row: dict[str, str]) -> Ask:
    ask = parse_ask({column: row[column] for column in COLUMNS if column in row})
    assert isinstance(ask, Ask), ask
    return ask


def confirmable(number: int) -> list[Ask]:
    """Lawful requests about people who are in the register."""
    found = [to_ask(row) for row in rows() if row["truth"] == "confirm"][:number]
    assert len(found) == number
    return found

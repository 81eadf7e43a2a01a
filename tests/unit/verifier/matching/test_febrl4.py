"""FEBRL 4, 5,000 people and their noisy copies: a floor for precision. Recall is a figure, not a goal:
their copies have other postcodes and house numbers, so other addresses (docs/explanation/matching.md)."""

from collections.abc import Iterator
from datetime import date

import pytest
from glomar_verifier.matching.match import Candidates, Query, decide, gates
from glomar_verifier.register.sqlite import SqliteRegister

from tests.support import febrl4
from tests.support.registers import RULES, has_complete_address, opened, query

TODAY = date(2025, 6, 1)

Requested = list[tuple[dict[str, str], Query, Candidates]]


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteRegister]:
    found = opened(tmp_path_factory.mktemp("febrl4"), febrl4.register_rows(), "au")
    yield found
    found.close()


@pytest.fixture(scope="module")
def requested(register: SqliteRegister) -> Requested:
    rows = list(febrl4.request_rows(TODAY))
    queries = [query(row, form="au") for row in rows]
    return [(row, here, register.candidates(here)) for row, here in zip(rows, queries, strict=True)]


def test_there_are_5000_requests_and_their_sufficiency_is_ours_to_judge(
    requested: Requested,
) -> None:
    assert len(requested) == 5_000
    for row, _, _ in requested:
        if row["klass"] == "sufficient":
            assert has_complete_address(row, "au")


def test_nobody_is_confirmed_as_someone_else(requested: Requested) -> None:
    for row, here, found in requested:
        if decide(found, here, RULES).outcome == "confirm":
            passing = {record.person_id for record in found.records if not gates(here, record, RULES)}
            assert passing == {row["truth"]}


def test_nobody_is_confirmed_who_is_not_in_the_register(
    requested: Requested,
) -> None:
    for row, here, found in requested:
        others = tuple(record for record in found.records if record.person_id != row["truth"])
        assert decide(Candidates(others), here, RULES).outcome == "deny"


def test_nearly_half_of_the_sufficient_ones_are_confirmed(requested: Requested) -> None:
    sufficient = [(here, found) for row, here, found in requested if row["klass"] == "sufficient"]
    confirmed = sum(decide(found, here, RULES).outcome == "confirm" for here, found in sufficient)
    assert confirmed / len(sufficient) >= 0.48

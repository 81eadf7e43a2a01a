"""Address fishing: 50 addresses for one person, under each spelling of the name, over a kill, two workers."""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from anyascii import anyascii
from glomar_evaluation.synth.requests import case_and_officer
from glomar_local import ports
from glomar_requester import Ask, Client, Profile, Question, Result
from msgspec.structs import replace

from tests.faults.submission import answered
from tests.support.polling import until
from tests.support.requesting import profile, rows, to_ask
from tests.support.service_processes import Processes

ADDRESSES = 50
LIMIT_S = 300.0
SECOND = "verifier-2"


@pytest.fixture
def two_verifiers(processes: Processes) -> Processes:
    """Both with one file of counts."""
    processes.start_all()
    waiting = processes.system.layout.waiting.with_name("waiting-2.db")
    processes.start_beside("verifier", SECOND, ports.free().verifier, waiting=str(waiting))
    processes.until_ready(SECOND)
    return processes


def confirmable_rows() -> list[dict[str, str]]:
    return [row for row in rows(600) if row["klass"] == "true"]


def victim() -> dict[str, str]:
    return next(
        row for row in confirmable_rows() if " " in row["last_name"] and not row["last_name"].isascii()
    )


def addresses_of_others(number: int) -> list[Ask]:
    """All different, each of a household of the register."""
    others = [
        to_ask(row) for row in confirmable_rows() if row["street_number"] and row["zip"] != victim()["zip"]
    ]
    found = {(each.street_number, each.street_name, each.unit, each.zip): each for each in others}
    assert len(found) >= number
    return list(found.values())[:number]


def spellings(last_name: str) -> dict[str, list[str]]:
    """Tag -> spellings with that tag. The record holder takes each for the person's own name."""
    first, second = last_name.split()
    return {
        "whole": [last_name, anyascii(last_name).upper()],
        "swapped": [f"{second} {first}"],
        "first": [first],
        "second": [second.lower()],
        "joined": [f"{first}{second}"],
    }


def other_people(number: int, away_from: Sequence[Ask]) -> list[Ask]:
    """People of other places, with names long enough for slips and with a birth date."""
    zips = {victim()["zip"], *(each.zip for each in away_from)}
    rows = (row for row in confirmable_rows() if row["date_of_birth"] and len(row["first_name"]) > 4)
    found = [to_ask(row) for row in rows if row["last_name"].isalpha() and len(row["last_name"]) > 5]
    others = {each.last_name: each for each in found if each.zip not in zips and each.street_number}
    assert len(others) >= number
    return list(others.values())[:number]


def slip(name: str, at: int) -> str:
    """Inserts a q, which no name has there: one edit from the name, and two from its other slips."""
    return f"{name[:at]}q{name[at:]}"


def misspelt(person: Ask) -> list[Ask]:
    """The record holder takes each for the person's own name; the last four because the birth date agrees."""
    first, last = person.first_name, person.last_name
    undated = replace(person, date_of_birth=None)
    return [
        replace(undated, last_name=slip(last, 1)),
        replace(undated, last_name=slip(last, 3)),
        replace(undated, first_name=slip(first, 2)),
        replace(person, first_name=slip(first, 1), last_name=slip(last, 4)),
        replace(person, last_name=slip(slip(last, 4), 2)),
        replace(person, first_name=last, last_name=first),
        replace(person, first_name=slip(last, 2), last_name=slip(first, 3)),
    ]


def request_at(person: Ask, address: Ask, last_name: str, number: int) -> Ask:
    """A request about the person at that address, with another officer, case and reason each time."""
    case_id, officer_id = case_and_officer(number)
    return replace(
        person,
        reference=f"F-{number}",
        last_name=last_name,
        street_number=address.street_number,
        street_name=address.street_name,
        unit=address.unit,
        po_box=address.po_box,
        city=address.city,
        state=address.state,
        zip=address.zip,
        officer_id=officer_id,
        case_id=case_id,
        reason=f"In case {number} the address of those years decides where to serve the warrant.",
    )


def ask_all(used: Profile, asks: Sequence[Ask]) -> dict[str, Result]:
    async def run() -> dict[str, Result]:
        async with Client.connect(used) as client:
            questions = [Question(each, key=each.reference) for each in asks]
            return {r.reference: r async for r in client.ask_many(questions, timeout_s=LIMIT_S)}

    return asyncio.run(run())


def outcomes_of(used: Profile, *asks: Ask) -> list[str]:
    """Of requests that are open at the same time, so no order among them is expected."""
    results = ask_all(used, asks)
    return [outcome(results[ask.reference]) for ask in asks]


def outcome(result: Result) -> str:
    return ";".join(refusal.condition for refusal in result.refusals) or result.outcome


def test_the_limits_hold_exactly_for_every_spelling_and_with_two_verifiers(
    two_verifiers: Processes, tmp_path: Path
) -> None:
    limits = two_verifiers.system.agreement.limits
    assert limits.addresses_per_name and limits.addresses_per_person
    person, decoys = to_ask(victim()), addresses_of_others(ADDRESSES - 1)
    written = spellings(person.last_name)
    pairs = [(tag, name, address) for tag, names in written.items() for name in names for address in decoys]
    random.Random(6103).shuffle(pairs)
    asks = [request_at(person, address, name, n) for n, (_, name, address) in enumerate(pairs, 1)]
    used = profile(two_verifiers.system.layout, tmp_path / "store.db")
    within, beyond = other_people(2, decoys[: limits.addresses_per_person])
    few = limits.addresses_per_person - 1
    spread = [(who, decoys[:many]) for who, many in ((within, few), (beyond, few + 1))]
    slips = [
        request_at(misspelt(who)[n % 7], address, misspelt(who)[n % 7].last_name, number + n)
        for (who, addresses), number in zip(spread, (600, 700), strict=True)
        for n, address in enumerate(addresses)
    ]

    with ThreadPoolExecutor(1) as thread:
        fishing: Future[dict[str, Result]] = thread.submit(ask_all, used, [*asks, *slips])
        until(lambda: answered(used.store) >= 20, "some requests are answered")
        two_verifiers.kill("verifier")
        two_verifiers.start("verifier")
        results = fishing.result()

    outcomes = [outcome(results[ask.reference]) for ask in asks]
    assert set(outcomes) == {"deny", "L9a"}
    for tag, names in written.items():
        reached = [
            (name, address)
            for (t, name, address), got in zip(pairs, outcomes, strict=True)
            if t == tag and got == "deny"
        ]
        assert len({address for _, address in reached}) == limits.addresses_per_name, tag
        if len(names) == 1:
            assert len(reached) == limits.addresses_per_name, tag

    assert {outcome(results[ask.reference]) for ask in slips} == {"deny"}
    tenth = request_at(within, within, slip(within.last_name, 2), 800)
    assert outcomes_of(used, tenth) == ["confirm"]
    eleventh = [
        request_at(within, decoys[few], within.last_name, 801),
        request_at(beyond, beyond, slip(beyond.last_name, 2), 802),
        request_at(beyond, beyond, beyond.last_name, 803),
    ]
    assert outcomes_of(used, *eleventh) == ["deny"] * 3
    afterwards = request_at(within, within, slip(within.last_name, 5), 804)
    assert outcomes_of(used, afterwards) == ["deny"]

    again = [name for names in written.values() for name in names]
    unused = [f"{person.last_name} Zz{letter}quen" for letter in "abc"]
    final = [request_at(person, person, name, 1000 + n) for n, name in enumerate([*again, *unused])]
    assert outcomes_of(used, *final) == ["L9a"] * len(again) + ["deny"] * len(unused)

    two_verifiers.stop("verifier")
    alone = request_at(person, person, f"{person.last_name} Zzdquen", 2000)
    another = next(row for row in confirmable_rows() if row["last_name"] != person.last_name)
    assert outcomes_of(used, alone, to_ask(another)) == ["deny", "confirm"]

"""What the engine decides after a lookup: limits, veto and the one deny that they share."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from glomar_schemas.keys import read_secret
from glomar_verifier.decisions.decide import DecisionEngine
from glomar_verifier.holder_lists import veto
from glomar_verifier.matching.names import normal_name
from glomar_verifier.quotas.tags import Tagger

from tests.support.decision_engine import Deployment, about, stepping
from tests.support.registers import ANA, RULES

TWIN = {**ANA, "person_id": "P2", "unit": ""}
BOB = {**ANA, "person_id": "P3", "first_name": "Bob", "street_number": "7", "unit": ""}
TWO_BOBS = [BOB, {**BOB, "person_id": "P4"}]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "data", [ANA, *TWO_BOBS])


@pytest.fixture
def moment() -> datetime:
    """4 ms after a whole second, while the keys are valid."""
    return datetime.now(UTC).replace(microsecond=4_000)


@pytest.fixture
def engine(deployment: Deployment) -> Iterator[DecisionEngine]:
    with deployment.engine() as opened:
        yield opened


def at(number: int) -> str:
    """A house number that is not in the register."""
    return str(1000 + number)


def test_the_person_on_file_is_confirmed(deployment: Deployment, engine: DecisionEngine) -> None:
    assert deployment.ask(engine, [about()]) == ["confirm"]


def test_eleven_addresses_of_one_name_are_one_too_many(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    asks = [about(street_number=at(n)) for n in range(10)] + [about()]
    assert deployment.ask(engine, asks) == ["deny"] * 10 + ["L9a"]


def test_the_true_address_is_confirmed_as_the_tenth(deployment: Deployment, engine: DecisionEngine) -> None:
    asks = [about(street_number=at(n)) for n in range(9)] + [about()]
    assert deployment.ask(engine, asks) == ["deny"] * 9 + ["confirm"]


def test_addresses_in_other_cities_and_under_other_spellings_count_for_the_person(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    elsewhere: dict[str, object] = {"city": "Duluth", "state": "MN", "zip": "55802"}
    spellings = ["Garcia", "LÓPEZ", "López García", "Garcialopez", "García López Zapata"]
    asks = [about(street_number=at(n), last_name=spellings[n % 5], **elsewhere) for n in range(10)]
    assert deployment.ask(engine, asks) == ["deny"] * 10
    assert (
        deployment.ask(engine, [about(), about(last_name="Lopez"), about(last_name="García B.")])
        == ["deny"] * 3
    )


def test_addresses_count_for_the_person_under_every_slip_that_is_forgiven(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    """García López, and no two of the surnames are one edit from each other."""
    slips = ["Gqarcia", "Garcqia", "López Garciq", "Lopqez", "Garcia Lopezq"]
    unlike = [{"last_name": "Garcia Lopqeqz"}, {"first_name": "Anqaq"}, {"last_name": "Gqarcia Lopezq"}]
    asks = [about(street_number=at(n), **unlike[n % 3]) for n in range(30)]
    assert deployment.ask(engine, asks) == ["deny"] * 30
    asks = [about(street_number=at(n), last_name=slips[n % 5]) for n in range(9)]
    assert deployment.ask(engine, [*asks, about(last_name="Gaarcqia"), about(last_name="Garciqa")]) == (
        ["deny"] * 10 + ["confirm"]
    )
    assert deployment.ask(engine, [about(street_number=at(9), last_name="Garxcia")]) == ["deny"]
    assert (
        deployment.ask(engine, [about(), about(last_name="Garciqa"), about(last_name="Lopex")])
        == ["deny"] * 3
    )


def test_addresses_count_for_the_person_of_the_same_birth_date(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    born = date.fromisoformat(ANA["date_of_birth"])
    slips: list[dict[str, object]] = [
        {"last_name": "Garcqiq"},
        {"first_name": "Anqa", "last_name": "Garcqia"},
        {"first_name": "García", "last_name": "Ana"},
        {"first_name": "Lopxez", "last_name": "Ana"},
        {"last_name": "Garcqi Lopqez"},
    ]
    unlike = [about(street_number=at(n), date_of_birth=None, **slips[n % 2]) for n in range(12)]
    assert deployment.ask(engine, unlike) == ["deny"] * 12
    asks = [about(street_number=at(n), date_of_birth=born, **slips[n % 5]) for n in range(9)]
    assert deployment.ask(engine, [*asks, about(date_of_birth=born, **slips[0])]) == ["deny"] * 9 + [
        "confirm"
    ]
    assert deployment.ask(engine, [about(street_number=at(9), date_of_birth=born, **slips[1])]) == ["deny"]
    assert (
        deployment.ask(engine, [about(), *(about(date_of_birth=born, **slip) for slip in slips)])
        == ["deny"] * 6
    )


def test_a_name_that_can_not_be_counted_is_not_confirmed(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    long = "García López Qay Zin Wex Xor Kiq Yun Vob Jik Zef Qul Wuz Xad"
    assert deployment.ask(engine, [about(last_name=long[:20]), about(last_name=long)]) == ["confirm", "deny"]


def test_a_person_under_a_hold_waits_and_under_another_spelling_is_denied(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    tagger = Tagger(read_secret(deployment.system.layout.tag_key(deployment.system.agreement.holder)))
    spellings = ["Garcia", "López García", "Garcqia López", "Garcialopez"]
    for held in ("García López", "García", "López García", "Garcialopez"):
        tag = tagger.person("ice", normal_name("Ana", "", held, "", RULES))
        deployment.hold(f"person:{tag}")
        assert deployment.ask(engine, [about(last_name=held)]) == []
        others = [about(last_name=name) for name in spellings if name != held]
        assert set(deployment.ask(engine, others)) <= {"deny"}
    deployment.hold(f"person:{tagger.person('ice', normal_name('Eva', '', 'García López', '', RULES))}")
    assert deployment.ask(engine, [about()]) == ["confirm"]
    deployment.hold()
    assert deployment.ask(engine, [about(last_name=name) for name in spellings]) == ["confirm"] * 4


def test_other_people_of_a_like_name_do_not_count_for_the_person(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    others: list[dict[str, object]] = [
        {"last_name": "García Pérez"},
        {"first_name": "Anna"},
        {"last_name": "Lopes"},
    ]
    asks = [about(street_number=at(n), **others[n % 3]) for n in range(20)]
    assert deployment.ask(engine, asks) == ["deny"] * 20
    assert deployment.ask(engine, [about()]) == ["confirm"]


def test_what_was_refused_before_the_lookup_does_not_use_up_the_limit_of_the_person(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    refused = [about(street_number=at(n), last_name="López", statute="8 U.S.C. 1229a") for n in range(20)]
    assert deployment.ask(engine, refused)[:10] == ["L4"] * 10
    assert deployment.ask(engine, [about()]) == ["confirm"]


def test_a_redelivered_request_is_decided_as_the_first_time(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    first = deployment.requests([about()])
    assert [verdict.outcome for verdict in deployment.answers(engine, first)] == ["confirm"]
    deployment.ask(engine, [about(street_number=at(n), last_name="López") for n in range(10)])
    assert deployment.ask(engine, [about()]) == ["deny"]
    with deployment.engine() as after_a_restart:
        assert [verdict.outcome for verdict in deployment.answers(after_a_restart, first)] == ["confirm"]


def test_eleven_names_at_one_address_are_one_too_many(deployment: Deployment, engine: DecisionEngine) -> None:
    asks = [about(first_name=f"Zora{chr(97 + n)}") for n in range(11)]
    assert deployment.ask(engine, asks) == ["deny"] * 10 + ["L9b"]


def test_people_without_an_address_are_not_at_one_address(
    deployment: Deployment, engine: DecisionEngine
) -> None:
    asks = [about(first_name=f"Zora{chr(97 + n)}", street_name="", unit="") for n in range(11)]
    assert deployment.ask(engine, asks) == ["L2"] * 11


def test_a_case_may_be_asked_about_twenty_times(deployment: Deployment, engine: DecisionEngine) -> None:
    assert deployment.ask(engine, [about(case_id="C-1") for _ in range(21)]) == ["confirm"] * 20 + ["L9d"]


def test_an_officer_may_ask_three_hundred_times(deployment: Deployment, engine: DecisionEngine) -> None:
    asks = [about(case_id=f"C-{n // 2}") for n in range(301)]
    assert deployment.ask(engine, asks)[-2:] == ["confirm", "L9c"]
    assert deployment.ask(engine, [about(officer_id="OFF-002")]) == ["confirm"]


def test_a_vetoed_person_is_denied_from_the_day_on_and_another_is_not(
    deployment: Deployment, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    listed = deployment.system.layout.veto
    with deployment.engine() as engine:
        veto.write({"P3": today}, listed)
        assert deployment.ask(engine, [about()]) == ["confirm"]
        veto.write({"P1": today + timedelta(days=2)}, listed)
        assert deployment.ask(engine, [about()]) == ["confirm"]
        veto.write({"P1": today - timedelta(days=1)}, listed)
        assert deployment.ask(engine, [about()]) == ["deny"]
        veto.write({}, listed)
        assert deployment.ask(engine, [about()]) == ["confirm"]


def test_a_bad_list_leaves_the_old_one_in_force_and_is_logged_without_a_person(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    veto.write({"P1": datetime.now(UTC).date() - timedelta(days=1)}, deployment.system.layout.veto)
    with deployment.engine() as engine:
        deployment.system.layout.veto.write_text("person_id,since\nP1-canary,soon\n")
        assert deployment.ask(engine, [about()]) == ["deny"]
        assert deployment.ask(engine, [about()]) == ["deny"]
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "canary" not in f"{record.message} {record.__dict__}"


def test_no_match_ambiguous_veto_over_the_limit_are_one_deny_of_one_size(
    deployment: Deployment, moment: datetime
) -> None:
    # A time on a whole second has a shorter text.
    clock = partial(stepping, moment, 0, 1)
    with deployment.engine() as engine:
        no_match = about(first_name="Eva")
        ambiguous = about(TWO_BOBS[0])
        fished = [about(street_number=at(n), last_name="López") for n in range(10)]
        [confirm] = deployment.answers(engine, deployment.requests([about()]))
        deployment.ask(engine, fished)
        verdicts = deployment.answers(engine, deployment.requests([no_match, ambiguous, about()]), clock())
    veto.write({"P1": datetime.now(UTC).date() - timedelta(days=1)}, deployment.system.layout.veto)
    deployment.system.layout.counts.unlink()
    with deployment.engine() as engine:
        verdicts += deployment.answers(engine, deployment.requests([about()]), clock())
    assert [each.outcome for each in [confirm, *verdicts]] == ["confirm", "deny", "deny", "deny", "deny"]
    for each in verdicts:
        assert (each.answer.record_consulted, each.answer.refusals) == (True, ())
    assert len({len(each.verdict.answer.ciphertext) for each in [confirm, *verdicts]}) == 1
    assert len({len(each.verdict.tags.ciphertext) for each in [confirm, *verdicts]}) == 1
    assert len({len(each.signed.body) for each in verdicts}) == 1


@pytest.mark.parametrize("lookup_ms", [0.1, 1.0, 2.9])
def test_the_release_time_of_a_lone_request_does_not_depend_on_its_lookup(
    deployment: Deployment, engine: DecisionEngine, moment: datetime, lookup_ms: float
) -> None:
    [opened] = deployment.answers(engine, deployment.requests([about()]), stepping(moment, 0, lookup_ms))
    assert opened.verdict.decided_at == opened.signed.release_time == moment + timedelta(milliseconds=6)


def test_a_whole_batch_has_the_release_time_after_its_decision(
    deployment: Deployment, engine: DecisionEngine, moment: datetime
) -> None:
    work = deployment.requests([about(), about(street_number="999"), about(first_name="")])
    verdicts = deployment.answers(engine, work, stepping(moment, 0, 32))
    assert {each.verdict.decided_at for each in verdicts} == {moment + timedelta(milliseconds=36)}


def test_no_verdict_is_returned_while_the_counts_are_not_on_disk(
    deployment: Deployment, engine: DecisionEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        deployment.ask(engine, [about()])

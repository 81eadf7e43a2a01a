"""What the desk answers after a lookup: limits, veto and the one deny that all of them share."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from glomar_schemas.keys import read_secret
from glomar_verifier.decisions.decide import Desk
from glomar_verifier.holder_lists import veto
from glomar_verifier.matching.normalise import normal_name
from glomar_verifier.quotas.tags import Tagger

from tests.support.desks import Office, about, stepping
from tests.support.registers import ANA, RULES

TWIN = {**ANA, "person_id": "P2", "unit": ""}
BOB = {**ANA, "person_id": "P3", "first_name": "Bob", "street_number": "7", "unit": ""}
TWO_BOBS = [BOB, {**BOB, "person_id": "P4"}]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "data", [ANA, *TWO_BOBS])


@pytest.fixture
def moment() -> datetime:
    """4 ms after a whole second, while the keys count."""
    return datetime.now(UTC).replace(microsecond=4_000)


@pytest.fixture
def desk(office: Office) -> Iterator[Desk]:
    with office.desk() as opened:
        yield opened


def at(number: int) -> str:
    """A house number that nobody has."""
    return str(1000 + number)


def test_the_person_on_file_is_confirmed(office: Office, desk: Desk) -> None:
    assert office.ask(desk, [about()]) == ["confirm"]


def test_eleven_addresses_of_one_name_are_one_too_many(office: Office, desk: Desk) -> None:
    asks = [about(street_number=at(n)) for n in range(10)] + [about()]
    assert office.ask(desk, asks) == ["deny"] * 10 + ["L9a"]


def test_the_true_address_is_confirmed_as_the_tenth(office: Office, desk: Desk) -> None:
    asks = [about(street_number=at(n)) for n in range(9)] + [about()]
    assert office.ask(desk, asks) == ["deny"] * 9 + ["confirm"]


def test_addresses_in_other_cities_and_under_other_spellings_count_for_the_person(
    office: Office, desk: Desk
) -> None:
    elsewhere: dict[str, object] = {"city": "Duluth", "state": "MN", "zip": "55802"}
    spellings = ["Garcia", "LÓPEZ", "López García", "Garcialopez", "García López Zapata"]
    asks = [about(street_number=at(n), last_name=spellings[n % 5], **elsewhere) for n in range(10)]
    assert office.ask(desk, asks) == ["deny"] * 10
    assert office.ask(desk, [about(), about(last_name="Lopez"), about(last_name="García B.")]) == ["deny"] * 3


def test_addresses_count_for_the_person_under_every_slip_that_is_forgiven(office: Office, desk: Desk) -> None:
    """García López, and no two of the surnames asked are one edit from each other."""
    slips = ["Gqarcia", "Garcqia", "López Garciq", "Lopqez", "Garcia Lopezq"]
    unlike = [{"last_name": "Garcia Lopqeqz"}, {"first_name": "Anqaq"}, {"last_name": "Gqarcia Lopezq"}]
    asked = [about(street_number=at(n), **unlike[n % 3]) for n in range(30)]
    assert office.ask(desk, asked) == ["deny"] * 30
    asked = [about(street_number=at(n), last_name=slips[n % 5]) for n in range(9)]
    assert office.ask(desk, [*asked, about(last_name="Gaarcqia"), about(last_name="Garciqa")]) == (
        ["deny"] * 10 + ["confirm"]
    )
    assert office.ask(desk, [about(street_number=at(9), last_name="Garxcia")]) == ["deny"]
    assert office.ask(desk, [about(), about(last_name="Garciqa"), about(last_name="Lopex")]) == ["deny"] * 3


def test_addresses_count_for_the_person_for_whom_a_birth_date_vouches(office: Office, desk: Desk) -> None:
    born = date.fromisoformat(ANA["date_of_birth"])
    slips: list[dict[str, object]] = [
        {"last_name": "Garcqiq"},
        {"first_name": "Anqa", "last_name": "Garcqia"},
        {"first_name": "García", "last_name": "Ana"},
        {"first_name": "Lopxez", "last_name": "Ana"},
        {"last_name": "Garcqi Lopqez"},
    ]
    unlike = [about(street_number=at(n), date_of_birth=None, **slips[n % 2]) for n in range(12)]
    assert office.ask(desk, unlike) == ["deny"] * 12
    asks = [about(street_number=at(n), date_of_birth=born, **slips[n % 5]) for n in range(9)]
    assert office.ask(desk, [*asks, about(date_of_birth=born, **slips[0])]) == ["deny"] * 9 + ["confirm"]
    assert office.ask(desk, [about(street_number=at(9), date_of_birth=born, **slips[1])]) == ["deny"]
    assert office.ask(desk, [about(), *(about(date_of_birth=born, **slip) for slip in slips)]) == ["deny"] * 6


def test_a_name_that_can_not_be_counted_is_not_confirmed(office: Office, desk: Desk) -> None:
    long = "García López Qay Zin Wex Xor Kiq Yun Vob Jik Zef Qul Wuz Xad"
    assert office.ask(desk, [about(last_name=long[:20]), about(last_name=long)]) == ["confirm", "deny"]


def test_a_person_under_a_hold_waits_and_under_another_spelling_is_denied(office: Office, desk: Desk) -> None:
    tagger = Tagger(read_secret(office.system.layout.tag_key(office.system.agreement.holder)))
    spellings = ["Garcia", "López García", "Garcqia López", "Garcialopez"]
    for held in ("García López", "García", "López García", "Garcialopez"):
        tag = tagger.person("ice", normal_name("Ana", "", held, "", RULES))
        office.hold(f"person:{tag}")
        assert office.ask(desk, [about(last_name=held)]) == []
        others = [about(last_name=name) for name in spellings if name != held]
        assert set(office.ask(desk, others)) <= {"deny"}
    office.hold(f"person:{tagger.person('ice', normal_name('Eva', '', 'García López', '', RULES))}")
    assert office.ask(desk, [about()]) == ["confirm"]
    office.hold()
    assert office.ask(desk, [about(last_name=name) for name in spellings]) == ["confirm"] * 4


def test_other_people_of_a_like_name_do_not_count_for_the_person(office: Office, desk: Desk) -> None:
    others: list[dict[str, object]] = [
        {"last_name": "García Pérez"},
        {"first_name": "Anna"},
        {"last_name": "Lopes"},
    ]
    asks = [about(street_number=at(n), **others[n % 3]) for n in range(20)]
    assert office.ask(desk, asks) == ["deny"] * 20
    assert office.ask(desk, [about()]) == ["confirm"]


def test_what_was_refused_before_the_lookup_does_not_use_up_the_limit_of_the_person(
    office: Office, desk: Desk
) -> None:
    refused = [about(street_number=at(n), last_name="López", statute="8 U.S.C. 1229a") for n in range(20)]
    assert office.ask(desk, refused)[:10] == ["L4"] * 10
    assert office.ask(desk, [about()]) == ["confirm"]


def test_a_redelivered_request_is_decided_as_the_first_time(office: Office, desk: Desk) -> None:
    first = office.requests([about()])
    assert [said.outcome for said in office.answers(desk, first)] == ["confirm"]
    office.ask(desk, [about(street_number=at(n), last_name="López") for n in range(10)])
    assert office.ask(desk, [about()]) == ["deny"]
    with office.desk() as after_a_restart:
        assert [said.outcome for said in office.answers(after_a_restart, first)] == ["confirm"]


def test_eleven_names_at_one_address_are_one_too_many(office: Office, desk: Desk) -> None:
    asks = [about(first_name=f"Zora{chr(97 + n)}") for n in range(11)]
    assert office.ask(desk, asks) == ["deny"] * 10 + ["L9b"]


def test_people_without_an_address_are_not_at_one_address(office: Office, desk: Desk) -> None:
    asks = [about(first_name=f"Zora{chr(97 + n)}", street_name="", unit="") for n in range(11)]
    assert office.ask(desk, asks) == ["L2"] * 11


def test_a_case_may_be_asked_about_twenty_times(office: Office, desk: Desk) -> None:
    assert office.ask(desk, [about(case_id="C-1") for _ in range(21)]) == ["confirm"] * 20 + ["L9d"]


def test_an_officer_may_ask_three_hundred_times(office: Office, desk: Desk) -> None:
    asks = [about(case_id=f"C-{n // 2}") for n in range(301)]
    assert office.ask(desk, asks)[-2:] == ["confirm", "L9c"]
    assert office.ask(desk, [about(officer_id="OFF-002")]) == ["confirm"]


def test_a_vetoed_person_is_denied_from_the_day_on_and_another_is_not(office: Office, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    listed = office.system.layout.veto
    with office.desk() as desk:
        veto.write({"P3": today}, listed)
        assert office.ask(desk, [about()]) == ["confirm"]
        veto.write({"P1": today + timedelta(days=2)}, listed)
        assert office.ask(desk, [about()]) == ["confirm"]
        veto.write({"P1": today - timedelta(days=1)}, listed)
        assert office.ask(desk, [about()]) == ["deny"]
        veto.write({}, listed)
        assert office.ask(desk, [about()]) == ["confirm"]


def test_a_bad_list_leaves_the_old_one_in_force_and_is_told_without_a_person(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    veto.write({"P1": datetime.now(UTC).date() - timedelta(days=1)}, office.system.layout.veto)
    with office.desk() as desk:
        office.system.layout.veto.write_text("person_id,since\nP1-canary,soon\n")
        assert office.ask(desk, [about()]) == ["deny"]
        assert office.ask(desk, [about()]) == ["deny"]
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "canary" not in f"{record.message} {record.__dict__}"


def test_no_match_ambiguous_veto_over_the_limit_are_one_deny_of_one_size(
    office: Office, moment: datetime
) -> None:
    # A time on a whole second is written shorter.
    clock = partial(stepping, moment, 0, 1)
    with office.desk() as desk:
        no_match = about(first_name="Eva")
        ambiguous = about(TWO_BOBS[0])
        fished = [about(street_number=at(n), last_name="López") for n in range(10)]
        [confirm] = office.answers(desk, office.requests([about()]))
        office.ask(desk, fished)
        said = office.answers(desk, office.requests([no_match, ambiguous, about()]), clock())
    veto.write({"P1": datetime.now(UTC).date() - timedelta(days=1)}, office.system.layout.veto)
    office.system.layout.counts.unlink()
    with office.desk() as desk:
        said += office.answers(desk, office.requests([about()]), clock())
    assert [each.outcome for each in [confirm, *said]] == ["confirm", "deny", "deny", "deny", "deny"]
    for each in said:
        assert (each.answer.record_consulted, each.answer.refusals) == (True, ())
    assert len({len(each.verdict.answer.ciphertext) for each in [confirm, *said]}) == 1
    assert len({len(each.verdict.tags.ciphertext) for each in [confirm, *said]}) == 1
    assert len({len(each.decided.body) for each in said}) == 1


@pytest.mark.parametrize("lookup_ms", [0.1, 1.0, 2.9])
def test_the_slot_of_a_lone_request_does_not_tell_how_long_its_lookup_took(
    office: Office, desk: Desk, moment: datetime, lookup_ms: float
) -> None:
    [said] = office.answers(desk, office.requests([about()]), stepping(moment, 0, lookup_ms))
    assert said.verdict.decided_at == said.decided.slot == moment + timedelta(milliseconds=6)


def test_a_whole_batch_is_decided_in_the_slot_after_its_judging(
    office: Office, desk: Desk, moment: datetime
) -> None:
    work = office.requests([about(), about(street_number="999"), about(first_name="")])
    said = office.answers(desk, work, stepping(moment, 0, 32))
    assert {each.verdict.decided_at for each in said} == {moment + timedelta(milliseconds=36)}


def test_nothing_leaves_the_desk_while_its_counts_are_not_on_disk(
    office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        office.ask(desk, [about()])

"""The gates and the decision. A false confirm harms a person, so most cases here are denied."""

import random
from collections.abc import Mapping

import pytest
from glomar_verifier.matching.blocking import block_keys
from glomar_verifier.matching.match import Candidates, MatchResult, Query, RegisterRecord, decide, gates
from glomar_verifier.matching.spelling import surname_slips
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from tests.support.registers import ANA, RULES, decided, query, record

SECRET = bytes(32)


def with_(**changes: str) -> dict[str, str]:
    return {**ANA, **changes}


CONFIRMED: dict[str, Mapping[str, str]] = {
    "as registered": {},
    "capitals without accents": {"last_name": "GARCIA LOPEZ"},
    "first surname only": {"last_name": "García"},
    "second surname only": {"last_name": "López"},
    "surnames swapped": {"last_name": "López García"},
    "surnames joined": {"last_name": "Garcialopez"},
    "surnames hyphened": {"last_name": "García-López"},
    "direction missing": {"street_name": "Chestnut St"},
    "type missing": {"street_name": "N Chestnut"},
    "spelt out": {"street_name": "North Chestnut Street"},
    "a slip in the street": {"street_name": "N Chestnnt St"},
    "unit missing": {"unit": ""},
    "birth date missing": {"date_of_birth": ""},
    "middle initial the register lacks": {"middle_name": "M"},
    "suffix the register lacks": {"suffix": "Jr"},
    "another city name for the ZIP code": {"city": "Midtown"},
    "ZIP+4": {"zip": "77002-1234"},
}

DENIED: dict[str, tuple[Mapping[str, str], str]] = {
    "first name one letter off": ({"first_name": "Anna"}, "first-name"),
    "first name blank": ({"first_name": ""}, "first-name"),
    "surname look-alike": ({"last_name": "Garza"}, "surname"),
    "one surname shared of two": ({"last_name": "García Ruiz"}, "surname"),
    "surname blank": ({"last_name": ""}, "surname"),
    "another ZIP code": ({"zip": "77003"}, "zip"),
    "another state": ({"state": "OK", "date_of_birth": ""}, "state"),
    "another number": ({"street_number": "122"}, "delivery-point"),
    "number blank": ({"street_number": ""}, "delivery-point"),
    "number with a letter": ({"street_number": "120A"}, "delivery-point"),
    "another direction": ({"street_name": "S Chestnut St"}, "delivery-point"),
    "direction after instead, another": ({"street_name": "Chestnut St S"}, "delivery-point"),
    "another type": ({"street_name": "N Chestnut Ave"}, "delivery-point"),
    "another street": ({"street_name": "N Walnut St"}, "delivery-point"),
    "two letters off": ({"street_name": "N Chesnat St", "date_of_birth": ""}, "delivery-point"),
    "street blank": ({"street_name": ""}, "delivery-point"),
    "a PO box instead": ({"street_number": "", "street_name": "", "po_box": "9"}, "delivery-point"),
    "another unit": ({"unit": "4C"}, "unit"),
    "another birth date": ({"date_of_birth": "1980-05-18"}, "date-of-birth"),
}


@pytest.mark.parametrize("case", CONFIRMED)
def test_the_same_person_is_confirmed(case: str) -> None:
    assert decided([ANA], with_(**CONFIRMED[case])).outcome == "confirm"


@pytest.mark.parametrize("case", DENIED)
def test_what_differs_is_denied_at_its_gate(case: str) -> None:
    changes, gate = DENIED[case]
    requested = with_(**changes)
    assert decided([ANA], requested).outcome == "deny"
    assert gate in gates(query(requested), record(ANA), RULES)


@pytest.mark.parametrize(
    ("known", "requested", "outcome"),
    [
        ("Main St", "Maine St", "deny"),
        ("5th St", "6th St", "deny"),
        ("15th St", "5th St", "deny"),
        ("Highway 50", "Highway 5", "deny"),
        ("Montrose Ave", "Monroe Ave", "deny"),
        ("Fifth Ave", "5th Ave", "confirm"),
        ("Avenue B", "Avenue C", "deny"),
        ("Park Ave", "Parks Ave", "deny"),
        ("Martin Luther King Blvd", "Martin Luthre King Blvd", "confirm"),
    ],
)
def test_streets_are_compared_in_every_figure_and_short_names_exactly(
    known: str, requested: str, outcome: str
) -> None:
    assert decided([with_(street_name=known)], with_(street_name=requested)).outcome == outcome


@pytest.mark.parametrize(
    ("known", "requested", "outcome"),
    [
        ({"middle_name": "Maria"}, {"middle_name": "M."}, "confirm"),
        ({"middle_name": "Maria"}, {"middle_name": "Marta"}, "deny"),
        ({"middle_name": "M"}, {"middle_name": "L"}, "deny"),
        ({"suffix": "Jr"}, {"suffix": "Sr"}, "deny"),
        ({"suffix": "Jr"}, {"suffix": "II"}, "deny"),
        ({"suffix": "Jr"}, {"last_name": "García López Jr."}, "confirm"),
        ({"suffix": "Jr"}, {"last_name": "García López Jr.", "suffix": "Sr"}, "deny"),
        ({"street_name": "", "street_number": "", "po_box": "77"}, {"po_box": "PO Box 77"}, "confirm"),
        ({"po_box": "77"}, {"po_box": "78"}, "deny"),
        ({"last_name": "de la Cruz"}, {"last_name": "Cruz"}, "confirm"),
        ({"last_name": "de la Cruz"}, {"last_name": "de la"}, "deny"),
        ({"last_name": "de la Cruz"}, {"last_name": "Delacruz"}, "confirm"),
        ({"last_name": "Mc Donald"}, {"last_name": "Donald"}, "deny"),
        ({"last_name": "Mc Donald"}, {"last_name": "McDonald"}, "confirm"),
        ({"last_name": "Smith B"}, {"last_name": "B"}, "deny"),
    ],
)
def test_parts_may_be_missing_but_never_contradict(
    known: Mapping[str, str], requested: Mapping[str, str], outcome: str
) -> None:
    assert decided([with_(**known)], with_(**requested)).outcome == outcome


@pytest.mark.parametrize(
    ("spell", "years", "outcome"),
    [
        (("2015", "2022"), (2023, 2024), "deny"),
        (("2015", "2023"), (2023, 2024), "confirm"),
        (("2024", ""), (2023, 2024), "confirm"),
        (("2025", ""), (2023, 2024), "deny"),
        (("2015", ""), (), "deny"),
        (("2020", "2020"), (2019, 2021), "deny"),
    ],
)
def test_the_address_must_cover_a_requested_year(
    spell: tuple[str, str], years: tuple[int, ...], outcome: str
) -> None:
    assert decided([with_(from_year=spell[0], to_year=spell[1])], ANA, years).outcome == outcome


def test_two_people_who_fit_are_denied_and_two_spells_of_one_person_are_not() -> None:
    assert decided([ANA, with_(person_id="P2", date_of_birth="")], ANA).outcome == "deny"
    assert decided([ANA, with_(from_year="2020")], ANA).outcome == "confirm"


def test_senior_and_junior_at_one_address_need_the_suffix_or_the_birth_date() -> None:
    senior = with_(person_id="P1", suffix="Sr", date_of_birth="1950-01-02")
    junior = with_(person_id="P2", suffix="Jr", date_of_birth="1980-05-17")
    assert decided([senior, junior], with_(suffix="", date_of_birth="")).outcome == "deny"
    assert decided([senior, junior], with_(suffix="Jr", date_of_birth="")).outcome == "confirm"
    assert decided([senior, junior], with_(suffix="", date_of_birth="1950-01-02")).outcome == "confirm"


def test_too_many_candidates_to_weigh_is_a_deny() -> None:
    everyone = Candidates((record(ANA),), complete=False)
    assert decide(everyone, query(ANA), RULES).outcome == "deny"


def test_a_confirmation_names_the_one_person_and_every_way_in_which_the_register_writes_the_name() -> None:
    moved = with_(last_name="Garcialopez", street_number="7")
    rows = [ANA, moved, with_(person_id="P2", street_number="999"), with_(person_id="P3", first_name="Eva")]
    finding = decided(rows, ANA)
    assert (finding.person, len(finding.names)) == ("P1", 2)
    assert set(finding.names) == {record(ANA).name, record(moved).name}


def test_a_denial_names_nobody() -> None:
    assert decided([ANA], with_(street_number="999")) == MatchResult("deny")
    assert decided([ANA, with_(person_id="P2")], ANA) == MatchResult("deny")


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Ana", "Anna", "Anqa", "Aqnx", "Eva", "García", ""]),
        "middle_name": st.sampled_from(["", "M", "Maria", "L"]),
        "last_name": st.sampled_from(
            ["García", "López García", "Lopez", "Gomez", "García López Jr", "Garcqia López", "Ana"]
        ),
        "suffix": st.sampled_from(["", "Jr", "Sr"]),
        "date_of_birth": st.sampled_from(["", "1980-05-17", "1981-05-17"]),
        "street_number": st.sampled_from(["120", "121", ""]),
        "street_name": st.sampled_from(
            ["N Chestnut St", "Chestnut", "N Chestnqut St", "S Chestnut St", "Oak St", ""]
        ),
        "unit": st.sampled_from(["", "4B", "4C"]),
        "po_box": st.sampled_from(["", "77", "78"]),
        "zip": st.sampled_from(["77002", "77003"]),
        "from_year": st.sampled_from(["2015", "2024"]),
    },
)
# Few columns, so that slips in both names, exchanged names and suffixes often occur together.
NAMES = st.fixed_dictionaries(
    {
        "first_name": st.sampled_from(["Mariana", "Maraina", "García"]),
        "last_name": st.sampled_from(["García", "Garcqia", "Mariana"]),
        "suffix": st.sampled_from(["", "", "Jr"]),
        "date_of_birth": st.sampled_from([ANA["date_of_birth"], ANA["date_of_birth"], ""]),
    }
)
PEOPLE = st.lists(CHANGES, min_size=1, max_size=5)


def household(changes: list[dict[str, str]]) -> list[dict[str, str]]:
    """Each record is of one person. If the changes leave no address, it has a PO box."""
    rows = [with_(person_id=f"P{n}", **change) for n, change in enumerate(changes)]
    for row in rows:
        row["first_name"] = row["first_name"] or "Ana"
        if not (row["street_number"] and row["street_name"]):
            row["po_box"] = row["po_box"] or "77"
    return rows


@given(PEOPLE, CHANGES, st.randoms())
def test_the_order_of_the_records_makes_no_difference(
    changes: list[dict[str, str]], requested: dict[str, str], dice: random.Random
) -> None:
    rows = household(changes)
    shuffled = list(rows)
    dice.shuffle(shuffled)
    assert decided(rows, with_(**requested)) == decided(shuffled, with_(**requested))


REQUIRED = st.sampled_from(["first_name", "last_name", "street_number", "street_name", "years"])


@given(PEOPLE, CHANGES, REQUIRED)
def test_removing_evidence_that_is_required_never_turns_deny_into_confirm(
    changes: list[dict[str, str]], requested: dict[str, str], removed: str
) -> None:
    request = with_(**{**requested, "po_box": ""})
    less = request if removed == "years" else {**request, removed: ""}
    assert decided(household(changes), less, () if removed == "years" else (2023, 2024)).outcome == "deny"


@given(st.lists(NAMES, min_size=1, max_size=3), NAMES)
def test_leaving_out_a_birth_date_that_contradicts_nobody_never_turns_deny_into_confirm(
    changes: list[dict[str, str]], requested: dict[str, str]
) -> None:
    rows = household(changes)
    request = with_(**{**requested, "date_of_birth": ANA["date_of_birth"]})
    before, after = decided(rows, request), decided(rows, {**request, "date_of_birth": ""})
    assert before.outcome == "confirm" or after.outcome == "deny"


@given(CHANGES, st.integers(1, 99_999).filter(lambda number: number != 120))
def test_changing_the_house_number_never_confirms(requested: dict[str, str], number: int) -> None:
    assert decided([ANA], with_(**{**requested, "street_number": str(number)})).outcome == "deny"


@given(PEOPLE, CHANGES, st.integers(0, 4))
def test_adding_a_twin_never_creates_a_confirm(
    changes: list[dict[str, str]], requested: dict[str, str], which: int
) -> None:
    rows, request = household(changes), with_(**requested)
    twin = {**rows[which % len(rows)], "person_id": "TWIN"}
    before, after = decided(rows, request), decided([*rows, twin], request)
    assert before.outcome == "confirm" or after.outcome == "deny"


def keys_of(who: Query | RegisterRecord) -> frozenset[int]:
    return block_keys(who.name, who.address, who.date_of_birth, SECRET)


@given(CHANGES | NAMES, CHANGES | NAMES)
@example({"first_name": "Mariana", "last_name": "García"}, {"first_name": "Maraina", "last_name": "Garcqia"})
@example({"first_name": "Mariana", "last_name": "García"}, {"first_name": "Garcqia", "last_name": "Mariana"})
def test_a_record_that_passes_every_gate_shares_a_blocking_key(
    known: dict[str, str], requested: dict[str, str]
) -> None:
    (row,) = household([known])
    here, there = query(with_(**requested)), record(row)
    if not gates(here, there, RULES):
        assert keys_of(here) & keys_of(there)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("WALNUT", "WALNUT", 0),
        ("WALNUT", "WALNUTS", 1),
        ("WALNUT", "ALNUT", 1),
        ("WALNUT", "WALMUT", 1),
        ("WALNUT", "WALNTU", 1),
        ("WALNUT", "AWLNTU", 2),
        ("WALNUT", "WALN", 2),
        ("KITTEN", "SITTING", 3),
        ("", "A", 1),
        ("", "", 0),
    ],
)
def test_an_edit_is_a_letter_in_out_changed_or_swapped(one: str, other: str, count: int) -> None:
    assert OSA.distance(one, other) == OSA.distance(other, one) == count


TOKENS = st.lists(
    st.sampled_from(["GARCIA", "LOPEZ", "LOPZE", "DE", "LA", "CRUZ", "B", "MCDONALD"]), max_size=4
)


@given(TOKENS, TOKENS, st.booleans())
def test_surnames_have_no_direction(one: list[str], other: list[str], same_birth: bool) -> None:
    there = surname_slips(one, other, RULES, same_birth=same_birth)
    assert there == surname_slips(other, one, RULES, same_birth=same_birth)

"""Tags: equal for the same person, reason or case, different for all else."""

import re

import pytest
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.messages import Subject, Tags
from glomar_verifier.matching.names import normal_name
from glomar_verifier.quotas.tags import Tagger
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.model_request import model_particulars
from tests.support.registers import RULES

WORDS = st.lists(st.sampled_from(["Ana", "B", "Jr", "Mc", "de", "Lee", "II"]), min_size=1, max_size=4).map(
    " ".join
)
TAGGER = Tagger(bytes(range(32)))


def person(first: str, last: str, agency: str = "ice") -> str:
    return TAGGER.person(agency, normal_name(first, "", last, "", RULES))


def test_a_tag_is_an_hmac_sha256_in_lower_case_hex() -> None:
    for tag in (person("Ana", "Lee"), TAGGER.reason("Because."), TAGGER.case("1")):
        assert re.fullmatch("[0-9a-f]{64}", tag)


def test_tags_stay_what_they_are_from_release_to_release() -> None:
    """Computed by hand: printf of each part after its length in four bytes, through `openssl dgst -mac`."""
    assert (
        TAGGER.case("HOU-2025-004417") == "f23e7ea124e8524cf3b708aa07c5e8299e8c4aadcd091bbab1df2d2c9dad0038"
    )


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("JOSÉ", "GARCÍA LÓPEZ"),
        ("jose", "Garcia-Lopez"),
        ("José ", " García López Jr."),
        ("Jo\u0301se", "Garcia Lopez"),
    ],
)
def test_one_name_has_one_tag_however_it_is_written(first: str, last: str) -> None:
    assert person(first, last) == person("Jose", "Garcia Lopez")


@pytest.mark.parametrize(
    ("first", "last", "agency"),
    [
        ("Ana", "Lee", "fbi"),
        ("Lee", "Ana", "ice"),
        ("Ana L", "ee", "ice"),
        ("An", "a Lee", "ice"),
        ("Ana", "Le e", "ice"),
        ("", "Ana Lee", "ice"),
        ("Ana", "Lea", "ice"),
    ],
)
def test_another_person_or_agency_has_another_tag(first: str, last: str, agency: str) -> None:
    assert person(first, last, agency) != person("Ana", "Lee")


def test_one_reason_has_one_tag_however_it_is_written() -> None:
    assert TAGGER.reason("Did not report, on 14 May.") == TAGGER.reason("did  NOT report on 14 May")
    assert TAGGER.reason("Did not report on 14 May") != TAGGER.reason("Did not report on 15 May")


def test_the_same_text_as_reason_and_as_case_has_two_tags() -> None:
    assert TAGGER.reason("A1") != TAGGER.case("A1")


def test_another_key_gives_other_tags() -> None:
    assert Tagger(bytes(32)).case("A1") != TAGGER.case("A1")


def test_all_three_tags_of_a_request() -> None:
    particulars = model_particulars()
    assert TAGGER.tags("ice", particulars, RULES) == Tags(
        person=person(particulars.first_name, particulars.last_name),
        reason=TAGGER.reason(particulars.reason),
        case=TAGGER.case(particulars.case_id),
    )


def test_middle_name_and_suffix_make_no_other_person() -> None:
    named = TAGGER.tags("ice", model_particulars(middle_name="Q", suffix="Jr"), RULES)
    assert named == TAGGER.tags("ice", model_particulars(), RULES)


def test_what_has_no_normal_form_is_tagged_as_if_it_were_empty() -> None:
    disguised = Subject(first_name="\u0410lma", last_name="\u202eLee", reason="\u0410lma fled", case_id="A1")
    assert TAGGER.tags("ice", disguised, RULES) == TAGGER.tags("ice", Subject(case_id="A1"), RULES)
    with pytest.raises(Malformed):
        TAGGER.reason("\u0410lma fled")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Misconfigured, match="32 bytes"):
        Tagger(bytes(length))


@given(first=WORDS, middle=WORDS, last=WORDS, suffix=st.sampled_from(["", "Jr", "III"]))
def test_middle_name_and_suffix_are_no_part_of_the_person(
    first: str, middle: str, last: str, suffix: str
) -> None:
    particulars = replace(
        model_particulars(), first_name=first, middle_name=middle, last_name=last, suffix=suffix
    )
    whole = normal_name(first, middle, last, suffix, RULES)
    assert TAGGER.tags_under("ice", whole, particulars) == TAGGER.tags("ice", particulars, RULES)

"""The normal form: the same for the register and for a request, or an error that does not quote the text."""

import unicodedata

import pytest
from glomar_schemas.errors import Malformed
from glomar_verifier.matching import text
from glomar_verifier.matching.addresses import NormalAddress, normal_address
from glomar_verifier.matching.names import NormalName, normal_name
from glomar_verifier.matching.places import same_units
from glomar_verifier.matching.street_lines import Street
from glomar_verifier.matching.text import fold
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.registers import RULES

# Latin letters with and without accents, digits and punctuation.
WRITTEN = st.text(
    st.sampled_from("abzABZ éüñøßłÉÑ0123456789'’.-–/#&,()"),
    max_size=24,
)
ANY_TEXT = st.text(max_size=12)


def address(street: str = "Main St", **changes: str) -> NormalAddress:
    given_parts = {
        "number": "12",
        "unit": "",
        "po_box": "",
        "city": "Reno",
        "state": "NV",
        "zip_code": "89501",
    }
    return normal_address(street=street, **{**given_parts, **changes}, rules=RULES)  # type: ignore[arg-type]


def name(last: str, suffix: str = "", first: str = "Ana", middle: str = "") -> NormalName:
    return normal_name(first, middle, last, suffix, RULES)


@given(ANY_TEXT)
def test_folding_twice_changes_nothing_and_leaves_only_capitals_and_figures(text: str) -> None:
    try:
        folded = fold(text, "last_name")
    except Malformed as error:
        assert str(error).startswith("last_name: ")
        return
    assert fold(folded, "last_name") == folded
    assert all(c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 " for c in folded)


@given(WRITTEN, WRITTEN, WRITTEN, st.sampled_from(["", "Jr.", "III", "sr", "Esq"]))
def test_a_normal_name_is_its_own_normal_form(first: str, middle: str, last: str, suffix: str) -> None:
    once = normal_name(first, middle, last, suffix, RULES)
    first = " ".join(once.first_words) or once.first
    again = normal_name(first, once.middle, " ".join(once.surname), once.suffix, RULES)
    # The normal form has neither umlauts nor another script.
    assert again == replace(once, transliteration=None)


@pytest.mark.parametrize("first", ["🌹", "Jo 🙂", "Ana❤️"])
def test_a_picture_is_no_letter(first: str) -> None:
    with pytest.raises(Malformed, match=r"^first_name: holds a picture"):
        normal_name(first, "", "Lopez", "", RULES)


def test_initials_after_the_first_name_are_the_middle_names() -> None:
    name = normal_name("John Q R", "", "Lopez", "", RULES)
    assert (name.first, name.middle) == ("JOHN", "Q R")
    assert normal_name("John Q R", "Quincy", "Lopez", "", RULES).middle == "Q R QUINCY"
    assert normal_name("John Q", "Quincy", "Lopez", "", RULES).middle == "QUINCY"


@given(WRITTEN, st.sampled_from(["", "PO Box 12", "P.O.Box 12", "box 9", "POPO1"]), WRITTEN)
def test_a_normal_number_box_and_unit_are_their_own_normal_form(number: str, box: str, unit: str) -> None:
    once = address(number=number, po_box=box, unit=unit)
    again = address(number=once.number, po_box=once.po_box, unit=" ".join(once.units))
    assert (again.number, again.po_box, again.units) == (once.number, once.po_box, once.units)


@given(WRITTEN)
def test_case_accents_and_outer_blanks_make_no_difference(text: str) -> None:
    without_accents = "".join(
        c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"
    )
    assert fold(text, "x") == fold(without_accents, "x") == fold(f"  {text} ", "x")
    # ß has no single capital letter, so the case of the others is tested.
    plain = text.replace("ß", "")
    assert fold(plain.upper(), "x") == fold(plain.lower(), "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O'Brien", "O’BRIEN"),
        ("García-López", "Garcia Lopez"),
        ("St. John", "ST JOHN"),
        ("Müller", "muller"),
        ("Ｓｍｉｔｈ", "Smith"),
        ("Kealoha ʻŌpio", "KEALOHA 'OPIO"),
        ("Иванов", "Ivanov"),
    ],
)
def test_two_spellings_of_one_surname_are_one(one: str, other: str) -> None:
    plain = (replace(name(each), transliteration=None, native=()) for each in (one, other))
    assert next(plain) == next(plain)


@pytest.mark.parametrize("hidden", ["\u202e", "\u2067", "\x00", "\n", "\t", "\ud800", "\U000e0041"])
def test_control_format_and_surrogate_characters_are_refused_unquoted(hidden: str) -> None:
    with pytest.raises(Malformed) as refusal:
        fold(f"Secret{hidden}name", "last_name")
    assert "Secret" not in str(refusal.value)
    assert refusal.value.where == "last_name"


@pytest.mark.parametrize("mark", ["\u200b", "\u200c", "\u200d", "\u200e", "\u00ad", "\u2060", "\ufeff"])
def test_a_mark_without_a_width_is_dropped(mark: str) -> None:
    assert fold(f"Gar{mark}cía", "last_name") == "GARCIA"
    assert name(f"محمدی{mark}نژاد") == name("محمدینژاد")


@pytest.mark.parametrize("text", ["M&uuml;ller", "Jos&eacute;", "O&#39;Brien", "O&#x27;Brien"])
def test_an_html_entity_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^last_name: holds an HTML entity"):
        name(text)


@pytest.mark.parametrize("text", ["Gаrcia", "Οlson", "\ue000", "\u0378"])
def test_scripts_mixed_in_one_word_and_letters_without_a_reading_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        fold(text, "last_name")


@pytest.mark.parametrize(
    ("last", "suffix", "surname", "standard"),
    [
        ("Smith", "jr.", ("SMITH",), "JR"),
        ("Smith Jr", "", ("SMITH",), "JR"),
        ("Smith, III", "3rd", ("SMITH",), "III"),
        ("Smith Jr", "Sr", ("SMITH",), "SRORJR"),
        ("Junior", "", ("JUNIOR",), ""),
        ("Mc Donald", "", ("MCDONALD",), ""),
        ("O Brien Smith", "", ("OBRIEN", "SMITH"), ""),
        ("de la Cruz", "", ("DE", "LA", "CRUZ"), ""),
    ],
)
def test_a_surname_becomes_tokens_and_its_suffix_is_found(
    last: str, suffix: str, surname: tuple[str, ...], standard: str
) -> None:
    found = name(last, suffix)
    assert (found.surname, found.suffix) == (surname, standard)


@pytest.mark.parametrize(
    ("written", "direction", "base", "type_", "post"),
    [
        ("N. Main Street", "N", "MAIN", "ST", ""),
        ("North Main", "N", "MAIN", "", ""),
        ("Main", "", "MAIN", "", ""),
        ("5th Ave", "", "5", "AVE", ""),
        ("Fifth Avenue", "", "5", "AVE", ""),
        ("W 23rd St NW", "W", "23", "ST", "NW"),
        ("Avenue B", "", "AVE B", "", ""),
        ("Avenue N", "", "AVE N", "", ""),
        ("North St", "", "NORTH", "ST", ""),
        ("Highway 50", "", "HIGHWAY 50", "", ""),
        ("Saint James Pl", "", "ST JAMES", "PL", ""),
        ("Parks Ave", "", "PARKS", "AVE", ""),
        ("Park Ave", "", "PARK", "AVE", ""),
        ("Avenue of the Americas", "", "AVE OF THE AMERICAS", "", ""),
        ("", "", "", "", ""),
    ],
)
def test_a_street_falls_into_the_parts_of_publication_28(
    written: str, direction: str, base: str, type_: str, post: str
) -> None:
    assert address(written).street == Street(direction, base, type_, post)


@pytest.mark.parametrize("unit", ["4B", "Apt 4-B", "# 4b", "Apartment 4 B", "Unit 4B", "STE 4B"])
def test_a_units_designator_and_signs_make_no_difference(unit: str) -> None:
    assert address(unit=unit).unit_key == "4B"
    assert same_units(address(unit=unit), address(unit="Apt 4B"), RULES)
    assert address(f"Main St {unit}").unit_key in ("4B", "")


def test_a_unit_written_into_the_street_is_found_there() -> None:
    assert address("Main St Apt 4B") == address("Main St", unit="Apt 4B")
    assert address("Main St # 4B") == address("Main St", unit="4B")


def test_another_kind_of_unit_is_another_unit() -> None:
    assert address(unit="Floor 2").units != address(unit="Apt 2").units
    assert not same_units(address(unit="Floor 2"), address(unit="Apt 2"), RULES)


@pytest.mark.parametrize(
    "box", ["123", "PO Box 123", "P.O. Box 123", "Box 123", "Post Office Box 123", "#123"]
)
def test_a_po_box_is_its_number(box: str) -> None:
    assert address("", number="", po_box=box).po_box == "123"


def test_a_po_box_in_the_street_line_is_a_po_box() -> None:
    assert address("P.O. Box 77", number="").po_box == "77"


def test_a_decimal_point_in_a_house_number_parts_it() -> None:
    assert address(number="1.2").number != address(number="12").number


@pytest.mark.parametrize("zip_code", ["89501", "89501-1234", "895011234", " 89501 "])
def test_a_zip_code_is_cut_to_five(zip_code: str) -> None:
    assert address(zip_code=zip_code).zip5 == "89501"


@pytest.mark.parametrize("zip_code", ["", "8950", "895O1", "89501-12", "٨٩٥٠١"[:4]])
def test_what_is_no_zip_code_is_refused(zip_code: str) -> None:
    with pytest.raises(Malformed):
        address(zip_code=zip_code)


def test_long_texts_are_not_cached() -> None:
    """Each reason comes once: thirty thousand of them would fill the memory."""
    before = text._cached.cache_info().misses
    fold("the warrant of docket 1000001 " * 20, "reason")
    assert text._cached.cache_info().misses == before
    fold("an unused city", "city")
    assert text._cached.cache_info().misses == before + 1

"""Names of many origins: which are one person's, and which are a relative's. Columns: first, middle, last,
suffix."""

import pytest
from glomar_verifier.matching.match import name_gates
from glomar_verifier.matching.names import normal_name

from tests.support.registers import RULES

Columns = tuple[str, ...]


def same(one: Columns, other: Columns, *, same_birth: bool = False) -> bool:
    names = [normal_name(*(*columns, "", "", "")[:4], RULES) for columns in (one, other)]
    found = {any(name_gates(a, b, RULES, same_birth=same_birth)) for a, b in (names, names[::-1])}
    assert len(found) == 1, "the order of the two sides makes a difference"
    return not found.pop()


# A word of generation on one side only: a father and his son, unless the birth date agrees.
GENERATIONS: list[tuple[Columns, Columns]] = [
    ((first, middle, last, suffix), plain)
    for plain in [("Luis", "", "Silva")]
    for first, middle, last, suffix in [
        ("Luis", "", "Silva Filho", ""), ("Luis", "", "Silva Neto", ""), ("Luis", "", "Silva Sobrinho", ""),
        ("Luis", "", "Silva Bisneto", ""), ("Luis", "", "Silva Hijo", ""), ("Luis", "", "Silva Segundo", ""),
        ("Luis", "", "Silva fils", ""), ("Luis", "", "Silva père", ""), ("Luis", "", "Silva Nieto", ""),
        ("Luis", "", "Silva V", ""), ("Luis", "", "Silva VI", ""), ("Luis", "", "Silva VII", ""),
        ("Luis", "", "Silva 6th", ""), ("Luis", "", "Silva 2", ""), ("Luis", "", "Silva IX", ""),
        ("Luis", "", "Silva the Third", ""), ("Luis", "", "Silva, the 3rd", ""),
        ("Luis", "", "Silva Third", ""),
        ("Luis", "", "Silva the Younger", ""), ("Luis", "", "Silva the Elder", ""),
        ("Luis", "", "Silva Jun", ""), ("Luis", "", "Silva jun.", ""), ("Luis", "", "Silva sen.", ""),
        ("Luis", "", "Silva Jnr", ""), ("Luis", "", "Silva Snr", ""), ("Luis", "", "Jr Silva", ""),
        ("Luis", "", "Jr. Silva", ""), ("Luis", "", "III Silva", ""), ("Luis Jr", "", "Silva", ""),
        ("Jr Luis", "", "Silva", ""), ("Luis", "Jr", "Silva", ""), ("Luis", "Filho", "Silva", ""),
        ("Luis", "the Third", "Silva", ""), ("Luis", "V I", "Silva", "VI"), ("Luis", "", "Silva", "Filho"),
        ("Luis", "", "Silva", "the 2nd"), ("Luis", "", "Silva", "V"), ("Luis", "", "Silva", "2"),
        ("Luis", "", "Silva", "d.y."), ("Luis", "", "Silva d.y.", ""), ("Luis", "", "Silva d. ä.", ""),
        ("Luis", "", "Silva den yngre", ""), ("Luis", "", "Silva der Jüngere", ""),
        ("Luis", "", "Silva le Jeune", ""), ("Luis", "", "Silva ml.", ""), ("Luis", "", "Silva st.", ""),
        ("Luis", "", "ifj. Silva", ""), ("Luis", "", "Silva ifj.", ""), ("Luis", "", "Silva MD Jr", ""),
        ("Luis Neto", "", "Silva", ""), ("Luis", "", "Silva 2nd", ""), ("Luis", "", "Silva II", ""),
        ("Luis", "VI", "Silva", ""), ("Luis", "", "Silva 2do", ""), ("Luis", "", "Silva 3º", ""),
    ]
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), GENERATIONS)
def test_a_word_of_generation_on_one_side_needs_the_birth_date(one: Columns, other: Columns) -> None:
    assert not same(one, other)
    assert same(one, one)


SAME: list[tuple[Columns, Columns]] = [
    (("Luis", "", "Silva Filho"), ("Luis", "", "Silva", "Filho")),
    (("Luis", "", "Silva III"), ("Luis", "", "Silva", "3rd")),
    (("Luis", "", "Silva the Third"), ("Luis", "", "Silva", "III")),
    (("Luis", "", "Jr. Silva"), ("Luis", "", "Silva Junior")),
    (("Luis", "", "Silva V"), ("Luis", "", "Silva", "5th")),
    (("Junior", "", "Silva"), ("Junior", "", "Silva")),
    (("Luis", "", "Neto"), ("Luis", "", "Neto")),
    (("Luis", "", "García Nieto"), ("Luis", "", "Nieto García")),
    # One given name over two columns.
    (("Min Ji", "", "Kim"), ("Min", "Ji", "Kim")),
    (("Min-Ji", "", "Kim"), ("Min", "Ji", "Kim")),
    (("Minji", "", "Kim"), ("Min", "Ji", "Kim")),
    (("Minji", "", "Kim"), ("Min Ji", "", "Kim")),
    (("Xiao Ming", "", "Wang"), ("Xiao", "Ming", "Wang")),
    (("Hyun Jun", "", "Park"), ("Hyun", "Jun", "Park")),
    (("Hyun", "Jun", "Park"), ("Hyun", "", "Park")),
    (("Thi Lan Anh", "", "Tran"), ("Thi", "Lan Anh", "Tran")),
    (("Juan Carlos", "", "Ruiz"), ("Juan", "Carlos", "Ruiz")),
    (("Mary Ann", "", "Cole"), ("Mary", "Ann", "Cole")),
    (("Karl-Heinz", "", "Roth"), ("Karl", "Heinz", "Roth")),
    # Saint.
    (("Marie", "", "St. Fleur"), ("Marie", "", "Saint-Fleur")),
    (("Marie", "", "Saintfleur"), ("Marie", "", "St Fleur")),
    (("Marie", "", "Ste. Marie"), ("Marie", "", "Sainte-Marie")),
    (("Jean", "", "St Louis"), ("Jean", "", "Saint Louis")),
    (("Jean", "", "Saint"), ("Jean", "", "Saint")),
    # No middle name, degrees and titles.
    (("Peter", "NMN", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "NMI", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "N/A", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "n/a", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "NA", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "None", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "-", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "(no middle name)", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "Lee", "Ash", "N/A"), ("Peter", "Lee", "Ash")),
    (("Peter", "Lee", "Ash", "None"), ("Peter", "Lee", "Ash")),
    (("Peter", "Lee", "Ash", "MD"), ("Peter", "Lee", "Ash")),
    (("Peter", "MD", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "Lee", "Ash, M.D."), ("Peter", "Lee", "Ash")),
    (("Peter", "Lee", "Ash", "Ph.D."), ("Peter", "Lee", "Ash")),
    (("Dr. Peter", "Lee", "Ash"), ("Peter", "Lee", "Ash")),
    (("Peter", "Lee", "Ash", "Jr., M.D."), ("Peter", "Lee", "Ash", "Jr")),
    # Initials.
    (("John", "J.R.", "Cole"), ("John", "", "Cole")),
    (("John", "J.R.", "Cole"), ("John", "J. R.", "Cole")),
    (("John", "J.R.", "Cole"), ("John", "James Robert", "Cole")),
    (("J.R.", "", "Cole"), ("JR", "", "Cole")),
    (("J.R.", "", "Cole"), ("J R", "", "Cole")),
    (("Thi", "Lan Anh", "Tran"), ("Thi", "L", "Tran")),
    (("Thi", "Lan Anh", "Tran"), ("Thi", "L A", "Tran")),
    (("Thi", "Lan A", "Tran"), ("Thi", "Lan Anh", "Tran")),
    # One name.
    (("FNU", "", "Prakash"), ("FNU", "", "Prakash")),
    (("FNU", "", "Prakash"), ("", "", "Prakash")),
    (("FNU", "", "Prakash"), ("Prakash", "", "LNU")),
    (("XXX", "", "Prakash"), ("Prakash", "", "")),
    (("NFN", "", "Prakash"), ("Prakash", "", "-")),
    # Umlauts.
    (("Jörg", "", "Müller"), ("Joerg", "", "Mueller")),
    (("Jörg", "", "Müller"), ("Jorg", "", "Muller")),
    (("Søren", "", "Ångström"), ("Soeren", "", "Aangstroem")),
    (("Anna", "", "Großmann"), ("Anna", "", "Grossmann")),
    (("Anna", "", "Schröder"), ("Anna", "", "SCHROEDER")),
    # Particles.
    (("Ahmad", "", "Al Rashid"), ("Ahmad", "", "Rashid")),
    (("Ahmad", "", "Al-Rashid"), ("Ahmad", "", "Alrashid")),
    (("Ahmad", "", "bin Rashid"), ("Ahmad", "", "Rashid")),
    (("Ahmad", "", "Abdul Rahman"), ("Ahmad", "", "Abdulrahman")),
    (("Ahmad", "", "Al"), ("Ahmad", "", "Al")),
    (("Bao", "", "Le"), ("Bao", "", "Le")),
    # Other scripts.
    (("伟", "", "李"), ("Wei", "", "Li")),
    (("伟", "", "李"), ("伟", "", "李")),
    (("Иван", "", "Иванов"), ("Ivan", "", "Ivanov")),
    (("علی‌رضا", "", "محمدی"), ("علیرضا", "", "محمدي")),
    (("محمَّد", "", "حسن"), ("محمد", "", "حسن")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_name(one: Columns, other: Columns) -> None:
    assert same(one, other)


OTHER: list[tuple[Columns, Columns]] = [
    (("Luis", "", "Silva Filho"), ("Luis", "", "Silva Neto")),
    (("Luis", "", "Silva Jr"), ("Luis", "", "Silva Filho")),
    (("Luis", "", "Silva II"), ("Luis", "", "Silva III")),
    (("Luis", "", "Silvaa"), ("Luis", "", "Silva Nieto")),
    (("Luis", "Jun", "Silva"), ("Luis", "", "Silva")),
    # Sisters.
    (("Thi", "Lan", "Tran"), ("Thi", "Lan Anh", "Tran")),
    (("Lan", "", "Tran"), ("Lan Anh", "", "Tran")),
    (("Lan", "Anh", "Tran"), ("Lan", "Anh Thu", "Tran")),
    (("Maria", "Jose", "Ruiz"), ("Maria", "Jose Luisa", "Ruiz")),
    (("Thi", "Lan A", "Tran"), ("Thi", "Lan", "Tran")),
    (("Thi", "A", "Tran"), ("Thi", "Lan Anh", "Tran")),
    (("Min", "Ji", "Kim"), ("Min", "Jo", "Kim")),
    (("Min Ji", "", "Kim"), ("Min", "Jo", "Kim")),
    (("Min Ji", "", "Kim"), ("Min", "", "Kim")),
    (("Min Ji", "", "Kim"), ("Min", "J", "Kim")),
    (("Li", "Na", "Chen"), ("Li", "Juan", "Chen")),
    # A given name is not divided at an initial or at "none".
    (("Juan", "A", "Ruiz"), ("Juana", "", "Ruiz")),
    (("Julian", "NA", "Cole"), ("Julianna", "", "Cole")),
    (("Carl", "A.", "Cole"), ("Carla", "", "Cole")),
    (("Mrs John", "", "Cole"), ("John", "", "Cole")),
    (("Marie", "", "St. Fleur"), ("Marie", "", "Fleur")),
    (("Marie", "", "St. Hilaire"), ("Marie", "", "St. Helaire")),
    (("Marie", "", "St. Hilaire"), ("Marie", "", "St. Vilaire")),
    (("Marie", "", "Saint Jean"), ("Marie", "", "Sainte Jean")),
    (("Dörte", "", "Krüger"), ("Dorete", "", "Krüger")),
    (("Carlos Eduardo", "", "Barbosa"), ("Carlose Eduardo", "", "Barbosa")),
    (("Carloseduardo", "", "Barbosa"), ("Carlose Eduardo", "", "Barbosa")),
    (("FNU", "", "Prakash"), ("Anil", "", "Prakash")),
    (("FNU", "", "Prakash"), ("FNU", "", "Prakesh")),
    (("FNU", "", "Wayan Putra"), ("FNU", "", "Wayan")),
    (("FNU", "", "Prakash"), ("Prakash", "", "Prakash")),
    (("Jorg", "", "Muller"), ("Jorg", "", "Mueller")),
    (("Jörg", "", "Müller"), ("Joerg", "", "Miller")),
    # Surnames of particles and the like.
    *(
        (("Ahmad", "", word), ("Ahmad", "", whole))
        for word, whole in [
            ("Al", "Al Rashid"), ("El", "El Sayed"), ("bin", "bin Laden"), ("Abd", "Abd Rahman"),
            ("Abdul", "Abdul Rahman"), ("oglu", "Hasan oglu"), ("Kizi", "Karim Kizi"), ("Ibn", "Ibn Saud"),
            ("Van", "Van Berg"), ("von", "von Berg"), ("di", "di Carlo"), ("della", "della Rosa"),
            ("Ben", "Ben Ezri"), ("Abu", "Abu Zaid"), ("Le", "Le Roy"), ("Lo", "Lo Presti"),
            ("de la", "de la Cruz"), ("ter", "ter Horst"), ("Santa", "Santa Lopez"), ("Abdu", "Abdul Rahman"),
            ("binti", "binti Ali"), ("zadeh", "Hasan zadeh"),
        ]
    ),
    # One reading, two names.
    (("威", "", "李"), ("伟", "", "李")),
    (("伟", "", "理"), ("伟", "", "李")),
    (("Wei", "伟", "Li"), ("Wei", "威", "Li")),
    (("하늘", "", "이"), ("하눌", "", "이")),
    (("Иван", "", "Иванов"), ("Иван", "", "Иваноф")),
    (("حامد", "", "علی"), ("هامد", "", "علی")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_a_relative_is_another_person(one: Columns, other: Columns) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Luis", "", "Silva Filho"), ("Luis", "", "Silva")),
        (("Luis", "", "García Nieto"), ("Luis", "", "García")),
        (("Luis", "Jun", "Silva"), ("Luis", "", "Silva")),
        (("Min Ji", "", "Kim"), ("Min", "Ji", "Kimq")),
        (("秀英", "", "周"), ("周", "", "秀英")),
        (("Mirlande", "", "Saint-Fleur"), ("Saint-Fleur", "", "Mirlande")),
        (("Ricardo", "", "Saintilus"), ("Saintilus", "", "Ricardo")),
    ],
)
def test_the_birth_date_vouches(one: Columns, other: Columns) -> None:
    assert same(one, other, same_birth=True)
    assert not same(one, other)

"""A lookup counts for a person under every spelling that the gates accept for that person."""

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date
from itertools import count, product
from pathlib import Path
from string import ascii_uppercase

import pytest
from glomar_verifier.matching.corrections import readings, spellings
from glomar_verifier.matching.match import Query, RegisterRecord, gates, name_gates
from glomar_verifier.matching.names import NormalName, normal_name
from glomar_verifier.matching.spelling import surname_slips
from glomar_verifier.quotas.counts import Counts, Lookup
from glomar_verifier.quotas.tags import Tagger
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.registers import ANA, RULES, query, record

TAGGER = Tagger(bytes(range(32)))
BORN = date(1980, 5, 17)
OF_NAMES = {"first-name", "surname", "one-slip", "suffix", "middle-name"}
_AGENCIES = count(1)

Counter = Callable[[Query, RegisterRecord], int]


def normal(first: str, last: str, suffix: str = "", middle: str = "") -> NormalName:
    return normal_name(first, middle, last, suffix, RULES)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """Looks up the query's name at one address and the person's at another -> how many addresses count for
    the person: 2, or 1 if the query's name does not."""
    path: Path = tmp_path_factory.mktemp("counts") / "counts.db"
    with closing(Counts(path, window_days=30)) as counts:

        def run(query: Query, person: RegisterRecord) -> int:
            agency = f"agency-{next(_AGENCIES)}"
            births = (person.date_of_birth,) if person.date_of_birth else ()
            recorded = TAGGER.recorded(agency, (person.name,), births, RULES)
            first, second = (
                Lookup(
                    agency=agency,
                    request_id=place,
                    requested=keys,
                    recorded=recorded,
                    address=place,
                    at_ns=10**18,
                )
                for place, keys in (
                    ("elsewhere", TAGGER.requested(agency, query.name, query.date_of_birth, RULES)),
                    ("home", TAGGER.requested(agency, person.name, person.date_of_birth, RULES)),
                )
            )
            return counts.observe_lookups([first, second])[1]

        yield run


def someone(name: NormalName, born: date | None) -> tuple[Query, RegisterRecord]:
    """The same name on both sides, at an address."""
    requested, recorded = query(ANA), record(ANA)
    return replace(requested, name=name, date_of_birth=born), replace(recorded, name=name, date_of_birth=born)


FIRSTS = st.sampled_from(["Mariana", "Juan", "Ana", "Robert", "García", "Qxvanna", "Maraina", "Li"])
WORDS = st.sampled_from(
    ["García", "López", "Martinez", "Hernández", "Kim", "Li", "de", "la", "Cruz", "Vanderbilt", "Mariana",
     "Qxvandopoulos", "Garcqia", "Garciaxlopez", "Garcias", "McDonald", "Smith", "B"]
)  # fmt: skip


@st.composite
def slipped(draw: st.DrawFn, text: str) -> str:
    """With a letter or a blank inserted, removed or changed, or two neighbours swapped."""
    at = draw(st.integers(0, max(0, len(text) - 1)))
    letter = draw(st.sampled_from([*ascii_uppercase, " "]))
    head, tail = text[:at], text[at:]
    ways = [head + letter + tail, head + tail[1:], head + letter + tail[1:], head + tail[1::-1] + tail[2:]]
    slip: str = draw(st.sampled_from(ways))
    return slip


@st.composite
def pairs(draw: st.DrawFn) -> tuple[NormalName, NormalName]:
    """A name on record and a requested one: surnames dropped, exchanged or joined, then slips."""
    first, words = draw(FIRSTS), draw(st.lists(WORDS, min_size=1, max_size=3))
    recorded = normal(first, " ".join(words))
    requested_first, tokens = recorded.first, list(draw(st.permutations(recorded.surname)))
    tokens = tokens[: draw(st.integers(1, max(1, len(tokens))))]
    surname = draw(st.sampled_from([" ", "", " "])).join(tokens)
    if draw(st.booleans()):
        requested_first = draw(slipped(requested_first)).replace(" ", "")
    for _ in range(draw(st.integers(0, 2))):
        surname = draw(slipped(surname))
    if draw(st.integers(0, 3)) == 0:
        requested_first, surname = surname.replace(" ", ""), requested_first
    return recorded, normal(requested_first, surname)


# What the gates forgive in the parts of a name: columns, generations, umlauts, Saint, one name, scripts.
GIVEN = [
    ("Min", "Ji"), ("Min Ji", ""), ("Minji", ""), ("Jörg", "Ulf"), ("Joerg Ulf", ""), ("FNU", ""), ("伟", ""),
    ("Wei", ""),
]  # fmt: skip
LAST = [
    "Kim",
    "Müller",
    "Mueller",
    "Müllre",
    "Saint-Fleur",
    "St. Fleur",
    "Silva Filho",
    "Silva",
    "Kimq",
    "Li",
]
WRITTEN = [
    normal_name(first, middle, last, "", RULES)
    for (given, middle), surname in product(GIVEN, LAST)
    for first, last in ((given, surname), (surname, given))
    if given.isascii() or middle or first == given
]


BIRTHS = st.sampled_from([(BORN, BORN), (BORN, BORN), (None, None), (None, BORN), (BORN, None)])


@settings(max_examples=150)
@given(pairs(), BIRTHS)
@example((normal("Mariana", "García"), normal("Maraina", "Garcqia")), (BORN, BORN))
@example((normal("Mariana", "García"), normal("García", "Maraina")), (BORN, BORN))
@example((normal("Mariana", "García"), normal("Garcqia", "Mariana")), (BORN, BORN))
@example((normal("Robert", "Hernández"), normal("Robert", "Hernanxxez")), (BORN, BORN))
@example((normal("Robert", "Hernanxxez"), normal("Robert", "Hernández")), (BORN, BORN))
@example((normal("Robert", "Qxvandopoulos"), normal("Robert", "Qxvandopulos")), (BORN, BORN))
@example((normal("Robert", "Shingledecker"), normal("Robert", "Shinglede ker")), (None, None))
@example((normal("Robert", "Martínez Vanderbilt"), normal("Robert", "Martinezxvanderbilt")), (None, None))
@example((normal("Robert", "Martinezxvanderbilt"), normal("Robert", "Martínez Vanderbilt")), (None, None))
def test_an_address_counts_under_every_name_that_the_gates_accept_for_the_person(
    counted: Counter, names: tuple[NormalName, NormalName], births: tuple[date | None, date | None]
) -> None:
    (_, recorded), (requested, _) = someone(names[0], births[1]), someone(names[1], births[0])
    assume(not OF_NAMES.intersection(gates(requested, recorded, RULES)))
    assert counted(requested, recorded) == 2


@pytest.mark.parametrize("births", [(BORN, BORN), (None, None), (None, BORN)])
def test_an_address_counts_under_every_form_of_a_name_that_the_gates_accept(
    counted: Counter, births: tuple[date | None, date | None]
) -> None:
    accepted = 0
    for one, other in product(WRITTEN, WRITTEN):
        same_birth = births[0] is not None and births[0] == births[1]
        if one == other or any(name_gates(other, one, RULES, same_birth=same_birth)):
            continue
        (_, recorded), (requested, _) = someone(one, births[1]), someone(other, births[0])
        assert counted(requested, recorded) == 2, (one, other)
        accepted += 1
    assert accepted > 100


@pytest.mark.parametrize(
    ("recorded", "requested", "born"),
    [
        (("Chen", "Wei"), ("Cheng", "Wei"), None),
        (("Robert", "Chen"), ("Robert", "Cheng"), None),
        (("Robert", "Chen"), ("Robert", "Cheng"), BORN),
        (("Juan", "Smith"), ("Juana", "Smith"), BORN),
        (("Robert", "García López"), ("Robert", "García Martínez"), None),
        (("Robert", "Smith"), ("Bob", "Smith"), BORN),
        (("Robert", "Smith"), ("Bobb", "Smith"), BORN),
        (("Robert", "Smith"), ("Robret", "Jones"), BORN),
        (("Robert", "Smith"), ("Robert", "Hernanxxez"), None),
        (("Mohamed", "Hassan"), ("Mohamed", "Ali"), BORN),
    ],
)
def test_another_person_of_a_like_name_is_counted_apart(
    counted: Counter, recorded: tuple[str, str], requested: tuple[str, str], born: date | None
) -> None:
    (_, one), (other, _) = someone(normal(*recorded), born), someone(normal(*requested), born)
    assert counted(other, one) == 1


def test_another_birth_date_does_not_count(counted: Counter) -> None:
    (_, recorded), (requested, _) = (
        someone(normal("Robert", "Hernández"), BORN),
        someone(normal("Robert", "Hernanxxez"), date(1980, 5, 18)),
    )
    assert counted(requested, recorded) == 1


@pytest.mark.parametrize("recorded", [("Robert", "Martinez"), ("Robert", "Qxmartinqz")])
def test_two_slips_of_one_name_count_together_though_neither_is_the_others(
    counted: Counter, recorded: tuple[str, str]
) -> None:
    """They differ in two letters: no gate accepts one for the other, but both for the person."""
    name = normal(*recorded)
    slips = [replace(name, surname=(name.surname[0][:at] + "Q" + name.surname[0][at:],)) for at in (2, 6)]
    assert surname_slips(slips[0].surname, slips[1].surname, RULES, same_birth=False) is None
    born = BORN if recorded[1].startswith("Q") else None
    for slip in slips:
        (requested, _), (_, person) = someone(slip, born), someone(name, born)
        assert not OF_NAMES.intersection(gates(requested, person, RULES))
        assert counted(requested, person) == 2


def test_a_known_name_is_read_as_itself_and_a_slip_as_all_that_it_may_be() -> None:
    assert readings(normal("Robert", "García López"), RULES) == (normal("Robert", "García López"),)
    assert normal("Robert", "Smith") in readings(normal("Robret", "Smith"), RULES)
    read = readings(normal("Robret", "Martniez"), RULES)
    assert {normal("Robert", "Martniez"), normal("Robret", "Martinez")} < set(read)
    assert normal("Robert", "Martinez") not in read


def test_a_name_that_may_be_too_many_others_has_no_readings() -> None:
    long = "Qay Zin Wex Xor Kiq Yun Vob Jik Zef Qul Wuz Xad"
    assert len(readings(normal("Robert", "Qay Zin"), RULES)) > 1
    assert readings(normal("Robert", long), RULES) == ()
    in_list = "García López Martínez Hernández Smith Kim Cruz Jones Brown Lee Young Hall"
    assert len(readings(normal("Robert", in_list), RULES)) == 1


@pytest.mark.parametrize(("first", "last"), [("﷽" * 100, "Lopez"), ("Ana", "Q" * 100)])
def test_a_word_far_longer_than_any_name_has_no_readings_but_itself(first: str, last: str) -> None:
    """A hundred characters may fold to thousands of letters, and their edits took 300 MB."""
    name = normal(first, last)
    tracemalloc.start()
    try:
        assert readings(name, RULES) == (name,)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_all_spellings_of_a_name_are_its_persons() -> None:
    name = normal("Ana", "de la Cruz García López")
    written: Sequence[NormalName] = list(spellings(name, RULES))
    assert {normal("Ana", "Cruz"), normal("Ana", "López Cruz"), normal("Ana", "Delacruzgarcialopez")} < set(
        written
    )
    assert all(surname_slips(one.surname, name.surname, RULES, same_birth=False) == 0 for one in written)

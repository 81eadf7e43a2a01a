"""The kinds of trial about names of many origins: spellings of one name, and relatives with a like name."""

from glomar_schemas.request_file import Ask
from glomar_verifier.matching.text import transliterated
from msgspec.structs import replace

from glomar_evaluation.trials.homes import UNKNOWN_BIRTHS, load_origins
from glomar_evaluation.trials.trials import TrialKind, TrialPerson, as_registered

NO_MIDDLE_NAME = ("NMN", "NMI", "N/A", "None")
GENERATIONS = (
    "Filho",
    "Neto",
    "Sobrinho",
    "fils",
    "V",
    "VI",
    "6th",
    "the Third",
    "jun.",
    "the Younger",
    "Hijo",
)
SAINTS = {"Saint-": ("St. ", "St ", "Saint"), "St. ": ("Saint ", "Saint-"), "Ste. ": ("Sainte-", "Sainte ")}


def _is_latin(text: str) -> bool:
    return all(character < "\u0250" for character in text)


def _given_in_other_columns(person: TrialPerson) -> Ask | None:
    first, middle = person.row["first_name"].split(), person.row["middle_name"].split()
    if not all(len(word.strip(".")) > 1 for word in (*first, *middle)):
        return None
    if len(first) == 2 and not middle:
        return replace(person.request, first_name=first[0], middle_name=first[1])
    if len(first) == 1 and len(middle) == 1:
        return replace(person.request, first_name=f"{first[0]} {middle[0]}", middle_name="")
    return None


def _given_joined(person: TrialPerson) -> Ask | None:
    first = person.row["first_name"].split()
    return replace(person.request, first_name="".join(first).capitalize()) if len(first) == 2 else None


def _saint(person: TrialPerson) -> Ask | None:
    last = person.row["last_name"]
    for written, others in (
        ("Saint-", ("St. ", "St ", "Saint")),
        ("St. ", ("Saint ", "Saint-")),
        ("Ste. ", ("Sainte-",)),
    ):
        if last.startswith(written):
            return replace(person.request, last_name=last.replace(written, person.rng.choice(others), 1))
    return None


def _no_middle_name(person: TrialPerson) -> Ask:
    return replace(person.request, middle_name=person.rng.choice(NO_MIDDLE_NAME))


def _degree(person: TrialPerson) -> Ask | None:
    degree = person.rng.choice(("MD", "Ph.D.", "Esq.", "N/A"))
    return None if person.row["suffix"] else replace(person.request, suffix=degree)


def _dotted_initials(person: TrialPerson) -> Ask | None:
    return None if person.row["middle_name"] else replace(person.request, middle_name="J.R.")


def _as_in_a_passport(person: TrialPerson) -> Ask | None:
    request, row = person.request, person.row
    first, last = transliterated(row["first_name"]), transliterated(row["last_name"])
    if not (first or last) or transliterated(row["middle_name"]):
        return None
    return replace(request, first_name=first or request.first_name, last_name=last or request.last_name)


def _generation_in_surname(person: TrialPerson) -> Ask | None:
    row = person.row
    if not (row["suffix"] and _is_latin(row["last_name"])):
        return None
    return replace(person.request, suffix="", last_name=f"{row['last_name']} {row['suffix']}.")


def _one_name(person: TrialPerson) -> Ask | None:
    row = person.row
    if row["first_name"] != "FNU":
        return None
    if person.rng.random() < 0.5:
        return replace(person.request, first_name=row["last_name"], last_name="LNU")
    return replace(person.request, first_name=person.rng.choice(("", "XXX", "NFN")))


def _namesake(person: TrialPerson) -> bool:
    """Somebody of the same first name lives there."""
    return any(row["first_name"] == person.row["first_name"] for row in person.household)


def _has_generation(person: TrialPerson) -> bool:
    """A middle name such as Junior is the word of generation already."""
    return not {"Junior", "Senior"}.isdisjoint(person.row["middle_name"].split())


def _father(person: TrialPerson) -> Ask | None:
    """The father or the son, by a word of generation in some column, without a birth date."""
    row, rng = person.row, person.rng
    if row["suffix"] or _has_generation(person) or _namesake(person) or not _is_latin(row["last_name"]):
        return None
    word = rng.choice(GENERATIONS)
    request = as_registered(row, with_birth_date=False)
    column = rng.choice(("suffix", "last_name", "last_name", "first_name"))
    if column == "first_name" and word in ("V", "VI", "jun."):
        column = "last_name"
    if column == "first_name" and row["first_name"] == "FNU":
        return None
    return replace(request, **{column: f"{getattr(request, column)} {word}".strip()})


def _sister(person: TrialPerson) -> Ask | None:
    """A longer middle name: Lan, and Lan Anh."""
    middle = person.row["middle_name"]
    if len(middle) < 2 or _has_generation(person):
        return None
    return replace(person.request, middle_name=f"{middle} {person.rng.choice(('Anh', 'Luisa', 'Rosa'))}")


def _other_given(person: TrialPerson) -> Ask | None:
    """Min Ji's sister: another second part, in the other column or left out."""
    row = person.row
    given = f"{row['first_name']} {row['middle_name']}".split()
    if len(given) != 2 or len(given[1]) < 2:
        return None
    other = person.rng.choice(("Ah", "Soo", "Hoa", "Paulo", "Marcus"))
    theirs = {f"{each['first_name']} {each['middle_name']}".split()[0] for each in person.household}
    if other == given[1] or given[0] in theirs:
        return None
    if row["middle_name"]:
        return replace(person.request, first_name=f"{given[0]} {other}", middle_name="")
    return replace(person.request, first_name=given[0], middle_name=other)


def _part_of_given(person: TrialPerson) -> Ask | None:
    first = person.row["first_name"].split()
    theirs = {row["first_name"].split()[0] for row in person.household}
    if len(first) != 2 or first[0] in theirs:
        return None
    return replace(person.request, first_name=first[0])


def _unknown_first_name(person: TrialPerson) -> Ask | None:
    if person.row["first_name"] == "FNU":
        return None
    return replace(person.request, first_name=person.rng.choice(("FNU", "", "XXX")))


def _other_one_name(person: TrialPerson) -> Ask | None:
    """A two-part name with the one name in it."""
    if person.row["first_name"] != "FNU":
        return None
    return replace(person.request, first_name=person.rng.choice(("Anil", "Maria", "Tenzing")))


def _particles(person: TrialPerson) -> Ask | None:
    rules = person.rules
    words = person.row["last_name"].replace("-", " ").split()
    small = rules.particles | rules.not_alone
    if len(words) < 2 or words[0].upper() not in small or person.row["first_name"] == "FNU":
        return None
    return replace(person.request, last_name=words[0])


def _homophone(person: TrialPerson) -> Ask | None:
    script = load_origins()["chinese"].script
    other = script.homophones.get(person.row["first_name"]) if script else None
    return replace(person.request, first_name=other) if other else None


def _unknown_birth(person: TrialPerson) -> Ask | None:
    """A relative: the date is everybody's, and the generation differs."""
    row = person.row
    if row["date_of_birth"] not in UNKNOWN_BIRTHS or row["suffix"] or _namesake(person):
        return None
    return replace(as_registered(row), suffix="Jr")


def _unknown_birth_misspelt(person: TrialPerson) -> Ask | None:
    """Two letters changed in the surname, which only a birth date may excuse."""
    row = person.row
    word = max(row["last_name"].replace("-", " ").split(), key=len)
    if row["date_of_birth"] not in UNKNOWN_BIRTHS or len(word) < 5 or not row["last_name"].isascii():
        return None
    changed = row["last_name"].replace(word, f"{word[0]}q{word[2:-1]}q", 1)
    return replace(as_registered(row), last_name=changed)


NAME_POSITIVES = (
    TrialKind("given name in other columns", "confirm", 8, _given_in_other_columns),
    TrialKind("given name in one word", "confirm", 3, _given_joined),
    TrialKind("Saint in another spelling", "confirm", 60, _saint),
    TrialKind("no middle name, in words", "confirm", 4, _no_middle_name),
    TrialKind("degree, or no suffix, in words", "confirm", 3, _degree),
    TrialKind("middle initials with full stops", "confirm", 3, _dotted_initials),
    TrialKind("umlauts as in a passport", "confirm", 30, _as_in_a_passport),
    TrialKind("generation in the surname's column", "confirm", 6, _generation_in_surname),
    TrialKind("one name under another code", "confirm", 60, _one_name),
)
NAME_NEGATIVES = (
    TrialKind("another generation, of many languages", "deny", 8, _father),
    TrialKind("a longer middle name", "deny", 5, _sister),
    TrialKind("another second given name", "deny", 8, _other_given),
    TrialKind("part of the given name", "deny", 5, _part_of_given),
    TrialKind("first name unknown", "deny", 3, _unknown_first_name),
    TrialKind("two names for one", "deny", 40, _other_one_name),
    TrialKind("a surname of particles", "deny", 8, _particles),
    TrialKind("another name of the same reading", "deny", 40, _homophone),
    TrialKind("unknown birth date, another generation", "deny", 12, _unknown_birth),
    TrialKind("unknown birth date, two letters off", "deny", 12, _unknown_birth_misspelt),
)

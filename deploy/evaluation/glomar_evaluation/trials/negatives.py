"""The kinds of hard negative: nearly the person or nearly the address, and never to be confirmed."""

import random
from datetime import date, timedelta
from functools import lru_cache

from anyascii import anyascii
from glomar_schemas.request_file import Ask
from glomar_verifier.matching.corrections import one_edit
from glomar_verifier.matching.text import transliterated
from msgspec.structs import replace

from glomar_evaluation.trials.address_kinds import ADDRESS_NEGATIVES
from glomar_evaluation.trials.name_kinds import NAME_NEGATIVES, has_generation, has_namesake
from glomar_evaluation.trials.trials import TrialKind, TrialPerson, as_registered

OTHER_DIRECTION = {"N": "S", "S": "N", "E": "W", "W": "E"}
OTHER_TYPE = {"St": "Ave", "Ave": "St", "Rd": "Dr", "Dr": "Rd", "Ln": "Ct", "Ct": "Ln", "Blvd": "Pkwy"}
NICKNAMES = {
    "Robert": "Bob", "William": "Bill", "James": "Jim", "John": "Jack", "Richard": "Dick", "Michael": "Mike",
    "Joseph": "Joe", "Charles": "Chuck", "Thomas": "Tom", "Elizabeth": "Betty", "Margaret": "Peggy",
    "Patricia": "Patty", "Jennifer": "Jenny", "José": "Pepe", "Francisco": "Paco", "Guadalupe": "Lupe",
    "Jesús": "Chuy", "Dolores": "Lola", "Antonio": "Toño", "Rosario": "Charo",
}  # fmt: skip


def _other_name(person: TrialPerson, column: str, known: frozenset[str], born: str) -> Ask | None:
    """Another person with a similar name. born: "same" keeps the registered birth date, the hardest case."""
    name, rules = person.row[column], person.rules
    words = name.split()
    # In a surname a particle may be left out, and another word beside it is a second surname.
    small = rules.particles | rules.not_alone | rules.glued_prefixes if column == "last_name" else frozenset()
    at = next((at for at, word in enumerate(words) if word.upper() not in small), 0)
    other = _look_alike(words[at], known, person.rng)
    if other is None or not words[at].isalpha():
        return None
    if other.upper() in small or other.upper() == transliterated(words[at]):
        return None
    request = as_registered(person.row, with_birth_date=born == "same")
    changed = " ".join((*words[:at], other, *words[at + 1 :]))
    return (
        replace(request, first_name=changed)
        if column == "first_name"
        else replace(request, last_name=changed)
    )


def _first(person: TrialPerson, born: str) -> Ask | None:
    return _other_name(person, "first_name", person.rules.first_names, born)


def _last(person: TrialPerson, born: str) -> Ask | None:
    return _other_name(person, "last_name", person.rules.surnames, born)


def _rare(person: TrialPerson) -> Ask | None:
    return _other_name(person, "last_name", person.rules.rare_surnames, "")


def _twin(person: TrialPerson) -> Ask | None:
    """Born on the same day, with a similar name, and not in the register."""
    request = _first(person, "same")
    return replace(request, middle_name="") if request and request.date_of_birth else None


def _number(person: TrialPerson, change: int) -> Ask | None:
    number = person.row["street_number"]
    return replace(person.request, street_number=str(int(number) + change)) if number.isdigit() else None


def _number_digits_swapped(person: TrialPerson) -> Ask | None:
    number = person.row["street_number"]
    swapped = number[1:2] + number[:1] + number[2:]
    return replace(person.request, street_number=swapped) if swapped != number and number.isdigit() else None


def _number_with(person: TrialPerson) -> Ask | None:
    number = person.row["street_number"]
    more = person.rng.choice(("A", " 1/2", "½", "-1"))
    return replace(person.request, street_number=number + more) if number else None


def _street(person: TrialPerson, others: dict[str, str]) -> Ask | None:
    words = person.row["street_name"].split()
    changed = [others.get(word, word) for word in words]
    return replace(person.request, street_name=" ".join(changed)) if changed != words else None


def _street_look_alike(person: TrialPerson) -> Ask | None:
    """Another street: one word of its name becomes another known word. Its type stays."""
    name = person.row["street_name"].split()[:-1]
    rules = person.rules
    words = [
        word for word in name if word.isalpha() and len(word) > 3 and word.upper() not in rules.directionals
    ]
    for known in (rules.street_words, rules.surnames, rules.first_names):
        other = _look_alike(words[0], known, person.rng) if words else None
        if other:
            return replace(person.request, street_name=person.row["street_name"].replace(words[0], other, 1))
    return None


def _numbered_street(person: TrialPerson) -> Ask | None:
    words = person.row["street_name"].split()
    at = next((at for at, word in enumerate(words) if word[0].isdigit()), None)
    if at is None:
        return None
    figures = "".join(character for character in words[at] if character.isdigit())
    words[at] = str(int(figures) + person.rng.choice((1, 10)))
    return replace(person.request, street_name=" ".join(words))


def _unit(person: TrialPerson) -> Ask | None:
    unit = person.row["unit"]
    return replace(person.request, unit=unit + person.rng.choice("12CD")) if unit else None


def _zip(person: TrialPerson) -> Ask | None:
    zip5 = person.row["zip"]
    return replace(person.request, zip=f"{(int(zip5) + person.rng.choice((-1, 1))) % 100_000:05d}")


def _po_box(person: TrialPerson) -> Ask | None:
    row = person.row
    if row["po_box"].isdigit():
        return replace(person.request, po_box=str(int(row["po_box"]) + 1))
    return replace(person.request, street_number="", street_name="", unit="", po_box=row["street_number"])


def _moved_away(person: TrialPerson) -> Ask | None:
    """The old address, for a year in which the person lived at the new one."""
    if len(person.spells) < 2:
        return None
    return replace(as_registered(person.spells[0]), tax_periods=as_registered(person.row).tax_periods)


def _before(person: TrialPerson) -> Ask:
    return replace(person.request, tax_periods=(min(int(row["from_year"]) for row in person.spells) - 1,))


def _born(person: TrialPerson, how: str) -> Ask | None:
    request = as_registered(person.row)
    born = request.date_of_birth
    if (
        born is None
        or born in person.rules.unknown_births
        or (how == "swapped" and (born.day > 12 or born.day == born.month))
    ):
        return None
    if how == "swapped":
        return replace(request, date_of_birth=date(born.year, born.day, born.month))
    return replace(request, date_of_birth=born + timedelta(days=1 if how == "day" else 366))


def _generation(person: TrialPerson) -> Ask | None:
    """The Jr of a Sr, the Sr or III of a Jr, and the Jr of a person without a suffix."""
    suffix = {"Sr": "Jr", "Jr": person.rng.choice(("Sr", "III")), "": "Jr"}.get(person.row["suffix"])
    there = {row["suffix"] for row in person.household if row["first_name"] == person.row["first_name"]}
    named_so = {"Junior", "Senior"} & set(person.row["middle_name"].split())
    if suffix is None or suffix in there or named_so:
        return None
    return replace(as_registered(person.row, with_birth_date=False), suffix=suffix)


def _generation_in_the_name(person: TrialPerson) -> Ask | None:
    request = _generation(person)
    return request and replace(request, suffix="", last_name=f"{request.last_name} {request.suffix}.")


def _middle(person: TrialPerson) -> Ask | None:
    initial = anyascii(person.row["middle_name"][:1])
    if not initial or has_generation(person) or has_namesake(person):
        return None
    return replace(person.request, middle_name=person.rng.choice([x for x in "ABJLMR" if x != initial]))


def _nickname(person: TrialPerson) -> Ask | None:
    nickname = NICKNAMES.get(person.row["first_name"])
    return replace(person.request, first_name=nickname) if nickname else None


def _first_initial(person: TrialPerson) -> Ask | None:
    if len(person.row["first_name"]) == 1:
        return None
    return replace(person.request, first_name=person.row["first_name"][0])


def _neighbour(person: TrialPerson) -> Ask | None:
    """The person's name with the birth date of another person in the household."""
    dates = {row["date_of_birth"] for row in person.household} - {person.row["date_of_birth"], ""}
    if not dates or not person.row["date_of_birth"]:
        return None
    return replace(person.request, date_of_birth=date.fromisoformat(min(dates)))


ABSENT = TrialKind("household member not on file", "deny", 1, lambda s: s.request)
NEGATIVES = (
    TrialKind("look-alike first name", "deny", 8, lambda s: _first(s, "")),
    TrialKind("look-alike first name, same birth date", "deny", 8, lambda s: _first(s, "same")),
    TrialKind("look-alike surname", "deny", 8, lambda s: _last(s, "")),
    TrialKind("look-alike surname, same birth date", "deny", 8, lambda s: _last(s, "same")),
    TrialKind("look-alike rare surname", "deny", 3, _rare),
    TrialKind("absent twin", "deny", 5, _twin),
    TrialKind("next house", "deny", 6, lambda s: _number(s, s.rng.choice((-1, 1)))),
    TrialKind("house number further off", "deny", 3, lambda s: _number(s, s.rng.choice((-11, 11, 101)))),
    TrialKind("house number's digits swapped", "deny", 4, _number_digits_swapped),
    TrialKind("house number with a letter or fraction", "deny", 3, _number_with),
    TrialKind("another direction", "deny", 5, lambda s: _street(s, OTHER_DIRECTION)),
    TrialKind("another street type", "deny", 5, lambda s: _street(s, OTHER_TYPE)),
    TrialKind("look-alike street", "deny", 6, _street_look_alike),
    TrialKind("another numbered street", "deny", 5, _numbered_street),
    TrialKind("another unit", "deny", 5, _unit),
    TrialKind("neighbouring ZIP code", "deny", 4, _zip),
    TrialKind("another PO box, or a box for a house", "deny", 4, _po_box),
    TrialKind("old address, later year", "deny", 6, _moved_away),
    TrialKind("year before any address", "deny", 3, _before),
    TrialKind("birth day and month swapped", "deny", 4, lambda s: _born(s, "swapped")),
    TrialKind("birth date a day off", "deny", 3, lambda s: _born(s, "day")),
    TrialKind("birth date a year off", "deny", 3, lambda s: _born(s, "year")),
    TrialKind("birth date of another in the house", "deny", 4, _neighbour),
    TrialKind("another generation", "deny", 5, _generation),
    TrialKind("another generation, in the surname", "deny", 3, _generation_in_the_name),
    TrialKind("another middle initial", "deny", 4, _middle),
    TrialKind("nickname", "deny", 2, _nickname),
    TrialKind("initial for the first name", "deny", 3, _first_initial),
    *NAME_NEGATIVES,
    *ADDRESS_NEGATIVES,
)


def _look_alike(name: str, known: frozenset[str], rng: random.Random) -> str | None:
    """Another known name one edit away; None if there is none."""
    near = _near(anyascii(name).upper(), known)
    return rng.choice(near).title() if near else None


@lru_cache(maxsize=50_000)
def _near(word: str, known: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted((one_edit(word) - {word}) & known))

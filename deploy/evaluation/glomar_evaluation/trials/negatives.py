"""The kinds of hard negative: nearly the person, nearly the address, and never to be confirmed.
`run` draws trials from NEGATIVES; pure. Whoever is `absent` is asked about by their own particulars."""

from datetime import date, timedelta

from anyascii import anyascii
from glomar_schemas.request_file import Ask
from msgspec.structs import replace

from glomar_evaluation.trials.slips import look_alike
from glomar_evaluation.trials.trials import Klass, Subject, as_registered

OTHER_DIRECTION = {"N": "S", "S": "N", "E": "W", "W": "E"}
OTHER_TYPE = {"St": "Ave", "Ave": "St", "Rd": "Dr", "Dr": "Rd", "Ln": "Ct", "Ct": "Ln", "Blvd": "Pkwy"}
NICKNAMES = {
    "Robert": "Bob", "William": "Bill", "James": "Jim", "John": "Jack", "Richard": "Dick", "Michael": "Mike",
    "Joseph": "Joe", "Charles": "Chuck", "Thomas": "Tom", "Elizabeth": "Betty", "Margaret": "Peggy",
    "Patricia": "Patty", "Jennifer": "Jenny", "José": "Pepe", "Francisco": "Paco", "Guadalupe": "Lupe",
    "Jesús": "Chuy", "Dolores": "Lola", "Antonio": "Toño", "Rosario": "Charo",
}  # fmt: skip


def _other_name(subject: Subject, column: str, known: frozenset[str], born: str) -> Ask | None:
    """A look-alike who is someone else. Born: with the registered birth date (the hardest), or without."""
    name = subject.row[column]
    head, _, rest = name.partition(" ")
    other = look_alike(head, known, subject.dice)
    if other is None or not head.isalpha():
        return None
    asked = as_registered(subject.row, with_birth_date=born == "same")
    changed = f"{other} {rest}".strip()
    return replace(asked, first_name=changed) if column == "first_name" else replace(asked, last_name=changed)


def _first(subject: Subject, born: str) -> Ask | None:
    return _other_name(subject, "first_name", subject.known.first, born)


def _last(subject: Subject, born: str) -> Ask | None:
    return _other_name(subject, "last_name", subject.known.last, born)


def _rare(subject: Subject) -> Ask | None:
    return _other_name(subject, "last_name", subject.known.rare, "")


def _twin(subject: Subject) -> Ask | None:
    """Born the same day, called nearly the same, and not in the register."""
    asked = _first(subject, "same")
    return replace(asked, middle_name="") if asked and asked.date_of_birth else None


def _number(subject: Subject, change: int) -> Ask | None:
    number = subject.row["street_number"]
    return replace(subject.asked, street_number=str(int(number) + change)) if number.isdigit() else None


def _number_turned(subject: Subject) -> Ask | None:
    number = subject.row["street_number"]
    turned = number[1:2] + number[:1] + number[2:]
    return replace(subject.asked, street_number=turned) if turned != number else None


def _number_with(subject: Subject) -> Ask | None:
    number = subject.row["street_number"]
    more = subject.dice.choice(("A", " 1/2", "½", "-1"))
    return replace(subject.asked, street_number=number + more) if number else None


def _street(subject: Subject, others: dict[str, str]) -> Ask | None:
    words = subject.row["street_name"].split()
    changed = [others.get(word, word) for word in words]
    return replace(subject.asked, street_name=" ".join(changed)) if changed != words else None


def _street_look_alike(subject: Subject) -> Ask | None:
    """Another street: one word of its name becomes another known one; its type is tried elsewhere."""
    name = subject.row["street_name"].split()[:-1]
    words = [word for word in name if word.isalpha() and len(word) > 3]
    names = subject.known
    for known in (names.street, names.last, names.first):
        other = look_alike(words[0], known, subject.dice) if words else None
        if other:
            return replace(subject.asked, street_name=subject.row["street_name"].replace(words[0], other, 1))
    return None


def _numbered_street(subject: Subject) -> Ask | None:
    words = subject.row["street_name"].split()
    at = next((at for at, word in enumerate(words) if word[0].isdigit()), None)
    if at is None:
        return None
    figures = "".join(character for character in words[at] if character.isdigit())
    words[at] = str(int(figures) + subject.dice.choice((1, 10)))
    return replace(subject.asked, street_name=" ".join(words))


def _unit(subject: Subject) -> Ask | None:
    unit = subject.row["unit"]
    return replace(subject.asked, unit=unit + subject.dice.choice("12CD")) if unit else None


def _zip(subject: Subject) -> Ask | None:
    zip5 = subject.row["zip"]
    return replace(subject.asked, zip=f"{(int(zip5) + subject.dice.choice((-1, 1))) % 100_000:05d}")


def _po_box(subject: Subject) -> Ask | None:
    row = subject.row
    if row["po_box"].isdigit():
        return replace(subject.asked, po_box=str(int(row["po_box"]) + 1))
    return replace(subject.asked, street_number="", street_name="", unit="", po_box=row["street_number"])


def _moved_away(subject: Subject) -> Ask | None:
    """The old address, asked for a year in which the person lived at the new one."""
    if len(subject.spells) < 2:
        return None
    return replace(as_registered(subject.spells[0]), tax_periods=as_registered(subject.row).tax_periods)


def _before(subject: Subject) -> Ask:
    return replace(subject.asked, tax_periods=(min(int(row["from_year"]) for row in subject.spells) - 1,))


def _born(subject: Subject, how: str) -> Ask | None:
    asked = as_registered(subject.row)
    born = asked.date_of_birth
    if born is None or (how == "turned" and (born.day > 12 or born.day == born.month)):
        return None
    if how == "turned":
        return replace(asked, date_of_birth=date(born.year, born.day, born.month))
    return replace(asked, date_of_birth=born + timedelta(days=1 if how == "day" else 366))


def _generation(subject: Subject) -> Ask | None:
    """The Jr of a Sr, the Sr of a Jr, the III of either; and the Jr of whoever has none on file."""
    suffix = {"Sr": "Jr", "Jr": subject.dice.choice(("Sr", "III")), "": "Jr"}.get(subject.row["suffix"])
    there = {row["suffix"] for row in subject.household if row["first_name"] == subject.row["first_name"]}
    named_so = {"Junior", "Senior"} & set(subject.row["middle_name"].split())
    if suffix is None or suffix in there or named_so:
        return None
    return replace(as_registered(subject.row, with_birth_date=False), suffix=suffix)


def _generation_in_the_name(subject: Subject) -> Ask | None:
    asked = _generation(subject)
    return asked and replace(asked, suffix="", last_name=f"{asked.last_name} {asked.suffix}.")


def _middle(subject: Subject) -> Ask | None:
    initial = anyascii(subject.row["middle_name"][:1])
    if not initial:
        return None
    return replace(subject.asked, middle_name=subject.dice.choice([x for x in "ABJLMR" if x != initial]))


def _nickname(subject: Subject) -> Ask | None:
    nickname = NICKNAMES.get(subject.row["first_name"])
    return replace(subject.asked, first_name=nickname) if nickname else None


def _first_initial(subject: Subject) -> Ask:
    return replace(subject.asked, first_name=subject.row["first_name"][0])


def _neighbour(subject: Subject) -> Ask | None:
    """One person's name with another's birth date, who lives there too."""
    dates = {row["date_of_birth"] for row in subject.household} - {subject.row["date_of_birth"], ""}
    if not dates or not subject.row["date_of_birth"]:
        return None
    return replace(subject.asked, date_of_birth=date.fromisoformat(min(dates)))


ABSENT = Klass("household member not on file", "deny", 1, lambda s: s.asked)
NEGATIVES = (
    Klass("look-alike first name", "deny", 8, lambda s: _first(s, "")),
    Klass("look-alike first name, same birth date", "deny", 8, lambda s: _first(s, "same")),
    Klass("look-alike surname", "deny", 8, lambda s: _last(s, "")),
    Klass("look-alike surname, same birth date", "deny", 8, lambda s: _last(s, "same")),
    Klass("look-alike rare surname", "deny", 3, _rare),
    Klass("absent twin", "deny", 5, _twin),
    Klass("next house", "deny", 6, lambda s: _number(s, s.dice.choice((-1, 1)))),
    Klass("house number further off", "deny", 3, lambda s: _number(s, s.dice.choice((-11, 11, 101)))),
    Klass("house number's figures turned", "deny", 4, _number_turned),
    Klass("house number with a letter or fraction", "deny", 3, _number_with),
    Klass("another direction", "deny", 5, lambda s: _street(s, OTHER_DIRECTION)),
    Klass("another street type", "deny", 5, lambda s: _street(s, OTHER_TYPE)),
    Klass("look-alike street", "deny", 6, _street_look_alike),
    Klass("another numbered street", "deny", 5, _numbered_street),
    Klass("another unit", "deny", 5, _unit),
    Klass("neighbouring ZIP code", "deny", 4, _zip),
    Klass("another PO box, or a box for a house", "deny", 4, _po_box),
    Klass("old address, later year", "deny", 6, _moved_away),
    Klass("year before any address", "deny", 3, _before),
    Klass("birth day and month turned", "deny", 4, lambda s: _born(s, "turned")),
    Klass("birth date a day off", "deny", 3, lambda s: _born(s, "day")),
    Klass("birth date a year off", "deny", 3, lambda s: _born(s, "year")),
    Klass("birth date of another in the house", "deny", 4, _neighbour),
    Klass("another generation", "deny", 5, _generation),
    Klass("another generation, in the surname", "deny", 3, _generation_in_the_name),
    Klass("another middle initial", "deny", 4, _middle),
    Klass("nickname", "deny", 2, _nickname),
    Klass(
        "initial for the first name", "deny", 3, lambda s: replace(s.asked, first_name=s.row["first_name"][0])
    ),
)

"""The kinds of true request: the person is in the register, at this address, and may be written otherwise.
`run` draws trials from POSITIVES; pure."""

from anyascii import anyascii
from glomar_schemas.request_file import Ask
from msgspec.structs import replace

from glomar_evaluation.trials.slips import mistyped, mistyped_in
from glomar_evaluation.trials.trials import Klass, Subject, as_registered

SPELT_OUT = {
    "N": "North", "S": "South", "E": "East", "W": "West", "St": "Street", "Ave": "Avenue", "Rd": "Road",
    "Dr": "Drive", "Ln": "Lane", "Blvd": "Boulevard", "Ct": "Court", "Pl": "Place", "Cir": "Circle",
    "Ter": "Terrace", "Pkwy": "Parkway", "Trl": "Trail", "Hwy": "Highway", "Sq": "Square",
    "1st": "First", "2nd": "Second", "3rd": "Third", "5th": "Fifth",
    "12th": "Twelfth", "21st": "Twenty-First",
}  # fmt: skip


def _double(subject: Subject) -> list[str] | None:
    tokens = subject.row["last_name"].split()
    return tokens if len(tokens) == 2 else None


def _surname(subject: Subject, pattern: str) -> Ask | None:
    tokens = _double(subject)
    if tokens is None:
        return None
    return replace(subject.asked, last_name=pattern.format(*tokens, lower=tokens[1].lower()))


def _without_accents(subject: Subject) -> Ask | None:
    asked = subject.asked
    if (asked.first_name + asked.last_name).isascii():
        return None
    return replace(
        asked, first_name=anyascii(asked.first_name).upper(), last_name=anyascii(asked.last_name).upper()
    )


def _first_mistyped(subject: Subject) -> Ask | None:
    asked = subject.asked
    return (
        replace(asked, first_name=mistyped(asked.first_name, subject.dice))
        if len(asked.first_name) > 1
        else None
    )


def _last_mistyped(subject: Subject) -> Ask | None:
    wrong = mistyped_in(subject.row["last_name"], subject.dice)
    return replace(subject.asked, last_name=wrong) if wrong else None


def _street_mistyped(subject: Subject) -> Ask | None:
    wrong = mistyped_in(subject.row["street_name"], subject.dice)
    return replace(subject.asked, street_name=wrong) if wrong else None


def _street_spelt_out(subject: Subject) -> Ask | None:
    words = subject.row["street_name"].split()
    spelt = " ".join(SPELT_OUT.get(word, word) for word in words).upper()
    return replace(subject.asked, street_name=spelt) if spelt != " ".join(words).upper() else None


def _unit(subject: Subject, form: str) -> Ask | None:
    unit = subject.row["unit"]
    return replace(subject.asked, unit=form.format(unit.split()[-1])) if unit else None


def _older_address(subject: Subject) -> Ask | None:
    return as_registered(subject.spells[0]) if len(subject.spells) > 1 else None


def _middle_initial(subject: Subject) -> Ask | None:
    middle = subject.row["middle_name"]
    return replace(subject.asked, middle_name=middle[0]) if len(middle) > 1 else None


def _direction_dropped(subject: Subject) -> Ask | None:
    head, _, rest = subject.row["street_name"].partition(" ")
    return replace(subject.asked, street_name=rest) if head in ("N", "S", "E", "W") and rest else None


def _names_exchanged(subject: Subject) -> Ask | None:
    asked = as_registered(subject.row)
    if asked.date_of_birth is None:
        return None
    return replace(asked, first_name=asked.last_name, last_name=asked.first_name)


POSITIVES = (
    Klass("as registered", "confirm", 30, lambda s: s.asked),
    Klass("capitals", "confirm", 10, lambda s: replace(s.asked, last_name=s.row["last_name"].upper())),
    Klass("accents dropped", "confirm", 10, _without_accents),
    Klass("typo in the first name", "confirm", 4, _first_mistyped),
    Klass("typo in the surname", "confirm", 4, _last_mistyped),
    Klass("typo in the street", "confirm", 4, _street_mistyped),
    Klass("second surname dropped", "confirm", 6, lambda s: _surname(s, "{0}")),
    Klass("first surname dropped", "confirm", 3, lambda s: _surname(s, "{1}")),
    Klass("surnames swapped", "confirm", 4, lambda s: _surname(s, "{1} {0}")),
    Klass("surnames hyphened", "confirm", 3, lambda s: _surname(s, "{0}-{1}")),
    Klass("surnames joined", "confirm", 2, lambda s: _surname(s, "{0}{lower}")),
    Klass("street spelt out", "confirm", 10, _street_spelt_out),
    Klass("unit left out", "confirm", 4, lambda s: _unit(s, "")),
    Klass("unit's designator another", "confirm", 4, lambda s: _unit(s, "# {0}")),
    Klass("middle name left out", "confirm", 6, lambda s: replace(s.asked, middle_name="")),
    Klass("middle initial", "confirm", 6, _middle_initial),
    Klass("older address in its year", "confirm", 6, _older_address),
    Klass("direction left out", "confirm", 3, _direction_dropped),
    Klass("first and last name exchanged", "confirm", 1, _names_exchanged),
)

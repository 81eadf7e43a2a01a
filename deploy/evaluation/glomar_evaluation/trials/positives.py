"""The kinds of true request: the person is in the register at this address, perhaps in another spelling."""

import random

from anyascii import anyascii
from glomar_schemas.request_file import Ask
from glomar_verifier.matching.text import fold
from msgspec.structs import replace

from glomar_evaluation.trials.address_kinds import ADDRESS_POSITIVES
from glomar_evaluation.trials.name_kinds import NAME_POSITIVES
from glomar_evaluation.trials.trials import TrialKind, TrialPerson, as_registered

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPELT_OUT = {
    "N": "North", "S": "South", "E": "East", "W": "West", "St": "Street", "Ave": "Avenue", "Rd": "Road",
    "Dr": "Drive", "Ln": "Lane", "Blvd": "Boulevard", "Ct": "Court", "Pl": "Place", "Cir": "Circle",
    "Ter": "Terrace", "Pkwy": "Parkway", "Trl": "Trail", "Hwy": "Highway", "Sq": "Square",
    "1st": "First", "2nd": "Second", "3rd": "Third", "5th": "Fifth",
    "12th": "Twelfth", "21st": "Twenty-First",
}  # fmt: skip


def _double(person: TrialPerson) -> list[str] | None:
    tokens, rules = person.row["last_name"].split(), person.rules
    small = rules.particles | rules.not_alone | rules.glued_prefixes | rules.generation_names
    small |= rules.surname_prefixes.keys()
    return tokens if len(tokens) == 2 and small.isdisjoint(fold(word, "") for word in tokens) else None


def _surname(person: TrialPerson, pattern: str) -> Ask | None:
    tokens = _double(person)
    if tokens is None:
        return None
    return replace(person.request, last_name=pattern.format(*tokens, lower=tokens[1].lower()))


def _without_accents(person: TrialPerson) -> Ask | None:
    request = person.request
    if (request.first_name + request.last_name).isascii():
        return None
    return replace(
        request,
        first_name=anyascii(request.first_name).upper(),
        last_name=anyascii(request.last_name).upper(),
    )


def _first_mistyped(person: TrialPerson) -> Ask | None:
    request = person.request
    return (
        replace(request, first_name=_mistyped(request.first_name, person.rng))
        if len(request.first_name) > 1
        else None
    )


def _last_mistyped(person: TrialPerson) -> Ask | None:
    wrong = _mistyped_in(person.row["last_name"], person.rng)
    return replace(person.request, last_name=wrong) if wrong else None


def _street_mistyped(person: TrialPerson) -> Ask | None:
    wrong = _mistyped_in(person.row["street_name"], person.rng)
    return replace(person.request, street_name=wrong) if wrong else None


def _street_spelt_out(person: TrialPerson) -> Ask | None:
    words = person.row["street_name"].split()
    spelt = " ".join(SPELT_OUT.get(word, word) for word in words).upper()
    return replace(person.request, street_name=spelt) if spelt != " ".join(words).upper() else None


def _unit(person: TrialPerson, form: str) -> Ask | None:
    unit = "" if person.form else person.row["unit"]
    return replace(person.request, unit=form.format(unit.split()[-1])) if unit else None


def _older_address(person: TrialPerson) -> Ask | None:
    return as_registered(person.spells[0]) if len(person.spells) > 1 else None


def _middle_initial(person: TrialPerson) -> Ask | None:
    middle = person.row["middle_name"]
    return replace(person.request, middle_name=middle[0]) if len(middle) > 1 else None


def _direction_dropped(person: TrialPerson) -> Ask | None:
    head, _, rest = person.row["street_name"].partition(" ")
    return replace(person.request, street_name=rest) if head in ("N", "S", "E", "W") and rest else None


def _names_exchanged(person: TrialPerson) -> Ask | None:
    request = as_registered(person.row)
    born = request.date_of_birth
    if born is None or (born.month, born.day) in person.rules.birthdays_of_unknown:
        return None
    return replace(request, first_name=request.last_name, last_name=request.first_name)


AS_REGISTERED = TrialKind("as registered", "confirm", 30, lambda s: s.request)
POSITIVES = (
    AS_REGISTERED,
    TrialKind("capitals", "confirm", 10, lambda s: replace(s.request, last_name=s.row["last_name"].upper())),
    TrialKind("accents dropped", "confirm", 10, _without_accents),
    TrialKind("typo in the first name", "confirm", 7, _first_mistyped),
    TrialKind("typo in the surname", "confirm", 7, _last_mistyped),
    TrialKind("typo in the street", "confirm", 7, _street_mistyped),
    TrialKind("second surname dropped", "confirm", 6, lambda s: _surname(s, "{0}")),
    TrialKind("first surname dropped", "confirm", 3, lambda s: _surname(s, "{1}")),
    TrialKind("surnames swapped", "confirm", 4, lambda s: _surname(s, "{1} {0}")),
    TrialKind("surnames hyphened", "confirm", 3, lambda s: _surname(s, "{0}-{1}")),
    TrialKind("surnames joined", "confirm", 2, lambda s: _surname(s, "{0}{lower}")),
    TrialKind("street spelt out", "confirm", 10, _street_spelt_out),
    TrialKind("unit left out", "confirm", 4, lambda s: _unit(s, "")),
    TrialKind("unit's designator another", "confirm", 8, lambda s: _unit(s, "# {0}")),
    TrialKind("middle name left out", "confirm", 6, lambda s: replace(s.request, middle_name="")),
    TrialKind("middle initial", "confirm", 6, _middle_initial),
    TrialKind("older address in its year", "confirm", 6, _older_address),
    TrialKind("direction left out", "confirm", 3, _direction_dropped),
    TrialKind("first and last name exchanged", "confirm", 1, _names_exchanged),
    *NAME_POSITIVES,
    *ADDRESS_POSITIVES,
)


def _mistyped(word: str, rng: random.Random) -> str:
    """One letter inserted, deleted or replaced, or two neighbours swapped; never the same word."""
    while True:
        at = rng.randrange(len(word))
        letter = rng.choice(_LETTERS.lower() if word[-1:].islower() else _LETTERS)
        wrong = rng.choice(
            (
                word[:at] + letter + word[at:],
                word[:at] + word[at + 1 :],
                word[:at] + letter + word[at + 1 :],
                word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
            )
        )
        if wrong and wrong.upper() != word.upper():
            return wrong


def _mistyped_in(text: str, rng: random.Random) -> str | None:
    """One typing error in the longest word of letters; None if no word has three letters."""
    words = text.split()
    candidates = [word for word in words if word.isalpha() and len(word) >= 3]
    if not candidates:
        return None
    word = max(candidates, key=len)
    return text.replace(word, _mistyped(word, rng), 1)

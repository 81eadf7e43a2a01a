"""The kinds of trial about addresses of special forms: other spellings of one address, and its neighbours.
Both are the examples of the verifier's postal tables."""

from functools import partial

from glomar_schemas.request_file import Ask
from msgspec.structs import replace

from glomar_evaluation.trials.homes import address_of
from glomar_evaluation.trials.trials import TrialKind, TrialPerson

# Kind -> words of the rules in the tables that it is made of.
NEIGHBOURS = {
    "another of several units": ("213", "285", "C2"),
    "another numbered road": ("Appendix F", "237"),
    "another street named after a direction": ("233",),
    "another number or suffix of a street": ("234", "235"),
    "another house number of letters or words": ("Appendix D",),
    "another route or box": ("241", "251", "238", "281"),
    "another urbanization or kilometre": ("292", "Puerto Rico"),
}


def _respelt(person: TrialPerson) -> Ask | None:
    return _at(person, person.form.same[1:]) if person.form else None


def _neighbour(person: TrialPerson, words: tuple[str, ...]) -> Ask | None:
    form = person.form
    return _at(person, form.other) if form and any(word in form.rule for word in words) else None


def _at(person: TrialPerson, examples: tuple[str, ...]) -> Ask:
    parts = address_of(person.rng.choice(examples))
    return replace(person.request, **{**parts, "zip": person.row["zip"]})


ADDRESS_POSITIVES = (TrialKind("special address, in another spelling", "confirm", 40, _respelt),)
ADDRESS_NEGATIVES = tuple(
    TrialKind(name, "deny", 20, partial(_neighbour, words=words)) for name, words in NEIGHBOURS.items()
)

"""What the rule files may hold, and the line of whatever they may not. Called by `rules` alone; pure."""

from collections.abc import Iterator
from typing import Annotated, TypeVar

import msgspec
from glomar_schemas.errors import Misconfigured
from msgspec import Meta, Struct

from glomar_verifier.readers.toml_errors import Fault, NotToml, misfits, read_tree
from glomar_verifier.readers.toml_positions import dotted, line_of, spans

FIX = "Mend the line, or reinstall Glomar"

Word = Annotated[str, Meta(pattern=r"^[A-Z0-9]+\Z", description="a word of capital letters and figures")]
Words = Annotated[
    str,
    Meta(
        pattern=r"^(?:[A-Z0-9]+(?: [A-Z0-9]+)*)?\Z",
        description="words of capital letters and figures, a blank between two",
    ),
]
Phrase = Annotated[Words, Meta(min_length=1)]
State = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="a state's two letters")]
States = Annotated[
    str, Meta(pattern=r"^[A-Z]{2,3}(?: [A-Z]{2,3})*\Z", description="states, a blank between two")
]
Prefixes = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{3}(?:-[0-9]{3})?(?: [0-9]{3}(?:-[0-9]{3})?)*\Z",
        description="ZIP prefixes of three figures as 005 100-149",
    ),
]
Zip = Annotated[str, Meta(pattern=r"^[0-9]{5}\Z", description="a ZIP code of five figures")]
Version = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\Z", description="a version as 2025.1")]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Spellings = dict[Word, Words]
"""Standard spelling -> the others."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    version: Version
    edit_min_letters: Count
    two_edits_min_letters: Count
    crowded_people: Count
    block_cap: Count


class Pub28(Struct, frozen=True, forbid_unknown_fields=True):
    directionals: Spellings
    suffixes: Spellings
    units: Spellings
    generic_units: Spellings
    base_words: Spellings
    ordinals: Spellings
    tens: Spellings


class Particles(Struct, frozen=True, forbid_unknown_fields=True):
    glued: Words
    glued_if_known: Words
    particles: Words


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    suffixes: Spellings
    surnames: Particles


class Placeholders(Struct, frozen=True, forbid_unknown_fields=True):
    whole: tuple[Phrase, ...]
    within: tuple[Phrase, ...]
    address_only: tuple[Phrase, ...]


class Elsewhere(Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    au: States


class ZipStates(Struct, frozen=True, forbid_unknown_fields=True):
    prefixes: dict[State, Prefixes]
    exceptions: dict[Zip, States]
    elsewhere: Elsewhere


T = TypeVar("T", bound=Struct)


def read(raw: bytes, name: str, kind: type[T]) -> T:
    """Raises Misconfigured for the first thing in the file that is wrong, with its line."""
    try:
        text, tree = read_tree(raw)
    except NotToml as fault:
        raise _misfit(name, fault.line, fault.what) from None
    faults = list(misfits(tree, kind))
    if not faults:
        well = msgspec.convert(tree, kind)
        faults = [*_of_spellings(well), *_of_prefixes(well)]
    if faults:
        found = spans(text)
        line, place, what = min((line_of(found, fault.place), fault.place, fault.what) for fault in faults)
        raise _misfit(name, line, f"{dotted(place)}: {what}" if place else what)
    return well


def _misfit(name: str, line: int, what: str) -> Misconfigured:
    return Misconfigured(what, where=f"rules/{name}, line {line}", fix=FIX)


def _of_spellings(tables: Struct) -> Iterator[Fault]:
    """A spelling means one thing."""
    for field in msgspec.structs.fields(tables):
        if field.type != Spellings:
            continue
        means: dict[str, str] = {}
        for standard, variants in getattr(tables, field.name).items():
            for spelling in (standard, *variants.split()):
                if spelling in means:
                    yield Fault((field.name, standard), f"{spelling} stands in {means[spelling]} already")
                means[spelling] = standard


def _of_prefixes(tables: Struct) -> Iterator[Fault]:
    for state, ranges in tables.prefixes.items() if isinstance(tables, ZipStates) else ():
        for span in ranges.split():
            first, _, last = span.partition("-")
            if last and last < first:
                yield Fault(("prefixes", state), f"{span} ends before it begins")

"""Reads and checks the rule files: TOML tables and word lists. A fault is reported with its line. Pure."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated, TypeVar

import msgspec
from glomar_schemas.errors import Misconfigured
from msgspec import Meta, Struct

from glomar_verifier.readers.toml import (
    NotToml,
    TomlFault,
    dotted,
    line_of,
    line_spans,
    read_tree,
    type_faults,
)

FIX = "Correct the line, or reinstall Glomar"
MAX_WORD_LETTERS = 40

WordList = frozenset[str]
_COMMENTS_AND_WORDS = re.compile(rb"((?:#.*\n)*)((?:[A-Z]{1,%d}\n)*)" % MAX_WORD_LETTERS)

Word = Annotated[str, Meta(pattern=r"^[A-Z0-9]+\Z", description="a word of capital letters and digits")]
Words = Annotated[
    str,
    Meta(
        pattern=r"^(?:[A-Z0-9]+(?: [A-Z0-9]+)*)?\Z",
        description="words of capital letters and digits, with a blank between",
    ),
]
Phrase = Annotated[Words, Meta(min_length=1)]
State = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="a state's two letters")]
States = Annotated[
    str, Meta(pattern=r"^[A-Z]{2,3}(?: [A-Z]{2,3})*\Z", description="states, with a blank between")
]
Prefixes = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{3}(?:-[0-9]{3})?(?: [0-9]{3}(?:-[0-9]{3})?)*\Z",
        description="ZIP prefixes of three digits, as 005 100-149",
    ),
]
Zip = Annotated[str, Meta(pattern=r"^[0-9]{5}\Z", description="a ZIP code of five digits")]
Version = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\Z", description="a version, as 2025.1")]
MonthAndDay = Annotated[
    str, Meta(pattern=r"^[01][0-9]-[0-3][0-9]\Z", description="a month and a day, as 01-01")
]
Example = Annotated[
    str, Meta(pattern=r"^[^|=]*(?:\|[^|=]*)* = [^|=]*(?:\|[^|=]*)*\Z", description="two sides with = between")
]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Spellings = dict[Word, Words]
"""Standard spelling -> its variants."""


class MatchLimits(Struct, frozen=True, forbid_unknown_fields=True):
    version: Version
    edit_min_letters: Count
    two_edits_min_letters: Count
    crowded_people: Count
    shared_birth_people: Count
    shared_birth_factor: Count
    misspelt_street_ratio: Count
    block_cap: Count


class NameWords(Struct, frozen=True, forbid_unknown_fields=True):
    articles: Words
    before_name: Words
    names_too: Words
    credentials: Words
    titles: Words


class NoMiddleName(Struct, frozen=True, forbid_unknown_fields=True):
    whole: tuple[Phrase, ...]
    if_no_name: Word


class UnknownNames(Struct, frozen=True, forbid_unknown_fields=True):
    codes: tuple[Phrase, ...]


class SurnameParts(Struct, frozen=True, forbid_unknown_fields=True):
    glued: Words
    glued_if_known: Words
    particles: Words
    not_alone: Words


class Examples(Struct, frozen=True, forbid_unknown_fields=True):
    """Pairs that the rules must accept as the same, and pairs that they must keep apart."""

    same: tuple[Example, ...]
    other: tuple[Example, ...]


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    generations: Spellings
    last_generations: Spellings
    generations_after_article: Spellings
    words: NameWords
    none: NoMiddleName
    unknown: UnknownNames
    surnames: SurnameParts
    surname_prefixes: Spellings
    examples: Examples


class BirthDates(Struct, frozen=True, forbid_unknown_fields=True):
    unknown: tuple[date, ...]
    only_the_year: tuple[MonthAndDay, ...]


class Placeholders(Struct, frozen=True, forbid_unknown_fields=True):
    whole: tuple[Phrase, ...]
    never_names: tuple[Phrase, ...]
    within: tuple[Phrase, ...]
    address_only: tuple[Phrase, ...]
    birth_dates: BirthDates
    towns: dict[State, tuple[Phrase, ...]]


class Elsewhere(Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    au: States


class Hyphens(Struct, frozen=True, forbid_unknown_fields=True):
    queens: Words


class ZipStates(Struct, frozen=True, forbid_unknown_fields=True):
    prefixes: dict[State, Prefixes]
    exceptions: dict[Zip, States]
    elsewhere: Elsewhere
    names: dict[State, tuple[Phrase, ...]]
    hyphens: Hyphens


T = TypeVar("T", bound=Struct)


def read(raw: bytes, name: str, kind: type[T]) -> T:
    """The tables of one TOML file. Raises Misconfigured for the first fault, with its line."""
    try:
        text, tree = read_tree(raw)
    except NotToml as fault:
        raise _misconfigured(name, fault.line, fault.what) from None
    faults = list(type_faults(tree, kind))
    if not faults:
        tables = msgspec.convert(tree, kind)
        faults = [*_spelling_faults(tables), *_prefix_faults(tables)]
    if faults:
        spans = line_spans(text)
        line, path, what = min((line_of(spans, fault.path), fault.path, fault.what) for fault in faults)
        raise _misconfigured(name, line, f"{dotted(path)}: {what}" if path else what)
    return tables


def read_words(raw: bytes, name: str) -> WordList:
    """The words of one list: comment lines that begin with #, then one word of capital letters a line, in
    ascending order. Raises Misconfigured for the first fault, with its line."""
    found = _COMMENTS_AND_WORDS.match(raw)
    assert found is not None  # both parts may be empty
    comments, words = found[1].count(b"\n"), found[2].decode().split()
    if found.end() < len(raw) or not words:
        raise _misconfigured(name, comments + len(words) + 1, "not a word of capital letters")
    known = frozenset(words)
    if len(known) < len(words) or words != sorted(words):
        line = next(line for line, (one, other) in enumerate(pairwise(words), start=2) if one >= other)
        raise _misconfigured(name, comments + line, "out of order or repeated")
    return known


def fault_at(raw: bytes, name: str, path: tuple[str | int, ...], what: str) -> Misconfigured:
    """For an entry of a file that can be read: the line of `path`."""
    text, _ = read_tree(raw)
    return _misconfigured(name, line_of(line_spans(text), path), f"{dotted(path)}: {what}")


def _misconfigured(name: str, line: int, what: str) -> Misconfigured:
    return Misconfigured(what, where=f"rules/{name}, line {line}", fix=FIX)


def _spelling_faults(tables: Struct) -> Iterator[TomlFault]:
    """A spelling has one meaning within a table."""
    for field in msgspec.structs.fields(tables):
        if field.type != Spellings:
            continue
        meanings: dict[str, str] = {}
        for standard, variants in getattr(tables, field.name).items():
            for spelling in (standard, *variants.split()):
                if spelling in meanings:
                    yield TomlFault(
                        (field.name, standard), f"{spelling} is already a spelling of {meanings[spelling]}"
                    )
                meanings[spelling] = standard


def _prefix_faults(tables: Struct) -> Iterator[TomlFault]:
    for state, ranges in tables.prefixes.items() if isinstance(tables, ZipStates) else ():
        for span in ranges.split():
            first, _, last = span.partition("-")
            if last and last < first:
                yield TomlFault(("prefixes", state), f"{span} ends before it begins")

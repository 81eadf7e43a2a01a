"""The reviewed tables of normalisation, matching and sufficiency. They are loaded once and passed as a value;
each verdict names their digest."""

import hashlib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from typing import Any, TypeVar

import msgspec
from glomar_schemas.errors import Misconfigured

from glomar_verifier.matching import rule_files
from glomar_verifier.matching.postal_rules import PostalRules, Pub28, postal_rules, spellings
from glomar_verifier.matching.rule_files import WordList

RULE_FILES = (
    "first_names.txt", "limits.toml", "names.toml", "placeholders.toml", "pub28.toml", "street_words.txt",
    "surnames.txt", "surnames_rare.txt", "zip_states.toml",
)  # fmt: skip

T = TypeVar("T", bound=msgspec.Struct)

Spellings = Mapping[str, str]


class Rules(msgspec.Struct, frozen=True, eq=False):
    """Every table is spelling -> standard spelling, or a set of words, all upper case.

    `version` is the reviewers' name for this state of the tables; `digest` is the SHA-256 (hex) over the
    files, so that an edit without a new version is still visible. `placeholders_within` have a blank at both
    ends. Compared by identity, so that caches may use it as a key. The four word lists hold some 554,000
    words in 57 MB.
    """

    version: str
    digest: str
    directionals: Spellings
    street_types: Spellings
    type_spellings: Mapping[str, tuple[str, ...]]
    base_words: Spellings
    ordinals: Spellings
    postal: PostalRules
    generations: Spellings
    last_generations: Spellings
    generations_after_article: Spellings
    generations_before_name: frozenset[str]
    generation_names: frozenset[str]
    generation_articles: frozenset[str]
    credentials: frozenset[str]
    titles: frozenset[str]
    no_middle_name: frozenset[str]
    no_middle_name_or_name: str
    unknown_names: frozenset[str]
    surname_prefixes: Spellings
    surname_prefix_spellings: tuple[str, ...]
    glued_prefixes: frozenset[str]
    prefixes_glued_if_known: frozenset[str]
    particles: frozenset[str]
    not_alone: frozenset[str]
    unknown_births: frozenset[date]
    birthdays_of_unknown: frozenset[tuple[int, int]]
    placeholders_whole: frozenset[str]
    placeholders_never_names: frozenset[str]
    placeholders_within: tuple[str, ...]
    placeholders_in_address: frozenset[str]
    towns_like_placeholders: Mapping[str, tuple[str, ...]]
    states_by_prefix: Mapping[str, frozenset[str]]
    states_by_zip: Mapping[str, frozenset[str]]
    states: frozenset[str]
    first_names: WordList
    surnames: WordList
    rare_surnames: WordList
    street_words: WordList
    edit_min_letters: int
    two_edits_min_letters: int
    crowded_people: int
    shared_birth_people: int
    shared_birth_factor: int
    misspelt_street_ratio: int
    block_cap: int

    @property
    def label(self) -> str:
        """For the verdict's verifier version: `rules/<version>+<first 12 of the digest>`."""
        return f"rules/{self.version}+{self.digest[:12]}"


def known_birth(born: date | None, rules: Rules) -> date | None:
    """None also for a date that stands for an unknown one, as 1 January 1900."""
    return None if born in rules.unknown_births else born


def load_rules() -> Rules:
    """Reads the rule files of the package. Raises as `rules_from`."""
    folder = resources.files("glomar_verifier") / "matching" / "data"
    try:
        files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    except OSError as error:
        raise Misconfigured("the rule files can't be read", where="rules", fix="Reinstall Glomar") from error
    return rules_from(files)


def rules_from(files: Mapping[str, bytes]) -> Rules:
    """File name -> bytes, for all of RULE_FILES and no other. Raises Misconfigured, naming file and line."""
    for name in sorted({*files} ^ {*RULE_FILES}):
        what, fix = (
            ("is missing", "Reinstall Glomar") if name in RULE_FILES else ("not a rule file", "Remove it")
        )
        raise Misconfigured(what, where=f"rules/{name}", fix=fix)
    digest = hashlib.sha256()
    for name in RULE_FILES:
        digest.update(hashlib.sha256(name.encode() + b"\0" + files[name]).digest())
    return _assemble(files, digest.hexdigest())


def _assemble(files: Mapping[str, bytes], digest: str) -> Rules:
    # The examples are compared by the modules that use the rules.
    from glomar_verifier.matching import address_examples, name_examples

    def tables(name: str, kind: type[T]) -> T:
        return rule_files.read(files[name], name, kind)

    def words(name: str) -> WordList:
        return rule_files.read_words(files[name], name)

    limits, pub28 = tables("limits.toml", rule_files.MatchLimits), tables("pub28.toml", Pub28)
    names, placeholders = (
        tables("names.toml", rule_files.Names),
        tables("placeholders.toml", rule_files.Placeholders),
    )
    zips = tables("zip_states.toml", rule_files.ZipStates)
    rules = Rules(
        version=limits.version,
        digest=digest,
        directionals=spellings(pub28.directionals),
        street_types=spellings(pub28.suffixes),
        type_spellings=_written_out(pub28.suffixes),
        base_words=spellings(pub28.base_words),
        ordinals=spellings(pub28.ordinals),
        postal=postal_rules(pub28, zips),
        **_name_tables(names),
        unknown_births=frozenset(placeholders.birth_dates.unknown),
        birthdays_of_unknown=frozenset(
            (int(day[:2]), int(day[3:])) for day in placeholders.birth_dates.only_the_year
        ),
        placeholders_whole=frozenset(placeholders.whole),
        placeholders_never_names=frozenset(placeholders.never_names),
        placeholders_within=tuple(f" {phrase} " for phrase in placeholders.within),
        placeholders_in_address=frozenset(placeholders.address_only),
        towns_like_placeholders=placeholders.towns,
        states_by_prefix=_states_by_prefix(zips.prefixes),
        states_by_zip={code: frozenset(states.split()) for code, states in zips.exceptions.items()},
        states=frozenset((*zips.prefixes, *zips.elsewhere.au.split())),
        first_names=_with_prefixes(words("first_names.txt"), names.surname_prefixes),
        surnames=_with_prefixes(words("surnames.txt"), names.surname_prefixes),
        rare_surnames=_with_prefixes(words("surnames_rare.txt"), names.surname_prefixes),
        street_words=words("street_words.txt"),
        edit_min_letters=limits.edit_min_letters,
        two_edits_min_letters=limits.two_edits_min_letters,
        crowded_people=limits.crowded_people,
        shared_birth_people=limits.shared_birth_people,
        shared_birth_factor=limits.shared_birth_factor,
        misspelt_street_ratio=limits.misspelt_street_ratio,
        block_cap=limits.block_cap,
    )
    for what in address_examples.wrong_examples(pub28.examples, rules):
        raise Misconfigured(what, where="rules/pub28.toml", fix=rule_files.FIX)
    name_examples.require_examples(files["names.toml"], names.examples, rules)
    return rules


def _name_tables(names: rule_files.Names) -> dict[str, Any]:
    words, surnames = names.words, names.surnames
    generations, names_too = spellings(names.generations), frozenset(words.names_too.split())
    prefixes = {
        spelling: standard
        for standard, variants in names.surname_prefixes.items()
        for spelling in variants.split()
    }
    return {
        "generations": {
            word: standard
            for word, standard in generations.items()
            if len(word) > 1 and word not in names_too
        },
        "last_generations": generations | spellings(names.last_generations),
        "generations_after_article": spellings(names.generations_after_article),
        "generations_before_name": frozenset(words.before_name.split()),
        "generation_names": names_too,
        "generation_articles": frozenset(words.articles.split()),
        "credentials": frozenset(words.credentials.split()),
        "titles": frozenset(words.titles.split()),
        "no_middle_name": frozenset(names.none.whole),
        "no_middle_name_or_name": names.none.if_no_name,
        "unknown_names": frozenset(names.unknown.codes),
        "surname_prefixes": prefixes,
        "surname_prefix_spellings": tuple(prefixes),
        "glued_prefixes": frozenset(surnames.glued.split()),
        "prefixes_glued_if_known": frozenset(surnames.glued_if_known.split()),
        "particles": frozenset(surnames.particles.split()),
        "not_alone": frozenset(surnames.not_alone.split()),
    }


def _with_prefixes(words: WordList, prefixes: Mapping[str, str]) -> WordList:
    """Also with each prefix in its standard spelling: the normal form of SAINTFLEUR is STFLEUR."""
    pairs = [(variant, standard) for standard, variants in prefixes.items() for variant in variants.split()]
    return words | {
        standard + word.removeprefix(variant)
        for variant, standard in pairs
        for word in words
        if word.startswith(variant) and len(word) > len(variant) + 1
    }


def _written_out(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Standard -> its spellings of three letters or more."""
    return {
        standard: tuple(word for word in (standard, *variants.split()) if len(word) > 2)
        for standard, variants in table.items()
    }


def _states_by_prefix(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    states: dict[str, set[str]] = {}
    for state, ranges in table.items():
        for span in ranges.split():
            first, _, last = span.partition("-")
            for prefix in range(int(first), int(last or first) + 1):
                states.setdefault(f"{prefix:03d}", set()).add(state)
    return {prefix: frozenset(found) for prefix, found in states.items()}

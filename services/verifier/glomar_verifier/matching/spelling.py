"""Whether two spellings are one name: what counts as equal, and what counts as one slip. Pure.

A slip is one edit between a known name and an unknown word. Two known names are two names (CHEN, CHENG), and
of two unknown words nobody can say which one was meant. An equal birth date on both sides allows more in a
surname or a street, and never in a first name, since twins share a birth date (docs/adr/0019).
"""

from collections import Counter
from collections.abc import Container, Iterator, Sequence

from msgspec.structs import replace
from rapidfuzz.distance import OSA

from glomar_verifier.matching.names import NormalName, divided_given_name, several, surname_tokens
from glomar_verifier.matching.rules import Rules


def is_slip(
    one: Sequence[str], other: Sequence[str], rules: Rules, *known: Container[str], same_birth: bool
) -> bool:
    """Whether two texts of one or more words, with a blank counted as a letter, differ by one slip: one edit
    (optimal string alignment: a letter inserted, deleted or replaced, or two neighbours swapped), and all
    words of exactly one text are in the lists `known`. With an equal birth date: two edits in a long text,
    and both texts may be unknown. Never between two known texts."""
    left, right = " ".join(one), " ".join(other)
    shorter = min(len(left), len(right))
    max_edits = 2 if same_birth and shorter >= rules.two_edits_min_letters else 1
    if shorter < rules.edit_min_letters or OSA.distance(left, right, score_cutoff=max_edits) > max_edits:
        return False
    # Digits are exact: 5th is not 6th.
    if not (left + right).replace(" ", "").isalpha():
        return False
    known_texts = sum(all(any(word in words for words in known) for word in text) for text in (one, other))
    return known_texts == 1 or (same_birth and known_texts == 0)


def first_name_slips(one: NormalName, other: NormalName, rules: Rules) -> int | None:
    """0 if equal, 1 for a slip, None for another name. In a name of several words the word that differs must
    be a slip too: no list holds Mario José, but Mario is another name than María."""
    if not one.first or not other.first:
        # People with one name have no first name: their one name is compared exactly.
        return 0 if one.first == other.first and "".join(one.surname) == "".join(other.surname) else None
    if one.first == other.first:
        return 0
    known = rules.first_names
    if not is_slip([one.first], [other.first], rules, known, same_birth=False):
        return None
    words = (*_different_first_words(one, other), *_different_first_words(other, one))
    slips = (is_slip([word], [rest], rules, known, same_birth=False) for word, rest in words)
    return 1 if all(slips) else None


def same_given_name(one: NormalName, other: NormalName, rules: Rules) -> bool:
    """Whether one given name is divided over the two columns in two ways: Min Ji, and Min with the middle
    name Ji. If one side has it in one word, both parts must be known names: Minji."""
    if not (one.first and other.first and (one.middle or other.middle)):
        return False
    if not (one.first.startswith(other.first) or other.first.startswith(one.first)):
        return False
    whole = divided_given_name(one) or one.first
    if whole != (divided_given_name(other) or other.first):
        return False
    words, others = ((*(n.first_words or (n.first,)), *n.middle.split()) for n in (one, other))
    if words == others:
        return True
    longer, shorter = (words, others) if len(words) > len(others) else (others, words)
    return (
        len(longer) == 2
        and len(shorter) == 1
        and rules.no_middle_name_or_name not in longer
        and all(word in rules.first_names for word in longer)
    )


def same_middle_name(one: NormalName, other: NormalName, rules: Rules, *, same_birth: bool) -> bool:
    """Blank on one side is no contradiction, unless the other is a word of generation (Peter Jun; but Hyun
    Jun is a given name); and an initial stands for a name. Otherwise all words are equal: Lan and Lan Anh are
    sisters."""
    mine, theirs = one.middle.split(), other.middle.split()
    if one.middle.replace(" ", "") == other.middle.replace(" ", ""):
        return True
    if not (mine and theirs):
        return same_birth or not any(
            word in rules.generation_names and name.first + word not in rules.first_names
            for name in (one, other)
            for word in name.middle.split()
        )
    shorter, longer = (mine, theirs) if len(mine) < len(theirs) else (theirs, mine)
    if len(shorter) < len(longer) and any(len(word) > 1 for word in shorter):
        return False
    pairs = zip(shorter, longer, strict=False)
    return all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in pairs)


def native_contradictions(one: NormalName, other: NormalName) -> Iterator[str]:
    """The gates at which two names in one and the same script differ, whatever their Latin readings are."""
    if not (one.native and other.native):
        return
    firsts, middles, lasts = zip(one.native, other.native, strict=True)
    given, others = ("".join(part.partition(" ")[2] for part in name.native[:2]) for name in (one, other))
    if given.replace(" ", "") != others.replace(" ", ""):
        if _differ_in_script(*firsts):
            yield "first-name"
        if _differ_in_script(*middles):
            yield "middle-name"
    if _differ_in_script(*lasts):
        words, other_words = (set(text.split()[1:]) for text in lasts)
        joined, other_joined = ("".join(text.split()[1:]) for text in lasts)
        if not (words <= other_words or other_words <= words or joined == other_joined):
            yield "surname"


def _differ_in_script(one: str, other: str) -> bool:
    return one != other and one.partition(" ")[0] == other.partition(" ")[0] != ""


def _different_first_words(name: NormalName, other: NormalName) -> Iterator[tuple[str, str]]:
    """The word in which the names differ, if it is one word, and what the other name has in its place. If the
    other name is one word, its letters may belong to two words: Carlose Eduardo, Carloseduardo."""
    if name.first_words and other.first_words:
        different, others = different_words(list(name.first_words), list(other.first_words))
        if len(different) == 1:
            yield different[0], "".join(others)
        return
    for from_end in (False, True):
        words, rest = name.first_words, other.first
        for end in (from_end, not from_end):
            while words and (rest.endswith(words[-1]) if end else rest.startswith(words[0])):
                word, words = (words[-1], words[:-1]) if end else (words[0], words[1:])
                rest = rest.removesuffix(word) if end else rest.removeprefix(word)
        if len(words) == 1:
            yield words[0], rest


def exchanged(requested: NormalName, recorded: NormalName, rules: Rules) -> NormalName | None:
    """The requested name with first and last name exchanged, if both parts fit in that order and neither fits
    in the written order: the twin of James James is not James. Only for names with an equal birth date."""
    if (
        not requested.first
        or requested.first == recorded.first
        or surname_slips(requested.surname, recorded.surname, rules, same_birth=True) is not None
    ):
        return None
    surname = requested.surname
    turned = replace(
        requested,
        first="".join(surname),
        first_words=several(surname),
        surname=surname_tokens(list(requested.first_words or (requested.first,)), rules),
        native=requested.native and (requested.native[2], requested.native[1], requested.native[0]),
    )
    if first_name_slips(turned, recorded, rules) is None:
        return None
    fits = surname_slips(turned.surname, recorded.surname, rules, same_birth=True) is not None
    return turned if fits else None


def surname_slips(one: Sequence[str], other: Sequence[str], rules: Rules, *, same_birth: bool) -> int | None:
    """0 if equal, 1 if one token is a slip, None for another name.

    Equal are two surnames that are the same when joined, or of which each token of the shorter is a token of
    the longer: García López matches García, López, López García and Garcialopez. Particles, single letters
    and words such as Abdul do not match by themselves. A name that is also a word of generation (Nieto) may
    be left out only with an equal birth date.
    """
    if not one or not other:
        return None
    if one == other or "".join(one) == "".join(other):
        return 0
    shorter, longer = sorted((distinguishing(one, rules), distinguishing(other, rules)), key=Counter.total)
    only_shorter, only_longer = shorter - longer, longer - shorter
    if not same_birth and not rules.generation_names.isdisjoint((*only_shorter, *only_longer)):
        return None
    if not only_shorter:
        is_enough = any(word not in rules.not_alone for word in shorter)
        return 0 if is_enough and _small_words_fit(one, other, rules) else None
    # Few people have a rare surname. Two of them who share everything except one letter, and a birth date,
    # are not worth a rule.
    known = (rules.surnames,) if same_birth else (rules.surnames, rules.rare_surnames)
    single = only_shorter.total() == 1
    candidates = [word for word in only_longer if word not in rules.not_alone] if single else []
    pairs = [([word], [candidate]) for word in only_shorter for candidate in candidates]
    pairs.append(different_words(list(one), list(other)))
    slips = (
        pair
        for pair in pairs
        if is_slip(*pair, rules, *known, same_birth=same_birth)
        and not _are_two_with_prefix(*pair, rules, known)
    )
    return 1 if any(slips) else None


def _are_two_with_prefix(
    one: Sequence[str], other: Sequence[str], rules: Rules, known: Sequence[Container[str]]
) -> bool:
    """St. Hilaire and St. Helaire: no list has both as one word, but each is known without its prefix."""
    return all(
        any(
            text.startswith(prefix) and any(text.removeprefix(prefix) in words for words in known)
            for prefix in rules.glued_prefixes
            if len(prefix) > 1
        )
        for text in ("".join(one), "".join(other))
    )


def _small_words_fit(one: Sequence[str], other: Sequence[str], rules: Rules) -> bool:
    """García R is not García López: an initial stands for a word that only the other name has, if there is
    such a word. De Luca is not Di Luca, but particles may be left out."""
    particles, others = rules.particles.intersection(one), rules.particles.intersection(other)
    if not (particles <= others or others <= particles):
        return False
    return _initials_fit(one, other, rules) and _initials_fit(other, one, rules)


def _initials_fit(one: Sequence[str], other: Sequence[str], rules: Rules) -> bool:
    initials = tuple(token for token in one if len(token) == 1 and token not in rules.particles)
    only_other = distinguishing(other, rules) - distinguishing(one, rules)
    return not initials or not only_other or any(word.startswith(initials) for word in only_other)


def distinguishing(tokens: Sequence[str], rules: Rules) -> Counter[str]:
    """The tokens that are neither particles nor initials, with how often each occurs (García García: two)."""
    return Counter(token for token in tokens if len(token) > 1 and token not in rules.particles)


def different_words(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Both without the words that they share at the beginning and at the end."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return one, other

"""When two spellings are one name or one street: what is the same, and what may be a slip of the pen.
The gates in `match` call it; pure.

A slip is one edit between a known name and a word that is none. Two known names are two names (CHEN, CHENG);
of two unknown words nobody can say which was meant. A birth date that agrees vouches for the person, so that
more is a slip in a surname or a street; not in a first name, for twins share it (docs/adr/0019).
"""

from collections import Counter
from collections.abc import Container, Iterator, Sequence

from msgspec.structs import replace

from glomar_verifier.matching.normalise import NormalName, Street, several
from glomar_verifier.matching.rules import Rules


def edits(one: str, other: str, most: int = 99) -> int:
    """Letters put in, left out or changed, and neighbours swapped (optimal string alignment); `most` + 1 or
    more where they are more than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    start = end = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        start += 1
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    if not one or not other:
        return len(one) + len(other)
    # What one edit leaves is at most two letters, swapped.
    if most == 1 and max(len(one), len(other)) > 2:
        return 2
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, above, row = row, before, [i]
        for j, b in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                best = min(best, above[j - 2] + 1)
            row.append(best)
    return row[-1]


def is_slip(
    one: Sequence[str], other: Sequence[str], rules: Rules, *known: Container[str], vouched: bool
) -> bool:
    """Two texts of one or more words, a blank counted as a letter; `known` are tables of words. One edit, and
    of exactly one text all words are known. If the birth date vouches for the person: two edits in a long
    text, and both may be unknown. Never both known."""
    left, right = " ".join(one), " ".join(other)
    shorter = min(len(left), len(right))
    most = 2 if vouched and shorter >= rules.two_edits_min_letters else 1
    if shorter < rules.edit_min_letters or edits(left, right, most) > most:
        return False
    # Figures are exact: 5th is not 6th.
    if not (left + right).replace(" ", "").isalpha():
        return False
    how_many = sum(all(any(word in table for table in known) for word in text) for text in (one, other))
    return how_many == 1 or (vouched and how_many == 0)


def first_name_slips(one: NormalName, other: NormalName, rules: Rules) -> int | None:
    """0 if equal, 1 for a slip, None for another name. In a name of several words the slip is one of a word,
    too: Mario José is no table's word, but Mario is another name than María."""
    if one.first == other.first:
        return 0 if one.first else None
    pairs = [(one.first, other.first), *_odd_first_words(one, other), *_odd_first_words(other, one)]
    slips = (is_slip([a], [b], rules, rules.first_names, vouched=False) for a, b in pairs)
    return 1 if all(slips) else None


def _odd_first_words(name: NormalName, other: NormalName) -> Iterator[tuple[str, str]]:
    """The word in which they differ, if it is one, and what the other, joined or not, has in its place."""
    words, rest = name.first_words, other.first
    while words and rest.startswith(words[0]):
        words, rest = words[1:], rest.removeprefix(words[0])
    while words and rest.endswith(words[-1]):
        words, rest = words[:-1], rest.removesuffix(words[-1])
    if len(words) == 1:
        yield words[0], rest


def exchanged(asked: NormalName, known: NormalName, rules: Rules) -> NormalName | None:
    """The name asked with first and last name in each other's place, if both fit so and neither as it stands:
    James James's twin is no James. To be tried only where the birth date vouches for the person."""
    if (
        asked.first == known.first
        or surname_slips(asked.surname, known.surname, rules, vouched=True) is not None
    ):
        return None
    surname = asked.surname
    turned = replace(asked, first="".join(surname), first_words=several(surname), surname=(asked.first,))
    if first_name_slips(turned, known, rules) is None:
        return None
    fits = surname_slips(turned.surname, known.surname, rules, vouched=True) is not None
    return turned if fits else None


def surname_slips(one: Sequence[str], other: Sequence[str], rules: Rules, *, vouched: bool) -> int | None:
    """How many tokens are slips, at most one; None for another name.

    Written joined they are equal, or each token of the shorter is one of the longer: García López matches
    García, López, López García and Garcialopez. Particles and single letters match nobody.
    """
    if not one or not other:
        return None
    if one == other or "".join(one) == "".join(other):
        return 0
    shorter, longer = sorted((telling(one, rules), telling(other, rules)), key=Counter.total)
    odd, left = shorter - longer, longer - shorter
    if not odd:
        return 0 if shorter and _small_words_fit(one, other, rules) else None
    # Few bear a rare surname: that two of them share all but a letter and a birthday needs no heed.
    known = (rules.surnames,) if vouched else (rules.surnames, rules.rare_surnames)
    pairs = [([word], [candidate]) for word in odd for candidate in left] if odd.total() == 1 else []
    pairs.append(_odd_words(list(one), list(other)))
    return 1 if any(is_slip(*pair, rules, *known, vouched=vouched) for pair in pairs) else None


def _small_words_fit(one: Sequence[str], other: Sequence[str], rules: Rules) -> bool:
    """García R is not García López: an initial stands for a word that only the other has, if there is one.
    And De Luca is not Di Luca; but particles may be left out."""
    mine, theirs = rules.particles.intersection(one), rules.particles.intersection(other)
    if not (mine <= theirs or theirs <= mine):
        return False
    return _initials_fit(one, other, rules) and _initials_fit(other, one, rules)


def _initials_fit(one: Sequence[str], other: Sequence[str], rules: Rules) -> bool:
    initials = tuple(token for token in one if len(token) == 1 and token not in rules.particles)
    left = telling(other, rules) - telling(one, rules)
    return not initials or not left or any(word.startswith(initials) for word in left)


def telling(tokens: Sequence[str], rules: Rules) -> Counter[str]:
    """The tokens that say who is meant; García García has one twice."""
    return Counter(token for token in tokens if len(token) > 1 and token not in rules.particles)


def same_street(one: Street, other: Street, rules: Rules, *, vouched: bool) -> bool:
    """Direction and type may be missing, never different; every figure exact. One slip may be anywhere in the
    line, the blanks and the type included."""
    if not one.base or not other.base or not _same_direction(one, other):
        return False
    if one.type and other.type and one.type != other.type:
        return False
    if one.base == other.base or _same_line(one.base, other.base, rules, vouched=vouched):
        return True
    if one.type == other.type:
        return False
    typed, bare = (one, other) if one.type else (other, one)
    return any(_types(typed, word, bare.base, rules, vouched) for word in rules.type_spellings[typed.type])


def _types(street: Street, word: str, line: str, rules: Rules, vouched: bool) -> bool:
    """Is the line the street's base and this word of its type, with one slip: Oakstreet, Oak Steret? Broadway
    is not Broad Way."""
    mine, theirs = _odd_words([*street.base.split(), word], line.split())
    glued = "".join(mine) == "".join(theirs) and len(word) > 3 and "".join(mine).isalpha()
    if mine != [word]:
        return glued or is_slip(mine, theirs, rules, *_street_tables(rules), vouched=vouched)
    # In the type's own place only another type is another street. Crt may be Court as well as Crest.
    meant = is_slip(mine, theirs, rules, rules.street_types, vouched=vouched)
    return glued or (meant and (vouched or not _may_be_another_type(" ".join(theirs), street.type, rules)))


def _may_be_another_type(text: str, type_: str, rules: Rules) -> bool:
    types = rules.street_types.items()
    return any(standard != type_ and edits(text, spelling, 1) < 2 for spelling, standard in types)


def _same_direction(one: Street, other: Street) -> bool:
    """N Main St is Main St N; but on a grid E 1700 S is not S 1700 E."""
    mine = tuple(way for way in (one.direction, one.post_direction) if way)
    theirs = tuple(way for way in (other.direction, other.post_direction) if way)
    return not mine or not theirs or mine == theirs


def _same_line(one: str, other: str, rules: Rules, *, vouched: bool) -> bool:
    """But for a blank (Mc Donald, McDonald; but 1 23 is not 12 3) or a slip in the words that differ."""
    mine, theirs = _odd_words(one.split(), other.split())
    joined = "".join(mine)
    if joined == "".join(theirs):
        return joined.isalpha()
    return is_slip(mine, theirs, rules, *_street_tables(rules), vouched=vouched)


def _street_tables(rules: Rules) -> tuple[Container[str], ...]:
    return rules.street_words, rules.surnames, rules.first_names, rules.street_types, rules.base_words


def _odd_words(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Without the words that both have at the beginning and at the end."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return one, other

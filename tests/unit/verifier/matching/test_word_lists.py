"""The word lists: a file of sorted words is a set of them; any other file is refused."""

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_verifier.matching.rule_files import MAX_WORD_LETTERS, read_words
from hypothesis import given
from hypothesis import strategies as st

from tests.support.registers import RULES

WORDS = st.sets(st.text("ABC", min_size=1, max_size=6), min_size=1)


@given(WORDS)
def test_the_words_of_a_file_are_a_set(words: set[str]) -> None:
    assert read_words("".join(f"{word}\n" for word in sorted(words)).encode(), "x.txt") == words


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", 1),
        (b"# only a comment\n", 2),
        (b"A\nA\n", 2),
        (b"# comment\nA\nC\nB\n", 4),
        (b"B\nA\n", 2),
        (b"A\n\nB\n", 2),
        (b"a\n", 1),
        (b"A B\n", 1),
        (b"A\nB", 2),
        (b"\xc3\x89\n", 1),
        (b"A1\n", 1),
        (b"A\n# comment\n", 2),
        (b"A\nA" + b"B" * MAX_WORD_LETTERS + b"\n", 2),
    ],
)
def test_a_file_that_is_no_word_list_is_refused_with_its_line(raw: bytes, line: int) -> None:
    with pytest.raises(Misconfigured, match=f"rules/x.txt, line {line}"):
        read_words(raw, "x.txt")


def test_a_comment_is_no_word() -> None:
    assert read_words(b"# Made by a script.\n# B\nA\n", "x.txt") == {"A"}


def test_the_shipped_lists_hold_what_they_say() -> None:
    assert "SMITH" in RULES.surnames and "SMITH" not in RULES.rare_surnames
    assert "JUANA" in RULES.first_names and "HILLSIDE" in RULES.street_words
    for words in (RULES.surnames, RULES.first_names, RULES.rare_surnames, RULES.street_words):
        assert "SMIHT" not in words and "ROBRET" not in words
        assert 5_000 < len(words) < 250_000

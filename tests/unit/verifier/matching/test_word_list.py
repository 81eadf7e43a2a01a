"""The word tables: a file of sorted words that answers like a set, and refuses what isn't one."""

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_verifier.matching.word_list import Words
from hypothesis import given
from hypothesis import strategies as st

from tests.support.registers import RULES

WORDS = st.sets(st.text("ABC", min_size=1, max_size=6), min_size=1)


@given(WORDS, st.text("ABC", max_size=6))
def test_words_answer_like_a_set(words: set[str], sought: str) -> None:
    table = Words("".join(f"{word}\n" for word in sorted(words)).encode(), where="x")
    assert (sought in table) == (sought in words)
    assert all(word in table for word in words)
    assert (len(table), set(table)) == (len(words), words)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"# only a comment\n",
        b"A\nA\n",
        b"B\nA\n",
        b"A\n\nB\n",
        b"a\n",
        b"A B\n",
        b"A\nB",
        b"\xc3\x89\n",
        b"A1\n",
    ],
)
def test_a_file_that_is_no_word_table_is_refused(raw: bytes) -> None:
    with pytest.raises(Misconfigured, match="rules/x"):
        Words(raw, where="rules/x.txt")


def test_a_comment_is_no_word() -> None:
    assert set(Words(b"# Made by a script.\n# B\nA\n", where="x")) == {"A"}


def test_the_shipped_tables_hold_what_they_say() -> None:
    assert "SMITH" in RULES.surnames and "SMITH" not in RULES.rare_surnames
    assert "JUANA" in RULES.first_names and "HILLSIDE" in RULES.street_words
    for table in (RULES.surnames, RULES.first_names, RULES.rare_surnames, RULES.street_words):
        assert "SMIHT" not in table and "ROBRET" not in table
        assert 5_000 < len(table) < 250_000

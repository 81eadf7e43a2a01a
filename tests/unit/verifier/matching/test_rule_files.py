"""A rule file with a fault is refused; the error names the file, the line and what to do."""

import re
from importlib import resources

import pytest
from glomar_schemas.errors import Misconfigured
from glomar_verifier.matching.rules import RULE_FILES, load_rules, rules_from

FILES = {
    name: (resources.files("glomar_verifier") / "matching" / "data" / name).read_bytes()
    for name in RULE_FILES
}

# Fault -> (file, text in it, its replacement, lines below it, part of the error).
WRONG: dict[str, tuple[str, str, str, int, str]] = {
    "an unknown key": ("limits.toml", "block_cap = 600", "block_cap = 600\nblock_capp = 9", 1, "block_capp"),
    "an unknown table": ("pub28.toml", "\n[units]", "\n[unitz]\nA = 'B'\n[units]", 1, "unitz: unknown field"),
    "a table within a table": ("names.toml", "[surnames]", "[surnames.more]\n[surnames]", 0, "surnames.more"),
    "an unknown list": ("placeholders.toml", "whole = [", "wholly = []\nwhole = [", 0, "wholly: unknown"),
    "another country": ("zip_states.toml", "AU = ", 'NZ = "AUK"\nAU = ', 0, "elsewhere.NZ: unknown field"),
    "a key left out": ("limits.toml", "block_cap = 600", "", 0, "block_cap is missing"),
    "a table for a text": ("pub28.toml", "[numbers]", "[numbers.X]\n[numbers]", 0, "Expected `str`, got `"),
    "a number as a text": ("limits.toml", "block_cap = 600", "block_cap = '600'", 0, "Expected `int`"),
    "a number below one": ("limits.toml", "block_cap = 600", "block_cap = 0", 0, "Expected `int` >= 1"),
    "no version": ("limits.toml", '"2025', '"of 2025', 0, "version: not a version"),
    "small letters": ("pub28.toml", "STREETS", "Streets", 0, "suffixes.STS: not words of capital letters"),
    "small letters before": ("pub28.toml", "\nSTS =", "\nSts =", 1, "suffixes.Sts: not a word"),
    "two blanks": ("names.toml", '"MC MAC', '"MC  MAC', 0, "glued: not words of capital"),
    "a blank phrase": ("placeholders.toml", '"ADDRESS", ', '"", ', 0, "whole[0]: not words of capital"),
    "no state": ("zip_states.toml", "AK =", "Alaska =", 0, "prefixes.Alaska: not a state"),
    "a prefix of two digits": ("zip_states.toml", "995-999", "95-999", 0, "prefixes.AK: not ZIP prefixes"),
    "a range that ends too soon": ("zip_states.toml", "995-999", "999-995", 0, "ends before it begins"),
    "a ZIP code of four digits": ("zip_states.toml", "02861", "2861", 0, "exceptions.2861: not a ZIP code"),
    "no TOML": ("names.toml", "[surnames]", "[surnames", 0, "not TOML"),
    "a key twice": ("limits.toml", "block_cap = 600", "block_cap = 600\nblock_cap = 6", 1, "not TOML"),
    "a small letter in a list": ("street_words.txt", "\nABERFELDY\n", "\nAberfeldy\n", 1, "not a word of"),
    "two columns in a list": ("surnames.txt", "\nAABERG\n", "\nAABERG,9\n", 1, "not a word of"),
    "a list out of order": ("surnames.txt", "\nAAB\nAABERG\n", "\nAABERG\nAAB\n", 2, "out of order or"),
    "a word twice": ("surnames.txt", "\nAABERG\n", "\nAABERG\nAABERG\n", 2, "out of order or"),
    "a comment among the words": ("surnames.txt", "\nAABERG\n", "\n# Aaberg\n", 1, "not a word of"),
}  # fmt: skip


@pytest.mark.parametrize("how", WRONG)
def test_a_rule_file_with_what_it_may_not_hold_is_refused_by_file_and_line(how: str) -> None:
    name, text, instead, below, words = WRONG[how]
    before, found, after = FILES[name].decode().partition(text)
    assert found
    with pytest.raises(Misconfigured, match=re.escape(words)) as refusal:
        rules_from({**FILES, name: (before + instead + after).encode()})
    line = before.count("\n") + 1 + below
    # A missing key has no line.
    assert refusal.value.where == f"rules/{name}, line {1 if how == 'a key left out' else line}"
    assert refusal.value.fix == "Correct the line, or reinstall Glomar"


def test_a_spelling_with_two_meanings_is_reported_with_both() -> None:
    twice = FILES["pub28.toml"].replace(b'ALY = "', b'ALY = "STREET ')
    with pytest.raises(Misconfigured, match=r"suffixes\.ST: STREET is already a spelling of ALY"):
        rules_from({**FILES, "pub28.toml": twice})


def test_what_is_not_utf_8_is_refused_by_line() -> None:
    with pytest.raises(Misconfigured, match=r"rules/names\.toml, line 2: not UTF-8"):
        rules_from({**FILES, "names.toml": b"# \n# \xff\n" + FILES["names.toml"]})


def test_a_rule_file_that_nobody_reads_is_refused_and_so_is_one_that_is_missing() -> None:
    with pytest.raises(Misconfigured, match=r"rules/nicknames\.toml: not a rule file\. Remove it"):
        rules_from({**FILES, "nicknames.toml": b""})
    with pytest.raises(Misconfigured, match=r"rules/names\.toml: is missing\. Reinstall"):
        rules_from({name: raw for name, raw in FILES.items() if name != "names.toml"})


def test_an_edit_changes_the_digest() -> None:
    assert rules_from(FILES).digest == load_rules().digest
    edited = {**FILES, "limits.toml": FILES["limits.toml"] + b"\n# note\n"}
    assert rules_from(edited).digest != load_rules().digest

"""Keys under which the register files a record and a request looks it up: keyed hashes of 64 bits.
Called by `register build` for every row and by each register for every lookup; pure.

Completeness is what the decision rests on: a record that passes every gate shares at least one key with
the request (a surname token, or the joined surname, at the same ZIP and house number or PO box). So no
second person who fits can stay unseen.
"""

import hashlib
from functools import lru_cache

from glomar_verifier.normalise import NormalAddress, NormalName

_CODES = {
    letter: code
    for code, letters in zip("123456", ("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), strict=True)
    for letter in letters
}


def block_keys(name: NormalName, address: NormalAddress, secret: bytes) -> frozenset[int]:
    """`ZIP|number|soundex(surname token)`, `ZIP|soundex(first)|soundex(surname token)` and
    `ZIP|number|soundex(street)|initial`, each as a signed 64-bit BLAKE2b under `secret` (32 bytes)."""
    zip5, first = address.zip5, soundex(name.first)
    sounds = {soundex(token) for token in (*name.surname, "".join(name.surname))}
    points = [point for point in (address.number, address.po_box and f"BOX {address.po_box}") if point]
    texts = [f"N|{zip5}|{point}|{sound}" for point in points for sound in sounds]
    texts += [f"F|{zip5}|{first}|{sound}" for sound in sounds]
    if address.number and address.street.base:
        texts.append(f"S|{zip5}|{address.number}|{soundex(address.street.base)}|{name.first[:1]}")
    return frozenset(keyed_hash(text, secret) for text in texts)


def place_key(address: NormalAddress, secret: bytes) -> int:
    """One key per delivery point, unit included: what `register build` counts people by."""
    street = address.street
    return keyed_hash(
        f"P|{address.zip5}|{address.number}|{address.po_box}|{street.base}|{street.type}|{address.unit}",
        secret,
    )


def keyed_hash(text: str, secret: bytes) -> int:
    """Signed, since SQLite's and PostgreSQL's integers are."""
    hasher = _keyed(secret).copy()
    hasher.update(text.encode())
    return int.from_bytes(hasher.digest(), "big", signed=True)


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> "hashlib.blake2b":
    """Its first block, the key, is hashed already."""
    return hashlib.blake2b(digest_size=8, key=secret)


@lru_cache(maxsize=65_536)
def soundex(word: str) -> str:
    """American Soundex as the US National Archives state it: O'HARA's OHARA -> O600. A word without
    letters is its own code, so that 5 AVE and 7 AVE differ."""
    letters = [letter for letter in word if letter.isalpha()]
    if not letters:
        return word
    code, before = letters[0], _CODES.get(letters[0], "")
    for letter in letters[1:]:
        digit = _CODES.get(letter, "")
        if digit and digit != before:
            code += digit
        # H and W don't part two letters of one code; vowels do.
        if letter not in "HW":
            before = digit
    return (code + "000")[:4]

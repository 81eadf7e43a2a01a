"""Keys under which the register files a record and a request looks it up: keyed hashes of 64 bits.
Called by `register build` for every row and by each register for every lookup; pure.

Completeness is what the decision rests on. A record that passes every gate has the request's ZIP and house
number or PO box; and since without a common birth date at most one name is a slip, one word of the name to
the letter. So it shares a key with the request, and no second person who fits can stay unseen.
"""

import hashlib
from datetime import date
from functools import lru_cache

from glomar_verifier.matching.normalise import NormalAddress, NormalName


def block_keys(
    name: NormalName, address: NormalAddress, date_of_birth: date | None, secret: bytes
) -> frozenset[int]:
    """`ZIP|number|word of the name` and, if there is a birth date, `ZIP|birth date`, each as a signed 64-bit
    BLAKE2b under `secret` (32 bytes)."""
    words = {name.first, *name.surname, "".join(name.surname)}
    points = [point for point in (address.number, address.po_box and f"BOX {address.po_box}") if point]
    texts = {f"N|{address.zip5}|{point}|{word}" for point in points for word in words}
    if date_of_birth:
        texts.add(f"D|{address.zip5}|{date_of_birth.isoformat()}")
    return frozenset(keyed_hash(text, secret) for text in texts)


def place_key(address: NormalAddress, secret: bytes) -> int:
    """One key per delivery point, unit included: what `register build` counts people by."""
    street, base = address.street, address.street.base.replace(" ", "")
    return keyed_hash(
        f"P|{address.zip5}|{address.number}|{address.po_box}|{base}|{street.type}|{address.unit}",
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

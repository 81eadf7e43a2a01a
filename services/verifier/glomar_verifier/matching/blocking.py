"""Blocking keys: keyed hashes of 64 bits, under which a register files a record and a query finds it. Pure.

The decision needs every record that may pass the gates. Such a record has the ZIP code of the request, and
its house number or PO box; and without an equal birth date at most one name is a slip, so one word of the
name is equal. Therefore it shares a key with the request, and no second person who fits is missed.
"""

import hashlib
from datetime import date
from functools import lru_cache

from glomar_verifier.matching.addresses import NormalAddress
from glomar_verifier.matching.names import NormalName


def block_keys(
    name: NormalName, address: NormalAddress, date_of_birth: date | None, secret: bytes
) -> frozenset[int]:
    """`ZIP|number|word of the name` and, if there is a birth date, `ZIP|birth date`, each as a signed 64-bit
    BLAKE2b under `secret` (32 bytes)."""
    words = {
        word for form in name.forms for word in (form.first, *form.surname, "".join(form.surname)) if word
    }
    points = [point for point in (address.number, address.po_box and f"BOX {address.po_box}") if point]
    texts = {f"N|{address.zip5}|{point}|{word}" for point in points for word in words}
    if date_of_birth:
        texts.add(f"D|{address.zip5}|{date_of_birth.isoformat()}")
    return frozenset(keyed_hash(text, secret) for text in texts)


def place_key(address: NormalAddress, secret: bytes) -> int:
    """One key per delivery point, unit included: the build counts people by it."""
    street, base = address.street, address.street.base.replace(" ", "")
    area, unit = address.urbanization.replace(" ", ""), address.unit_key
    return keyed_hash(
        f"P|{address.zip5}|{address.number}|{address.po_box}|{base}|{street.type}|{unit}|{area}", secret
    )


def street_key(zip5: str, name: str, secret: bytes) -> int:
    """One key for each name of a street (`places.street_names`) in a ZIP code: the build counts spells by
    it."""
    return keyed_hash(f"S|{zip5}|{name}", secret)


def keyed_hash(text: str, secret: bytes) -> int:
    """BLAKE2b of 64 bits under `secret`, signed as the integers of SQLite and PostgreSQL are."""
    hasher = _keyed(secret).copy()
    hasher.update(text.encode())
    return int.from_bytes(hasher.digest(), "big", signed=True)


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> "hashlib.blake2b":
    """The hash state after its first block, the key."""
    return hashlib.blake2b(digest_size=8, key=secret)

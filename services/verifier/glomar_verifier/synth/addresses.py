"""Addresses for the generator, each given to one household only, so that the truth of a request is known.
`people` takes them one by one. House numbers are even: an odd one is an address where nobody lives."""

import random
from collections.abc import Iterator
from itertools import count

from glomar_verifier.synth.tables import Tables

FLATS_PER_HOUSE = 10
PO_BOX_SHARE = 0.04
BLOCK_OF_FLATS_SHARE = 0.03


def addresses(tables: Tables, dice: random.Random) -> Iterator[dict[str, str]]:
    """The address columns of the register file, without end and without repetition."""
    for house in count():
        city, state, zip_code = tables.places[house % len(tables.places)]
        street = (house // len(tables.places)) % len(tables.streets)
        block = house // (len(tables.places) * len(tables.streets))
        here = {"city": city, "state": state, "zip": zip_code}
        if dice.random() < PO_BOX_SHARE:
            yield _address(po_box=str(1_000 + house), **here)
            continue
        line = {
            "street_number": str(100 + 2 * block + 100 * (street % 7)),
            "street_name": tables.streets[street],
        }
        if dice.random() < BLOCK_OF_FLATS_SHARE:
            for flat in range(FLATS_PER_HOUSE):
                yield _address(unit=f"Apt {flat // 2 + 1}{'AB'[flat % 2]}", **line, **here)
        else:
            yield _address(**line, **here)


def _address(**given: str) -> dict[str, str]:
    return {"street_number": "", "street_name": "", "unit": "", "po_box": "", **given}

"""Addresses for the generator, each given to one household only, so that the truth of a request is known.
`people` takes them one by one. House numbers are even: an odd one is an address where nobody lives."""

import random
from collections.abc import Iterator
from itertools import count

from glomar_verifier.synth.tables import Tables

FLATS_PER_HOUSE = 10
HOUSES_PER_STREET = 25
PO_BOX_SHARE = 0.04
BLOCK_OF_FLATS_SHARE = 0.03


def addresses(tables: Tables, dice: random.Random) -> Iterator[dict[str, str]]:
    """The address columns of the register file, without end and without repetition."""
    for house in count():
        city, state, zip_code = tables.places[house % len(tables.places)]
        street = (house // len(tables.places)) % len(tables.streets)
        block = house // (len(tables.places) * len(tables.streets))
        # A town grows by ZIP codes of its own prefix, so that none gets fuller than a real one.
        suffix = (int(zip_code[3:]) + block // HOUSES_PER_STREET) % 100
        here = {"city": city, "state": state, "zip": f"{zip_code[:3]}{suffix:02d}"}
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

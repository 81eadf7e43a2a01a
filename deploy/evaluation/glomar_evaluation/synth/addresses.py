"""Addresses by number, one for each household, so that the truth of a request is known. House numbers are
even: nobody lives at an odd one."""

import numpy as np

from glomar_evaluation.synth.tables import BoolArray, IntArray, Tables, TextArray

STREETS_IN_A_ZIP = 40
HOUSES_BEFORE_THE_NEXT_ZIP = 400
FLATS = 10
GROUP_QUARTERS_FROM = 9_000
"""Only shelters, dormitories and prisons have house numbers from here on."""
_ZIPS = 100
_FLATS_ON = (3, 17, 31)
_BOXES_ON = (5,)


def addresses(tables: Tables, numbers: IntArray, crowded: BoolArray) -> dict[str, TextArray]:
    """The address columns for these numbers; each number is one address. `crowded`: the group quarters among
    them."""
    places = len(tables.places)
    place, rest = numbers % places, numbers // places
    # A town fills one ZIP code of its prefix after the other, and then starts again.
    zip_, rest = rest // HOUSES_BEFORE_THE_NEXT_ZIP, rest % HOUSES_BEFORE_THE_NEXT_ZIP
    house = rest + HOUSES_BEFORE_THE_NEXT_ZIP * (zip_ // _ZIPS)
    zip_ = zip_ % _ZIPS
    lane, along = house % STREETS_IN_A_ZIP, house // STREETS_IN_A_ZIP
    flats = np.isin(lane, _FLATS_ON) & ~crowded
    boxes = np.isin(lane, _BOXES_ON) & ~crowded
    number = 100 * (1 + lane * 13 % 60) + 2 * np.where(flats, along // FLATS, along)
    number = np.where(crowded, GROUP_QUARTERS_FROM + 2 * along, number)
    street = (place * 101 + zip_ * 37 + lane) % len(tables.streets)
    unit = np.where(flats, along % FLATS + 1, 0)
    return {
        "street_number": np.where(boxes, "", _TEXT[np.minimum(number, len(_TEXT) - 1)]),
        "street_name": np.where(boxes, "", np.array(tables.streets, dtype=object)[street]),
        "unit": _UNITS[unit],
        "po_box": np.where(boxes, _TEXT[np.minimum(1_000 + along, len(_TEXT) - 1)], ""),
        "urbanization": np.full(len(numbers), "", dtype=object),
        "city": np.array([city for city, _, _ in tables.places], dtype=object)[place],
        "state": np.array([state for _, state, _ in tables.places], dtype=object)[place],
        "zip": _zips(tables)[place * _ZIPS + zip_],
    }


def _zips(tables: Tables) -> TextArray:
    return np.array(
        [
            f"{code[:3]}{(int(code[3:]) + step) % _ZIPS:02d}"
            for _, _, code in tables.places
            for step in range(_ZIPS)
        ],
        dtype=object,
    )


_TEXT: TextArray = np.array([str(number) for number in range(100_000)], dtype=object)
_UNITS: TextArray = np.array(
    ["", *(f"{kind} {flat}" for flat, kind in enumerate(("Apt", "Apt", "Unit", "#", "Apt") * 2, start=1))],
    dtype=object,
)

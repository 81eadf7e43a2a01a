"""Addresses for the generator, each given to one household only, so that the truth of a request is known.
`people` asks for them by number. House numbers are even: an odd one is an address where nobody lives."""

import numpy as np

from glomar_evaluation.synth.tables import Flags, Numbers, Tables, Words

STREETS_IN_A_ZIP = 40
HOUSES_BEFORE_THE_NEXT_ZIP = 400
FLATS = 10
GROUP_QUARTERS_FROM = 9_000
"""Shelters, dormitories and prisons have house numbers from here on, and nobody else does."""
_ZIPS = 100
_FLATS_ON = (3, 17, 31)
_BOXES_ON = (5,)


def addresses(known: Tables, numbers: Numbers, crowded: Flags) -> dict[str, Words]:
    """The address columns for these numbers, of which each is an address of its own. `crowded`: at which
    many live together."""
    places = len(known.places)
    place, rest = numbers % places, numbers // places
    # A town fills one ZIP code after the other, of its own prefix, and then goes round again.
    zip_, rest = rest // HOUSES_BEFORE_THE_NEXT_ZIP, rest % HOUSES_BEFORE_THE_NEXT_ZIP
    house = rest + HOUSES_BEFORE_THE_NEXT_ZIP * (zip_ // _ZIPS)
    zip_ = zip_ % _ZIPS
    lane, along = house % STREETS_IN_A_ZIP, house // STREETS_IN_A_ZIP
    flats = np.isin(lane, _FLATS_ON) & ~crowded
    boxes = np.isin(lane, _BOXES_ON) & ~crowded
    number = 100 * (1 + lane * 13 % 60) + 2 * np.where(flats, along // FLATS, along)
    number = np.where(crowded, GROUP_QUARTERS_FROM + 2 * along, number)
    street = (place * 101 + zip_ * 37 + lane) % len(known.streets)
    unit = np.where(flats, along % FLATS + 1, 0)
    return {
        "street_number": np.where(boxes, "", _TEXT[np.minimum(number, len(_TEXT) - 1)]),
        "street_name": np.where(boxes, "", np.array(known.streets, dtype=object)[street]),
        "unit": _UNITS[unit],
        "po_box": np.where(boxes, _TEXT[np.minimum(1_000 + along, len(_TEXT) - 1)], ""),
        "city": np.array([city for city, _, _ in known.places], dtype=object)[place],
        "state": np.array([state for _, state, _ in known.places], dtype=object)[place],
        "zip": _zips(known)[place * _ZIPS + zip_],
    }


def _zips(known: Tables) -> Words:
    return np.array(
        [
            f"{code[:3]}{(int(code[3:]) + step) % _ZIPS:02d}"
            for _, _, code in known.places
            for step in range(_ZIPS)
        ],
        dtype=object,
    )


_TEXT: Words = np.array([str(number) for number in range(100_000)], dtype=object)
_UNITS: Words = np.array(
    ["", *(f"{kind} {flat}" for flat, kind in enumerate(("Apt", "Apt", "Unit", "#", "Apt") * 2, start=1))],
    dtype=object,
)

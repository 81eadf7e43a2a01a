"""Pairs of common first names one letter apart: Juan and Juana, Maria and Mario. Called by `kinds`."""

from collections.abc import Mapping
from functools import cache

from anyascii import anyascii

from glomar_evaluation.synth.tables import tables

COMMON = 200


@cache
def lookalikes() -> Mapping[str, tuple[str, ...]]:
    """First name -> common others with the same initial, one letter changed, added or left out."""
    names = sorted({str(name) for draw in tables().first.values() for name in draw.words[:COMMON]})
    found: dict[str, list[str]] = {}
    for name in names:
        for other in names:
            if name[0] == other[0] and _one_letter_apart(_plain(name), _plain(other)):
                found.setdefault(name, []).append(other)
    return {name: tuple(others) for name, others in found.items()}


def _plain(name: str) -> str:
    return anyascii(name).upper()


def _one_letter_apart(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1 or short == long:
        return False
    at = next((place for place, letter in enumerate(short) if letter != long[place]), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]

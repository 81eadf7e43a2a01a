"""The private sealing keys of one party: those in force, and no others. Called by whoever opens things.

A new key is taken up at its control and a destroyed one forgotten at its control, without a new start.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from glomar_schemas.agreement.controls import InForce
from glomar_schemas.crypto.sealing import Opener
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import read_sealing_keys

Load = Callable[[str], EllipticCurvePrivateKey]
"""Key id -> private key. Raises Misconfigured if it is not there."""


class Keyholder:
    """`opener` opens with the keys in force as far as `follow` was told. None before that."""

    def __init__(self, party: str, load: Load) -> None:
        self._party = party
        self._load = load
        self._held: dict[str, EllipticCurvePrivateKey] = {}
        self.opener = Opener(self._held)

    def follow(self, in_force: InForce) -> None:
        """Raises Misconfigured for a key in force that is not there, and then holds what it held before.

        Whoever went on without it would refuse for good what others rightly seal to it.
        """
        ring = in_force.require().ring
        held = {
            key.id: self._held.get(key.id) or self._load(key.id) for key in ring.sealing_keys(self._party)
        }
        self.opener.hold(held)
        self._held = held


def key_files(pattern: Path) -> Load:
    """Keys in PEM files, looked for anew each time; pattern: as of `read_sealing_keys`, which raises now."""
    read_sealing_keys(pattern)
    return partial(_find, pattern)


def _find(pattern: Path, key_id: str) -> EllipticCurvePrivateKey:
    found = read_sealing_keys(pattern).get(key_id)
    if found is None:
        raise Misconfigured(
            f"the private key of a sealing key in force is not there: {key_id}",
            where=str(pattern),
            fix="Put its file there and start again",
        )
    return found

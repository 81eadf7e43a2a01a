"""The private sealing keys of one party that are in force.

A control adds or destroys a key while the service runs.
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
"""Key id -> private key. Raises Misconfigured if it is missing."""


class Keyholder:
    """`opener` opens with the keys in force at the last `follow`; before the first call it has none."""

    def __init__(self, party: str, load: Load) -> None:
        self._party = party
        self._load = load
        self._loaded: dict[str, EllipticCurvePrivateKey] = {}
        self.opener = Opener(self._loaded)

    def follow(self, in_force: InForce) -> None:
        """Loads the keys in force. Raises Misconfigured if one is missing, and then changes nothing.

        Without that key the service would refuse, for good, messages that are correctly sealed to it.
        """
        ring = in_force.require().ring
        loaded = {
            key.id: self._loaded.get(key.id) or self._load(key.id) for key in ring.sealing_keys(self._party)
        }
        self.opener.replace_keys(loaded)
        self._loaded = loaded


def key_files(pattern: Path) -> Load:
    """Loads keys from PEM files, which it reads again at each call. pattern: as for `read_sealing_keys`.

    Raises Misconfigured if the pattern can't be read now.
    """
    read_sealing_keys(pattern)
    return partial(_find, pattern)


def _find(pattern: Path, key_id: str) -> EllipticCurvePrivateKey:
    key = read_sealing_keys(pattern).get(key_id)
    if key is None:
        raise Misconfigured(
            f"the private key of a sealing key in force is missing: {key_id}",
            where=str(pattern),
            fix="Add its file and start again",
        )
    return key

"""Name groups, to see whether the rule serves some people worse. `run` sorts its trials by them.

The group of a surname is the one to which at least half of its bearers counted themselves in the census of
2020: the usual proxy where nobody's own answer is known. It says nothing about any one person.
"""

from collections.abc import Mapping
from importlib import resources

import msgspec
from anyascii import anyascii

MIXED, UNLISTED = "no majority", "rare surname"


class Groups(msgspec.Struct, frozen=True):
    by_surname: Mapping[str, str]

    @classmethod
    def load(cls) -> "Groups":
        """Read from the package: a group a line, its name, a colon, its surnames."""
        text = (resources.files("glomar_evaluation") / "trials" / "name_groups.txt").read_text()
        lines = [line.partition(":") for line in text.splitlines() if not line.startswith("#")]
        return cls({name: group for group, _, names in lines for name in names.split()})

    def of(self, surname: str) -> str:
        """The first token that is listed decides, as the father's name comes first."""
        tokens = anyascii(surname).upper().replace("-", " ").split()
        return next((self.by_surname[token] for token in tokens if token in self.by_surname), UNLISTED)

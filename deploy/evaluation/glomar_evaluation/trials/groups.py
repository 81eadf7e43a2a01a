"""Name groups, to see whether the rule serves some people worse than others.

The group of a surname is the one to which at least half of its bearers counted themselves in the census of
2020. This is the usual proxy where nobody's own answer is known. It says nothing about any one person.
"""

from collections.abc import Mapping
from importlib import resources

import msgspec
from anyascii import anyascii

UNLISTED = "rare surname"


class NameGroups(msgspec.Struct, frozen=True):
    by_surname: Mapping[str, str]

    @classmethod
    def load(cls) -> "NameGroups":
        """From the package's file. Each line has a group's name, a colon and surnames."""
        text = (resources.files("glomar_evaluation") / "trials" / "name_groups.txt").read_text()
        lines = [line.partition(":") for line in text.splitlines() if not line.startswith("#")]
        return cls({name: group for group, _, names in lines for name in names.split()})

    def of(self, surname: str) -> str:
        """The group of the first listed token: of two surnames, the father's comes first."""
        tokens = anyascii(surname).upper().replace("-", " ").split()
        return next((self.by_surname[token] for token in tokens if token in self.by_surname), UNLISTED)

"""The auditor of an oversight body that changes what it records of some messages. `serve --config FILE`.

Its ledger holds together, is rightly signed, and has an entry for every sequence: only publishers can tell.
"""

from collections.abc import Sequence

from glomar_auditor import app, cli
from glomar_auditor.sequencer import Ledger
from glomar_schemas.leaf import Leaf
from glomar_schemas.note import Checkpoint
from msgspec.structs import replace

CHANGED = 10
"""Every tenth sequence."""


class DishonestLedger(Ledger):
    def append(self, batch: Sequence[Leaf]) -> Checkpoint:
        return super().append(list(map(changed, batch)))


def changed(leaf: Leaf) -> Leaf:
    return replace(leaf, body_sha256=bytes(32)) if leaf.sequence % CHANGED == 0 else leaf


if __name__ == "__main__":
    app.Ledger = DishonestLedger  # type: ignore[attr-defined]
    cli.main()

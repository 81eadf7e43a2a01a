"""An auditor that records a wrong digest for some messages. `serve --config FILE`.

Its ledger is consistent, correctly signed and has an entry for every sequence: only publishers can detect it.
"""

from collections.abc import Sequence
from typing import ClassVar

from glomar_auditor import app, cli
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.tlog.leaf import Entry, Leaf
from glomar_schemas.tlog.note import Checkpoint
from msgspec.structs import replace

CHANGED = 10
"""Every tenth sequence."""


class DishonestLedger(Ledger):
    """Returns the true entries to its own process, which compares them with the stream."""

    true: ClassVar[dict[int, Entry]] = {}

    def append(self, batch: Sequence[Entry]) -> Checkpoint:
        self.true.update((leaf.sequence - 1, leaf) for leaf in batch)
        return super().append(list(map(changed, batch)))

    def leaf(self, index: int) -> Entry | None:
        return self.true.get(index) or super().leaf(index)


def changed(leaf: Entry) -> Entry:
    is_changed = isinstance(leaf, Leaf) and leaf.sequence % CHANGED == 0
    return replace(leaf, body_sha256=bytes(32)) if is_changed else leaf


if __name__ == "__main__":
    app.Ledger = DishonestLedger  # type: ignore[attr-defined]
    cli.main()

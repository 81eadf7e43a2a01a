"""A stored message as the ledger records it."""

import hashlib

from glomar_runtime.bus.stream import Stored
from glomar_schemas.tlog.leaf import Leaf


def stored_leaf(message: Stored) -> Leaf:
    """Its sequence, stream time and subject, and the SHA-256 of its body."""
    return Leaf(message.sequence, message.time_ns, message.subject, hashlib.sha256(message.body).digest())

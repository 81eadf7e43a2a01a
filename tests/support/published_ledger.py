"""Ledgers with chosen leaves, served as the auditor serves its own."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.ledger.tile_server import PREFIX, TileServer
from glomar_schemas.tlog.client import signed_by
from glomar_schemas.tlog.inclusion_watch import OwnMessage, own_message
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import format_vkey, parse_vkey

from tests.support.polling import until

ORIGIN = "audit.example/AGREEMENT_1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OPENED = signed_by([parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))])


def leaves(count: int, *, changed: Sequence[int] = ()) -> list[Leaf]:
    """One for each of the sequences 1 to `count`; those in `changed` have another body."""
    return [
        Leaf(
            n, n * 10**9, f"glomar.a.request.r.{n}", sha256(b"other" if n in changed else b"%d" % n).digest()
        )
        for n in range(1, count + 1)
    ]


def own(*sequences: int) -> list[OwnMessage]:
    """The messages of `leaves` with these sequences, unchanged, as their publisher remembers them."""
    return [own_message(n, f"glomar.a.request.r.{n}", sha256(b"%d" % n).digest()) for n in sequences]


def extend(directory: Path, log: Sequence[Leaf], *sizes: int) -> Path:
    """A ledger of the first leaves of `log`, with a signed checkpoint at each size."""
    ledger = Ledger.open(directory, SIGNER, ORIGIN)
    for size in sizes:
        ledger.append(log[ledger.size : size])
    ledger.close()
    return directory


@contextmanager
def serve_ledger(directory: Path) -> Iterator[str]:
    """Serves the directory with the auditor's tile server, in a thread -> its URL."""
    server = uvicorn.Server(
        uvicorn.Config(TileServer(directory), lifespan="off", log_config=None, access_log=False)
    )
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started, "the ledger is served")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX.rstrip('/')}"
        finally:
            server.should_exit = True
            thread.join()

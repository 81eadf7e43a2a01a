"""A witness of our own for tests, with a real HTTP server: c2sp.org/tlog-witness, with chosen faults.

It keeps the newest checkpoint of one log in memory. tests/integration/foreign_witness.py runs a foreign one.
"""

import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from glomar_schemas.errors import GlomarError
from glomar_schemas.tlog.merkle import EMPTY_ROOT, verify_consistency
from glomar_schemas.tlog.note import (
    ALG_COSIGNATURE,
    Checkpoint,
    VerifierKey,
    format_vkey,
    open_checkpoint,
    parse_witness_vkey,
    signed_message,
    split_note,
)

NAME = "witness.example/w1"


def format_witness_vkey(name: str, public_key: Ed25519PublicKey) -> str:
    """`name+hex(key ID)+base64(0x04 ‖ public key)`, as a policy file has it."""
    return format_vkey(name, public_key, ALG_COSIGNATURE)


def cosign(note: str, private: Ed25519PrivateKey, *, name: str = NAME, at: int | None = None) -> str:
    """A cosignature/v1 line, with its newline."""
    body, _ = split_note(note)
    moment = int(time.time()) if at is None else at
    signature = moment.to_bytes(8, "big") + private.sign(signed_message(body, moment))
    key_id = parse_witness_vkey(format_witness_vkey(name, private.public_key())).key_id
    return f"— {name} {b64encode(key_id + signature).decode()}\n"


class Witness:
    """answer: (status, body) of every response, for faults; signs_with: the key of its cosignatures.

    silent: it accepts requests and never answers. received: the number of requests. checked: (old size, new
    size) of the checkpoints that it checked.
    """

    def __init__(self, log: VerifierKey, name: str = NAME) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.signs_with = self.private
        self.name = name
        self.vkey = format_witness_vkey(name, self.private.public_key())
        self.latest: Checkpoint | None = None
        self.answer: tuple[int, bytes] | None = None
        self.silent = threading.Event()
        self.received = 0
        self.checked: list[tuple[int, int]] = []
        self.url = ""
        self._log = log
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        """Status and body, by the protocol."""
        head, _, note = body.decode().partition("\n\n")
        first, *proof = head.split("\n")
        old = int(first.removeprefix("old "))
        try:
            checkpoint = open_checkpoint(note, self._log)
        except GlomarError:
            return 403, b""
        with self._lock:
            self.checked.append((old, checkpoint.size))
            known = self.latest or Checkpoint(checkpoint.origin, 0, EMPTY_ROOT)
            if old != known.size:
                return 409, f"{known.size}\n".encode()
            try:
                hashes = [b64decode(each) for each in proof]
                verify_consistency(old, known.root, checkpoint.size, checkpoint.root, hashes)
            except GlomarError:
                return 422, b""
            self.latest = checkpoint
        return 200, cosign(note, self.signs_with, name=self.name).encode()


@contextmanager
def serving(witness: Witness, port: int = 0) -> Iterator[Witness]:
    """On a free port of this machine, until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/prefix/add-checkpoint":
                self.send_error(404)
                return
            witness.received += 1
            if witness.silent.is_set():
                stopped.wait()
                return
            status, answer = witness.answer or witness.add_checkpoint(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    witness.url = f"http://127.0.0.1:{server.server_address[1]}/prefix"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield witness
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()

"""The NATS protocol by hand: a party can send what no client library sends.

Bytes are sent unchanged, under the party's own nkey, so that only the server can refuse them.
"""

import base64
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import nkeys
from glomar_local.ports import HOST

from tests.support.closing import Closing

LIMIT_S = 60.0


class Refusal(Exception):
    """The server answered `-ERR` or "no responders"."""


class Wire(Closing):
    """One connection, used by one thread."""

    def __init__(self, port: int, seed: Path, limit_s: float = LIMIT_S) -> None:
        self._socket = socket.create_connection((HOST, port), limit_s)
        self._file = self._socket.makefile("rb")
        self._inbox = f"_INBOX.{os.urandom(8).hex()}".encode()
        self._requests = 0
        try:
            self._log_in(seed)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        # Ends the read of a thread that waits for a message: it holds the file meanwhile.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._socket.close()

    def send(
        self, subject: bytes, body: bytes = b"", headers: bytes | None = None, reply: bytes = b""
    ) -> None:
        """One PUB, or with headers one HPUB. headers: the whole block; it may be malformed."""
        line = [subject, reply] if reply else [subject]
        if headers is None:
            verb, sizes = b"PUB", [len(body)]
        else:
            verb, sizes = b"HPUB", [len(headers), len(headers) + len(body)]
        control_line = b" ".join([verb, *line, *(b"%d" % size for size in sizes)])
        self._socket.sendall(b"%s\r\n%s%s\r\n" % (control_line, headers or b"", body))

    def ask(self, subject: bytes, body: bytes = b"", headers: bytes | None = None) -> dict[str, Any]:
        """Sends one message as a request -> the JSON answer. Raises Refusal."""
        self._requests += 1
        inbox = b"%s.%d" % (self._inbox, self._requests)
        self.send(subject, body, headers, inbox)
        while True:
            answered, head, data = self._next_message()
            if answered != inbox:
                continue
            if head.startswith(b"NATS/1.0 503"):
                raise Refusal("no responders")
            answer: dict[str, Any] = json.loads(data)
            return answer

    def subscribe(self, subject: bytes) -> None:
        """`next_subject` returns the messages, in the order in which the server sent them."""
        self._socket.sendall(b"SUB %s 2\r\n" % subject)
        self.settle()

    def inbox(self, name: bytes) -> bytes:
        """A subject on which this connection receives replies."""
        return b"%s.%s" % (self._inbox, name)

    def next_subject(self) -> bytes:
        """Waits without a limit for the next message -> its subject. Raises Refusal, OSError."""
        self._socket.settimeout(None)
        return self._next_message()[0]

    def settle(self) -> None:
        """Returns once the server has processed everything that was sent. Raises Refusal."""
        self._socket.sendall(b"PING\r\n")
        while (line := self._line()) != b"PONG":
            if line.startswith((b"MSG ", b"HMSG ")):
                self._rest_of_message(line)

    def _log_in(self, seed: Path) -> None:
        info = json.loads(self._line().removeprefix(b"INFO "))
        pair = nkeys.from_seed(seed.read_bytes())
        signature = base64.urlsafe_b64encode(pair.sign(info["nonce"].encode())).rstrip(b"=")
        options = {
            "nkey": pair.public_key.decode(),
            "sig": signature.decode(),
            "headers": True,
            "no_responders": True,
            "verbose": False,
            "pedantic": False,
            "lang": "by hand",
            "version": "0",
            "protocol": 1,
        }
        subscription = b"SUB %s.* 1\r\n" % self._inbox
        self._socket.sendall(b"CONNECT %s\r\n%s" % (json.dumps(options).encode(), subscription))
        self.settle()

    def _next_message(self) -> tuple[bytes, bytes, bytes]:
        while True:
            line = self._line()
            if line.startswith((b"MSG ", b"HMSG ")):
                return self._rest_of_message(line)

    def _rest_of_message(self, line: bytes) -> tuple[bytes, bytes, bytes]:
        """-> subject, header block, body."""
        words = line.split(b" ")
        size = int(words[-1])
        head = int(words[-2]) if words[0] == b"HMSG" else 0
        content = self._file.read(size + 2)[:-2]
        return words[1], content[:head], content[head:]

    def _line(self) -> bytes:
        line = self._file.readline().removesuffix(b"\r\n")
        if line == b"PING":
            self._socket.sendall(b"PONG\r\n")
        if not line or line.startswith(b"-ERR"):
            raise Refusal(line.decode("ascii", "replace") or "the server hung up")
        return line


def header_block(*lines: bytes) -> bytes:
    """`name: value` lines as a header block."""
    return b"\r\n".join([b"NATS/1.0", *lines, b"", b""])

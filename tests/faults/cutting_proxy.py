"""A proxy between a service and the bus that closes the connection just before certain bytes are sent."""

import contextlib
import socket
import threading

from glomar_local.ports import HOST

from tests.support.closing import Closing


class CuttingProxy(Closing):
    """Forwards every connection on `port` to the bus, until it cuts; after `restore` it forwards new ones."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self._before: bytes | None = None
        self._open: list[socket.socket] = []
        self.is_cut = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_before(self, words: bytes) -> None:
        """When the service next sends these bytes, the proxy forwards nothing and closes the connection."""
        self._before = words

    def restore(self) -> None:
        self._before, self.is_cut = None, False

    def close(self) -> None:
        self._close_connections()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                service, _ = self._listener.accept()
                if self.is_cut:
                    service.close()
                    continue
                bus = socket.create_connection((HOST, self._target))
                self._open += [service, bus]
                for pair in ((service, bus, True), (bus, service, False)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_outward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_outward and self._before is not None and self._before in data:
                    self.is_cut = True
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _close_connections(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

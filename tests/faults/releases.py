"""What is released to the agency, in the order in which the server sends it."""

import threading

from glomar_schemas.messages import ResultQuery, encode

from tests.support.bus import Bus
from tests.support.closing import Closing
from tests.support.polling import until, wait_until
from tests.support.wire import Refusal, Wire


class Releases(Closing, threading.Thread):
    """Receives in the background, on one connection of the agency, until `close`."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(daemon=True)
        agency, subjects = bus.system.agency, bus.subjects
        self._wire: Wire = bus.new_wire(agency)
        self._query = subjects.result(agency).encode()
        self._received: list[str] = []
        self._marks = 0
        self._wire.subscribe(subjects.release(agency).encode())
        self.start()

    def run(self) -> None:
        try:
            while True:
                self._received.append(self._wire.next_subject().decode())
        except (Refusal, OSError, ValueError):
            return

    def mark(self, request_id: str) -> int:
        """Queries the auditor and waits for the answer: everything pushed before it has then been received.

        Returns the number of messages received before the answer.
        """
        self._marks += 1
        reply = self._wire.inbox(b"mark%d" % self._marks)
        query = encode(ResultQuery(request_id=request_id))

        def is_received() -> bool:
            # The auditor does not answer while it can't know what is in force.
            self._wire.send(self._query, query, reply=reply)
            return wait_until(lambda: reply.decode() in self._received, 1.0)

        until(is_received, "the auditor answers")
        return self._received.index(reply.decode())

    @property
    def number(self) -> int:
        """The number of messages received so far."""
        return len(self._received)

    def since(self, mark: int = 0) -> set[str]:
        """The request ids of the releases after a mark."""
        return {
            subject.rpartition(".")[2] for subject in list(self._received)[mark:] if ".release." in subject
        }

    def close(self) -> None:
        self._wire.close()
        self.join(10)

"""What is released to the agency, in the order in which the server sent it. Used by the hold tests."""

import threading

from glomar_schemas.messages import ResultQuery, encode

from tests.faults.waiting import until
from tests.integration.bus import Bus
from tests.integration.conftest import wait_until
from tests.integration.wire import Refusal, Wire


class Releases(threading.Thread):
    """Listens in the background, on one connection of the agency; `close` ends it."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(daemon=True)
        agency, subjects = bus.system.agency, bus.subjects
        self._wire: Wire = bus.new_wire(agency)
        self._query = subjects.result(agency).encode()
        self._heard: list[str] = []
        self._marks = 0
        self._wire.subscribe(subjects.release(agency).encode())
        self.start()

    def run(self) -> None:
        try:
            while True:
                self._heard.append(self._wire.next_subject().decode())
        except (Refusal, OSError, ValueError):
            return

    def mark(self, request_id: str) -> int:
        """Asks the auditor something and waits for its answer: what it pushed before has been heard then.

        Returns how much that is.
        """
        self._marks += 1
        reply = self._wire.inbox(b"mark%d" % self._marks)
        query = encode(ResultQuery(request_id=request_id))

        def is_heard() -> bool:
            # It says nothing while it can't know what is in force.
            self._wire.send(self._query, query, reply=reply)
            return wait_until(lambda: reply.decode() in self._heard, 1.0)

        until(is_heard, "the auditor answers")
        return self._heard.index(reply.decode())

    @property
    def number(self) -> int:
        """How much has been heard so far."""
        return len(self._heard)

    def since(self, mark: int = 0) -> set[str]:
        """The request ids of what was released after a mark."""
        return {subject.rpartition(".")[2] for subject in list(self._heard)[mark:] if ".release." in subject}

    def close(self) -> None:
        self._wire.close()
        self.join(10)

"""Waiting for a condition with a generous deadline, in place of any fixed sleep."""

import time
from collections.abc import Callable

LIMIT_S = 240.0


def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Polls until it is true. Fails the test, saying what did not happen, when the time is over."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.01)

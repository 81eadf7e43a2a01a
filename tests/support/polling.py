"""Polls a condition with a long deadline, in place of any fixed sleep."""

import time
from collections.abc import Callable

LIMIT_S = 240.0


def wait_until(condition: Callable[[], object], limit_s: float = 120.0, *, pause_s: float = 0.05) -> bool:
    """Polls until the condition is true. False: it was not within the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True


def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Polls until the condition is true. Fails the test with `what` when the limit is over."""
    assert wait_until(condition, limit_s, pause_s=0.01), f"not within {limit_s:.0f} s: {what}"

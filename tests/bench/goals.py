"""One line for each goal of a benchmark. `make acceptance` fails where one says MISSED."""

MISSED = "MISSED"


def goal(what: str, found: str, *, is_reached: bool) -> str:
    return f"Goal: {what}: {'reached' if is_reached else MISSED} ({found})"

"""The verifier of a holder that ignores holds. Run as `python dishonest_verifier.py serve --config FILE`."""

from glomar_schemas.controls import Hold, InForce
from glomar_verifier import cli, desk


def _no_hold(reading: object, tags: object, in_force: InForce) -> Hold | None:
    return None


if __name__ == "__main__":
    desk._hold_on = _no_hold
    cli.main()

"""A verifier that ignores holds and publishes without the fence. `serve --config FILE`."""

from glomar_schemas import publish
from glomar_schemas.agreement.controls import Hold, InForce
from glomar_verifier import cli
from glomar_verifier.decisions import decide


def _no_hold(content: object, tags: object, in_force: InForce) -> Hold | None:
    return None


def _no_fence(empty_slot: str | None) -> dict[str, str]:
    return {}


if __name__ == "__main__":
    decide._hold_on = _no_hold
    publish._fence = _no_fence
    cli.main()

"""What `glomar status` says of holds, out of what auditor and verifier say of themselves."""

import io

from glomar_local.standing import Halted, HoldShown, Standing, Violations, Waiting, merged, render
from rich.console import Console

HOLD = HoldShown(2, "jurisdiction:mad", "Order of the court")
AUDITOR = Standing(3, (HOLD,), violations=Violations(2, (41, 43)))
VERIFIER = Standing(2, (), waiting=Waiting(1_200, {2: 1_200}))


def shown(standing: Standing) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(render(standing))
    return out.getvalue()


def test_whoever_has_come_further_is_believed_about_what_is_in_force() -> None:
    for order in ([AUDITOR, VERIFIER], [VERIFIER, AUDITOR]):
        assert merged(order) == Standing(3, (HOLD,), VERIFIER.waiting, AUDITOR.violations)


def test_holds_are_shown_with_how_many_wait_and_violations_with_their_sequences() -> None:
    words = shown(merged([AUDITOR, VERIFIER]))

    for word in ("slot 3", "jurisdiction:mad", "1,200", "Order of the court", "violations: 2", "41, 43"):
        assert word in words


def test_what_no_service_says_is_shown_as_unknown_and_not_as_none() -> None:
    words = shown(merged([]))

    assert "waiting requests: unknown" in words and "violations: unknown" in words
    assert "waiting requests: 0" in shown(Standing(1, (), Waiting(), Violations()))


def test_a_halt_is_shown_first_with_what_it_may_mean_and_what_to_do() -> None:
    halted = Halted("the stream ends at sequence 5, the ledger at 9", 6, "It was damaged", "Restore it")
    words = shown(merged([Standing(3, (), halted=halted, gaps=2), VERIFIER]))

    order = ["RELEASES ARE HALTED: the stream ends at sequence 5", "since sequence 6"]
    order += ["It was damaged", "Restore it", "last control", "gaps in the ledger: 2"]
    places = [words.index(each) for each in order]
    assert places == sorted(places)
    assert "HALTED" not in shown(merged([AUDITOR, VERIFIER]))
    assert "gaps" not in shown(merged([AUDITOR, VERIFIER]))

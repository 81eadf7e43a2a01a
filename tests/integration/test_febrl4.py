"""FEBRL 4 through a running system: 5,000 noisy copies of 5,000 people, half of whom the register has.

A limit for precision; recall is a figure, not a goal (see tests/unit/verifier/matching/test_febrl4.py).
"""

from collections import Counter
from collections.abc import Callable

import pytest
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.provision.provision import provision

from tests.support import febrl4
from tests.support.bus import agreement_text
from tests.support.commands import submit
from tests.support.registers import write_csv
from tests.support.requesting import read_results
from tests.support.running_system import glomar_up

REQUESTS = 5_000


@pytest.fixture(scope="module")
def requests() -> list[dict[str, str]]:
    return list(febrl4.request_rows(population.today()))


@pytest.fixture(scope="module")
def outcomes(requests: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Reference -> outcome, from `submit` on a system whose agreement has Australian addresses."""
    folder = tmp_path_factory.mktemp("febrl4")
    register = write_csv(folder / "register.csv", febrl4.register_rows(half=True))
    population.write_requests(requests, folder / "requests.csv")
    source = agreement_text(
        folder / "agreement.toml", {'address_form = "us"': f'address_form = "{febrl4.ADDRESS_FORM}"'}
    )
    layout = Layout((folder / "data").resolve())
    provision(layout, ports.free(), source)

    with glomar_up(layout.root, "--register", str(register)):
        summary = submit(folder / "requests.csv", folder / "results.csv", layout.settings("requester"))
    assert (summary["rows"], summary["bad_rows"]) == (REQUESTS, 0)
    print(f"{REQUESTS} requests answered in {summary['seconds']} s")
    return {row["reference"]: row["outcome"] for row in read_results(folder / "results.csv")}


def test_every_request_is_answered(requests: list[dict[str, str]], outcomes: dict[str, str]) -> None:
    assert outcomes.keys() == {row["reference"] for row in requests}
    assert set(outcomes.values()) <= {"confirm", "deny", "refused"}


def test_nobody_is_confirmed_who_is_not_in_the_register(
    requests: list[dict[str, str]],
    outcomes: dict[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    counted = Counter(
        ("present" if febrl4.in_half(row["truth"]) else "absent", outcomes[row["reference"]])
        for row in requests
    )
    present = sum(number for (who, _), number in counted.items() if who == "present")
    recall = counted["present", "confirm"] / present
    record_property("febrl4_false_confirms", counted["absent", "confirm"])
    record_property("febrl4_recall", round(recall, 4))
    print(f"FEBRL 4: recall {recall:.1%}, {dict(sorted(counted.items()))}")

    assert counted["absent", "confirm"] == 0
    assert counted["present", "confirm"] > 0


def test_an_incomplete_request_is_refused_without_a_lookup(
    requests: list[dict[str, str]], outcomes: dict[str, str]
) -> None:
    incomplete = [row for row in requests if row["klass"] == "insufficient"]

    assert incomplete
    assert {outcomes[row["reference"]] for row in incomplete} == {"refused"}

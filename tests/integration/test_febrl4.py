"""FEBRL 4 through the live bus: 5,000 noisy copies of 5,000 people, of whom the register has half.

A floor for precision; the recall is reported, not aimed at (see tests/unit/verifier/matching/test_febrl4.py).
"""

import csv
import json
import subprocess
from collections import Counter
from collections.abc import Callable

import pytest
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.provision.provision import provision
from glomar_local.system.process import program

from tests.support import febrl4
from tests.support.bus import agreement_text
from tests.support.registers import write_csv
from tests.support.running_system import glomar_up

REQUESTS = 5_000
LIMIT_S = 300.0


@pytest.fixture(scope="module")
def asked() -> list[dict[str, str]]:
    return list(febrl4.request_rows(population.today()))


@pytest.fixture(scope="module")
def outcomes(asked: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Reference -> outcome, from `submit` against a system whose agreement takes Australian addresses."""
    folder = tmp_path_factory.mktemp("febrl4")
    register = write_csv(folder / "register.csv", febrl4.register_rows(half=True))
    population.write_requests(asked, folder / "requests.csv")
    source = agreement_text(
        folder / "agreement.toml", {'address_form = "us"': f'address_form = "{febrl4.ADDRESS_FORM}"'}
    )
    layout = Layout((folder / "data").resolve())
    provision(layout, ports.free(), source)

    with glomar_up(layout.root, "--register", str(register)):
        submitted = subprocess.run(
            [
                *(program("glomar-requester"), "submit", str(folder / "requests.csv"), "--wait", "--json"),
                *("--out", str(folder / "results.csv"), "--config", str(layout.settings("requester"))),
            ],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert submitted.returncode == 0, submitted.stderr
    summary = json.loads(submitted.stdout)
    assert (summary["rows"], summary["bad_rows"]) == (REQUESTS, 0)
    print(f"{REQUESTS} requests answered in {summary['seconds']} s")
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["reference"]: row["outcome"] for row in csv.DictReader(file)}


def test_every_request_is_answered(asked: list[dict[str, str]], outcomes: dict[str, str]) -> None:
    assert outcomes.keys() == {row["reference"] for row in asked}
    assert set(outcomes.values()) <= {"confirm", "deny", "refused"}


def test_nobody_is_confirmed_who_is_not_in_the_register(
    asked: list[dict[str, str]],
    outcomes: dict[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    counted = Counter(
        ("present" if febrl4.in_half(row["truth"]) else "absent", outcomes[row["reference"]]) for row in asked
    )
    present = sum(number for (who, _), number in counted.items() if who == "present")
    recall = counted["present", "confirm"] / present
    record_property("febrl4_false_confirms", counted["absent", "confirm"])
    record_property("febrl4_recall", round(recall, 4))
    print(f"FEBRL 4: recall {recall:.1%}, {dict(sorted(counted.items()))}")

    assert counted["absent", "confirm"] == 0
    assert counted["present", "confirm"] > 0


def test_what_is_incomplete_is_refused_without_a_lookup(
    asked: list[dict[str, str]], outcomes: dict[str, str]
) -> None:
    incomplete = [row for row in asked if row["klass"] == "insufficient"]

    assert incomplete
    assert {outcomes[row["reference"]] for row in incomplete} == {"refused"}

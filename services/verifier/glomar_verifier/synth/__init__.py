"""Made-up people and requests about them, the same for the same seed: nobody in them exists.
`glomar-verifier register synth`, `glomar demo` and the tests draw from here."""

from glomar_verifier.synth.people import people, write_register
from glomar_verifier.synth.requests import (
    REQUEST_COLUMNS,
    TRUTH_COLUMNS,
    case_and_officer,
    requests,
    write_roll,
)
from glomar_verifier.synth.scenario import Scenario, load_scenario

__all__ = [
    "REQUEST_COLUMNS",
    "TRUTH_COLUMNS",
    "Scenario",
    "case_and_officer",
    "load_scenario",
    "people",
    "requests",
    "write_register",
    "write_roll",
]

"""Synthetic people and requests about them, the same for the same seed. Nobody in them exists."""

from glomar_evaluation.synth.people import people, write_register
from glomar_evaluation.synth.requests import (
    TRUTH_COLUMNS,
    case_and_officer,
    requests,
    write_roll,
)
from glomar_evaluation.synth.scenario import Scenario, load_scenario

__all__ = [
    "TRUTH_COLUMNS",
    "Scenario",
    "case_and_officer",
    "load_scenario",
    "people",
    "requests",
    "write_register",
    "write_roll",
]

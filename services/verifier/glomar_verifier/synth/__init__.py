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

__all__ = [
    "REQUEST_COLUMNS",
    "TRUTH_COLUMNS",
    "case_and_officer",
    "people",
    "requests",
    "write_register",
    "write_roll",
]

"""The one error tree. The class decides what happens to the message and what a command exits with.

    GlomarError             exit 1
    ├── Refused             exit 3   deny and acknowledge: asking again with the same bytes can't help
    │   ├── Malformed                the bytes are not what the contract says
    │   └── Untrusted                a signature, key or agreement doesn't hold
    ├── Retryable           exit 1   try again later; the message stays where it is
    │   ├── TimedOut        exit 4
    │   └── Unreachable     exit 5
    └── Fatal               exit 1   stop the process; recovery starts from what is on disk
        ├── Misconfigured   exit 2
        └── IntegrityError  exit 6   ledger, stream or receipt contradict each other

A message says what is wrong, where, and what to do. It never holds personal data, nor any text that a
sender chose: whoever raises one names fields and places, not values.
"""

from typing import ClassVar


class GlomarError(Exception):
    """what: the fault in one clause; where: file, field or subject template; fix: what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f". {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"


class Refused(GlomarError):
    """Deny and acknowledge."""

    exit_code = 3


class Malformed(Refused):
    """Bytes that are not what the contract says."""


class Untrusted(Refused):
    """A signature, a key or an agreement that does not hold."""


class Retryable(GlomarError):
    """Leave the message and come back."""


class TimedOut(Retryable):
    """No answer in time; the request stands and may still be answered."""

    exit_code = 4


class Unreachable(Retryable):
    """A party that must be there is not."""

    exit_code = 5


class Fatal(GlomarError):
    """Stop; never continue past this in the same process."""


class Misconfigured(Fatal):
    """Settings, files or permissions that the operator must mend."""

    exit_code = 2


class IntegrityError(Fatal):
    """Evidence that contradicts itself."""

    exit_code = 6

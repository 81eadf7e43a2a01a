"""The error tree. The class decides what happens to the message, and the exit code of a command.

    GlomarError             exit 1
    ├── Refused             exit 3   deny and acknowledge: the same bytes will be refused again
    │   ├── Malformed                the bytes do not follow the contract
    │   └── Untrusted                a signature, key or agreement is not valid
    ├── Retryable           exit 1   try again later; the message stays in the stream
    │   ├── TimedOut        exit 4
    │   └── Unreachable     exit 5
    └── Fatal               exit 1   stop the process; the next start recovers from the disk
        ├── Misconfigured   exit 2
        └── IntegrityError  exit 6   ledger, stream or receipt contradict each other

A message says what is wrong, where, and what to do. It never contains personal data or text that a sender
chose: it names fields and places, not values.
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
    """The bytes do not follow the contract."""


class Untrusted(Refused):
    """A signature, a key or an agreement is not valid."""


class Retryable(GlomarError):
    """Leave the message in the stream and try again later."""


class TimedOut(Retryable):
    """No answer in time; the request stands and may still be answered."""

    exit_code = 4


class Unreachable(Retryable):
    """A party, or the bus, can't be reached."""

    exit_code = 5


class Fatal(GlomarError):
    """Stop the process; never continue in it."""


class Misconfigured(Fatal):
    """Settings, files or permissions that the operator must correct."""

    exit_code = 2


class IntegrityError(Fatal):
    """Ledger, stream or receipt contradict each other."""

    exit_code = 6

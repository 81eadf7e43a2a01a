"""Case rolls: which cases of a requester agency are open, and which officers are engaged in them.

An agency files its roll with the record holder. In memory a roll holds hashes and days, not ids: 40 bytes a
row, so a million open cases take 40 MB.
"""

import secrets
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from glomar_schemas.errors import Malformed
from msgspec import Struct

from glomar_verifier.policy.facts import Engagement
from glomar_verifier.readers.csv_rows import FileRow, RowFault, read_day, read_rows
from glomar_verifier.readers.reloading import Reloading

COLUMNS = ("case_id", "officer_id", "opened_on", "closed_on")
REQUIRED = COLUMNS[:3]
FAULTS_NAMED = 10

_NEVER_CLOSED = date.max.toordinal()
_DAY_BITS = 24
_LINE_BITS = 32


class CaseRoll:
    """One agency's roll as it was filed; immutable. An empty roll has no open case."""

    def __init__(self, rows: Iterable["RollRow"] = ()) -> None:
        """Raises Malformed naming two lines with the same case and officer."""
        self._secret = secrets.token_bytes(16)
        cases, engaged = [], []
        for row in rows:
            days = (row.line << _DAY_BITS | row.opened) << _DAY_BITS | row.closed
            cases.append(self._key(row.case_id) << _LINE_BITS + 2 * _DAY_BITS | days)
            engaged.append(self._key(row.case_id, row.officer_id) << _LINE_BITS + 2 * _DAY_BITS | days)
        self._cases = _DayRanges(cases)
        self._engaged = _DayRanges(engaged)
        if repeated := self._engaged.repeated:
            raise Malformed(
                f"lines {repeated[0]} and {repeated[1]} name the same case and officer", where="case roll"
            )

    def __len__(self) -> int:
        return len(self._engaged)

    def engagement(self, case_id: str, officer_id: str, today: date) -> Engagement:
        """today: the day of the decision. The day of opening counts, the day of closing does not."""
        day = today.toordinal()
        return Engagement(
            case_open=self._cases.covers(self._key(case_id), day),
            officer_engaged=self._engaged.covers(self._key(case_id, officer_id), day),
        )

    def _key(self, *parts: str) -> int:
        """64 bits under a secret of this roll, so that nobody can search for two ids with the same hash."""
        text = "\0".join(parts).encode()
        return int.from_bytes(blake2b(text, digest_size=8, key=self._secret).digest(), "big")


class RollRow(Struct, frozen=True):
    """opened, closed: `date.toordinal`; `closed` is the first day on which the case is not open."""

    line: int
    case_id: str
    officer_id: str
    opened: int
    closed: int


class _DayRanges:
    """Sorted keys, each with the days that it covers. `repeated`: the lines of two rows with one key."""

    def __init__(self, packed: list[int]) -> None:
        """packed: key, line, opened and closed in one integer for each row. Sorted in place."""
        packed.sort()
        day = (1 << _DAY_BITS) - 1
        self._keys = array("Q", (one >> _LINE_BITS + 2 * _DAY_BITS for one in packed))
        self._opened = array("i", (one >> _DAY_BITS & day for one in packed))
        self._closed = array("i", (one & day for one in packed))
        lines = (1 << _LINE_BITS) - 1
        self.repeated: tuple[int, int] | None = None
        for one, other in pairwise(packed):
            if one >> _LINE_BITS + 2 * _DAY_BITS == other >> _LINE_BITS + 2 * _DAY_BITS:
                self.repeated = one >> 2 * _DAY_BITS & lines, other >> 2 * _DAY_BITS & lines
                break

    def __len__(self) -> int:
        return len(self._keys)

    def covers(self, key: int, day: int) -> bool:
        at = bisect_left(self._keys, key)
        while at < len(self._keys) and self._keys[at] == key:
            if self._opened[at] <= day < self._closed[at]:
                return True
            at += 1
        return False


class CaseRolls:
    """The rolls in force, `<agency>.csv` in one directory. Without a roll no case of the agency is open."""

    def __init__(self, directory: Path | None, agencies: Iterable[str]) -> None:
        """Raises Malformed or Misconfigured for a roll that can't be read."""
        self._rolls: dict[str, Reloading[CaseRoll]] = {}
        if directory is not None:
            for agency in agencies:
                self._rolls[agency] = Reloading(directory / f"{agency}.csv", read_roll, CaseRoll())

    def engagement(self, agency: str, case_id: str, officer_id: str, today: date) -> Engagement:
        roll = self._rolls.get(agency)
        return roll.value.engagement(case_id, officer_id, today) if roll else Engagement()

    def refresh(self) -> None:
        """Reads rolls that were replaced. May take seconds; may run in another thread."""
        for roll in self._rolls.values():
            roll.refresh()


def read_roll(path: Path) -> CaseRoll:
    """Raises Malformed naming the first bad lines, Misconfigured if the file can't be read."""
    faults: list[RowFault] = []
    roll = CaseRoll(_roll_rows(path, faults.append))
    if faults:
        named = "; ".join(f"line {fault.line}, {fault.column or 'row'}: {fault.what}" for fault in faults)
        raise Malformed(f"refused, {named}", where=str(path), fix="Correct these lines and file it again")
    return roll


def _roll_rows(path: Path, report: Callable[[RowFault], object]) -> Iterator[RollRow]:
    """Stops after FAULTS_NAMED faults: the file is refused as a whole."""
    left = FAULTS_NAMED
    for row in read_rows(path, COLUMNS, REQUIRED):
        parsed = _roll_row(row) if isinstance(row, FileRow) else row
        if isinstance(parsed, RollRow):
            yield parsed
            continue
        report(parsed)
        left -= 1
        if not left:
            return


def _roll_row(row: FileRow) -> RollRow | RowFault:
    fields = row.fields
    try:
        for column in ("case_id", "officer_id"):
            if not fields[column] or fields[column] != fields[column].strip():
                raise Malformed("blank, or with blanks around it", where=column)
        opened = read_day(fields["opened_on"], "opened_on").toordinal()
        closed = _NEVER_CLOSED
        if fields["closed_on"]:
            closed = read_day(fields["closed_on"], "closed_on").toordinal()
        if closed < opened:
            raise Malformed("before opened_on", where="closed_on")
    except Malformed as fault:
        return RowFault(row.line, fault.where, fault.what)
    return RollRow(row.line, fields["case_id"], fields["officer_id"], opened, closed)

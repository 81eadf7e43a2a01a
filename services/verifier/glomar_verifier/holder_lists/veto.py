"""The holder's veto (26 U.S.C. 6103(i)(6)): a CSV file of people about whom nothing is disclosed.

No message and no log line names an id or a reason.
"""

import csv
from datetime import date
from pathlib import Path

from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.files import replacing_text
from msgspec import Struct

from glomar_verifier.readers.csv_rows import FileRow, RowFault, read_day, read_rows
from glomar_verifier.readers.reloading import Reloading

COLUMNS = ("person_id", "since", "reason")
REQUIRED = ("person_id", "since")

Veto = dict[str, date]
"""person_id -> first day of the veto."""


class CheckedVeto(Struct, frozen=True):
    """A list can be installed if it has no faults."""

    veto: Veto
    faults: tuple[RowFault, ...]


def check(source: Path) -> CheckedVeto:
    """Reads the whole list. Raises Malformed for a bad header, Misconfigured if it can't be read."""
    veto: Veto = {}
    faults = []
    for row in read_rows(source, COLUMNS, REQUIRED):
        fault = row if isinstance(row, RowFault) else _add(row, veto)
        if fault:
            faults.append(fault)
    return CheckedVeto(veto, tuple(faults))


def install(source: Path, to: Path) -> CheckedVeto:
    """Puts the list in force if no row has a fault; else nothing changes. Raises as `check` and `write`."""
    checked = check(source)
    if not checked.faults:
        write(checked.veto, to)
    return checked


def write(veto: Veto, to: Path) -> None:
    """Replaces the installed list atomically. Only its owner can read it (mode 0600); it holds no reasons.

    Raises Misconfigured.
    """
    with replacing_text(to) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(REQUIRED)
        writer.writerows((person, since.isoformat()) for person, since in sorted(veto.items()))


class VetoList:
    """The installed list, which may be replaced while the service runs. A bad list is logged and not used."""

    def __init__(self, path: Path | None) -> None:
        """None: the holder keeps no list. Raises Malformed, Misconfigured: a list must be readable."""
        if path is not None and not path.exists():
            raise Misconfigured(
                "the veto list is missing", where=str(path), fix="Install one; it may be empty"
            )
        self._list = Reloading[Veto](path, _load, {}) if path else None

    def covers(self, person: str, today: date) -> bool:
        """Whether this register id is on the list and its veto has begun."""
        since = self._list.value.get(person) if self._list else None
        return since is not None and since <= today

    def refresh(self) -> None:
        """Reads a list that was installed since the last call."""
        if self._list:
            self._list.refresh()


def _load(path: Path) -> Veto:
    checked = check(path)
    if checked.faults:
        raise Malformed(f"{len(checked.faults)} rows of the veto list are bad", where=str(path))
    return checked.veto


def _add(row: FileRow, veto: Veto) -> RowFault | None:
    person, since = row.fields["person_id"], row.fields["since"]
    if not person.strip():
        return RowFault(row.line, "person_id", "blank")
    if person in veto:
        return RowFault(row.line, "person_id", "is in the list already")
    try:
        veto[person] = read_day(since, "since")
    except Malformed as fault:
        return RowFault(row.line, fault.where, fault.what)
    return None

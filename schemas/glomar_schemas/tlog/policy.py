"""Policy files: which logs and witnesses are trusted, and which quorum of witnesses a checkpoint needs. Pure.

Format: c2sp.org/tlog-policy. Only the quorum line is mandatory.
"""

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from glomar_schemas.errors import Malformed, Misconfigured, Untrusted
from glomar_schemas.files import read
from glomar_schemas.tlog.note import (
    Checkpoint,
    VerifierKey,
    cosigned_at,
    open_checkpoint,
    parse_vkey,
    parse_witness_vkey,
)

MAX_POLICY_BYTES: Final = 1_000_000
MAX_CLOCK_SKEW_S: Final = 300
"""A cosignature counts if its time is at most this far ahead of the reader's clock."""

_NONE: Final = "none"
_CONTROL: Final = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,3}\Z", re.ASCII)


class Witness(msgspec.Struct, frozen=True):
    """name: in this policy; key: checks its cosignatures; url: its submission prefix, "" for none."""

    name: str
    key: VerifierKey
    url: str = ""


class Group(msgspec.Struct, frozen=True):
    """At least `threshold` of `members` must cosign. members: names of witnesses and groups."""

    threshold: int
    members: tuple[str, ...]


class QuorumResult(msgspec.Struct, frozen=True):
    """times: witness -> when it cosigned (s since 1970). missing: one clause, or "" if it is met."""

    times: dict[str, int]
    missing: str


class Policy(msgspec.Struct, frozen=True):
    """A parsed policy. quorum: the name of a witness or group, or "none"."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[Witness, ...]
    groups: dict[str, Group]
    quorum: str

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in `note`, signed by a log of this policy, which must list one.

        Raises Malformed, Untrusted.
        """
        for log in self.logs:
            with suppress(Untrusted):
                return open_checkpoint(note, log)
        raise Untrusted("no log of the policy signed it", where="checkpoint")

    def check_quorum(
        self, note: str, *, now: float | None = None, max_age_s: float | None = None
    ) -> QuorumResult:
        """Counts the cosignatures of `note`. Does not check the log's own signature.

        now, max_age_s: with `now` (s since 1970), cosignatures older than `max_age_s` and those from the
        future do not count. Raises Malformed for the form, Untrusted for an invalid cosignature.
        """
        found = {
            witness.name: time
            for witness in self.witnesses
            if (time := cosigned_at(note, witness.key)) is not None
        }
        ages = {name: now - time for name, time in found.items()} if now is not None else {}
        too_old = {name for name, age in ages.items() if max_age_s is not None and age > max_age_s}
        too_new = {name for name, age in ages.items() if age < -MAX_CLOCK_SKEW_S}
        counted = found.keys() - too_old - too_new
        times = {_shown(name): time for name, time in found.items()}
        if self.quorum_met(counted):
            return QuorumResult(times, "")
        missing = f"no quorum among the {len(counted)} of {len(self.witnesses)} witnesses that cosigned it"
        for what, names in (("too old", too_old), ("dated in the future", too_new)):
            missing += f"; {what}: {', '.join(sorted(map(_shown, names)))}" if names else ""
        return QuorumResult(times, missing)

    def quorum_met(self, names: Collection[str]) -> bool:
        """True if cosignatures of these witnesses meet the quorum."""
        return self._is_met(self.quorum, names)

    def _is_met(self, name: str, cosigned: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name == _NONE or name in cosigned
        return sum(self._is_met(member, cosigned) for member in group.members) >= group.threshold


def load_policy(path: Path) -> Policy:
    """Raises Misconfigured naming file and line."""
    try:
        return parse_policy(read(path))
    except Malformed as fault:
        raise Misconfigured(
            fault.what, where=f"{path}, {fault.where}", fix="The format is c2sp.org/tlog-policy"
        ) from None


def parse_policy(data: bytes) -> Policy:
    """data: the content of a policy file. Raises Malformed, whose `where` names the line."""
    if len(data) > MAX_POLICY_BYTES:
        raise Malformed(f"longer than {MAX_POLICY_BYTES} bytes", where="policy")
    parser = _PolicyParser()
    # Bytes from 0x80 are opaque; surrogateescape keeps different bytes different, also where not UTF-8.
    for number, line in enumerate(data.split(b"\n"), 1):
        where = f"line {number}"
        if _CONTROL.search(line):
            raise Malformed("contains a control character", where=where)
        try:
            parser.read_line(line.decode(errors="surrogateescape").replace("\t", " ").strip(" "))
        except Malformed as fault:
            raise Malformed(fault.what, where=where) from None
    return parser.policy()


class _PolicyParser:
    """Reads a policy line by line. A line may use only names that an earlier line defines."""

    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: list[Witness] = []
        self._groups: dict[str, Group] = {}
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._quorum = ""

    def read_line(self, line: str) -> None:
        if not line or line.startswith("#"):
            return
        keyword, *items = [item for item in line.split(" ") if item]
        keywords: dict[str, tuple[int, int, Callable[[list[str]], None]]] = {
            "log": (1, 2, self._log),
            "witness": (2, 3, self._witness),
            "group": (3, 1 << 20, self._group),
            "quorum": (1, 1, self._set_quorum),
        }
        if keyword not in keywords:
            raise Malformed("does not begin with log, witness, group or quorum")
        least, most, read = keywords[keyword]
        if not least <= len(items) <= most:
            raise Malformed(f"{keyword} has too {'few' if len(items) < least else 'many'} items")
        read(items)

    def policy(self) -> Policy:
        if not self._quorum:
            raise Malformed("the quorum line is missing", where="end of file")
        return Policy(tuple(self._logs), tuple(self._witnesses), self._groups, self._quorum)

    def _log(self, items: list[str]) -> None:
        key = parse_vkey(items[0])
        _require_new(key, self._logs)
        self._logs.append(key)

    def _witness(self, items: list[str]) -> None:
        name, vkey, *url = items
        self._define(name)
        key = parse_witness_vkey(vkey)
        _require_new(key, [witness.key for witness in self._witnesses])
        self._witnesses.append(Witness(name, key, *url))

    def _group(self, items: list[str]) -> None:
        name, threshold, *members = items
        for member in members:
            self._require_known(member)
            if member in self._members:
                raise Malformed("the member is in another group already and would count twice")
            self._members.add(member)
        words = {"any": 1, "all": len(members)}
        if threshold not in words and not _COUNT.match(threshold):
            raise Malformed("the threshold is not any, all, or a number from 1")
        count = words[threshold] if threshold in words else int(threshold)
        if count > len(members):
            raise Malformed(f"the threshold is {count} of {len(members)} members")
        self._define(name)
        self._groups[name] = Group(count, tuple(members))

    def _set_quorum(self, items: list[str]) -> None:
        if self._quorum:
            raise Malformed("a second quorum line")
        if items[0] != _NONE:
            self._require_known(items[0])
        self._quorum = items[0]

    def _define(self, name: str) -> None:
        if name == _NONE or name in self._names:
            raise Malformed("the name is taken")
        self._names.add(name)

    def _require_known(self, name: str) -> None:
        if name not in self._names:
            raise Malformed("no earlier line defines the name")


def _require_new(key: VerifierKey, known: list[VerifierKey]) -> None:
    """Two vkeys with the same public key are duplicates, also under different names."""
    if key.public_key.public_bytes_raw() in {other.public_key.public_bytes_raw() for other in known}:
        raise Malformed("an earlier line has the same public key")


def _shown(name: str) -> str:
    """A name for people to read: bytes that are not UTF-8 are escaped."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")

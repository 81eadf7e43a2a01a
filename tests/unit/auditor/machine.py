"""A machine under a ledger: its process dies, its disk fails or its power is cut at any one step.

It is as unkind as POSIX allows. A file that was not synced is left empty, a name whose directory was not
synced is lost; a sync that failed has dropped what was written, and the next one succeeds without it.
"""

import errno
import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

from glomar_auditor.ledger.disk import Disk

_serial = count(1)


class Crash(BaseException):
    """The process ends here."""


class Machine(Disk):
    """Counts its steps from 1. At step `fails_at` it fails as `fault` says."""

    def __init__(self, fails_at: int = 0, fault: str = "dies", *, before: "Machine | None" = None) -> None:
        """fault: `dies` or an errno's name, followed by ` halfway` or ` done` if the step was nevertheless.
        before: the life before this one, on the same disk."""
        self.steps: list[str] = []
        self.failed = ""
        self._fails_at, self._fault = fails_at, fault
        # An inode for each path, its durable content, and the durable names.
        self._inodes: dict[Path, int] = before._inodes if before else {}
        self._content: dict[int, bytes] = before._content if before else {}
        self._names: dict[Path, dict[str, int]] = before._names if before else {}
        self._dropped: set[int] = before._dropped if before else set()

    @classmethod
    def over(cls, directory: Path, fails_at: int = 0, fault: str = "dies") -> "Machine":
        """A machine on whose disk everything in `directory` is durable."""
        machine = cls(fails_at, fault)
        for path in (directory, *directory.rglob("*")):
            machine._inodes[path] = next(_serial)
        for path in (directory, *directory.rglob("*")):
            machine._sync(path)
        return machine

    def create(self, path: Path, data: bytes) -> None:
        self._step("create", lambda: self._create(path, data), lambda: self._create(path, _half(data)))

    def append(self, fd: int, data: bytes) -> None:
        whole, half = (lambda: Disk.append(self, fd, data)), (lambda: Disk.append(self, fd, _half(data)))
        self._step("append", whole, half)

    def sync_data(self, fd: int) -> None:
        self.sync(Path(f"/proc/self/fd/{fd}").readlink())

    def sync(self, path: Path) -> None:
        self._step("sync", lambda: self._sync(path), dropped=path)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename", lambda: self._rename(source, target))

    def remove_directory(self, path: Path) -> None:
        self._step("remove", lambda: Disk.remove_directory(self, path), lambda: self._remove_one(path))

    def cut_power(self, directory: Path, *, names_last: bool = False) -> None:
        """Leave in `directory` what a power cut now would leave. names_last: every name lasts, as on a disk
        that journals names but not content."""
        for path in list(directory.iterdir()):
            names = {path.name: self._inode(path)} if names_last else self._names.get(directory, {})
            if path.is_dir() and path.name in names:
                self.cut_power(path, names_last=names_last)
            elif path.is_dir():
                shutil.rmtree(path)
            elif path.name in names:
                path.write_bytes(self._content.get(names[path.name], b""))
            else:
                path.unlink()

    def _step(
        self,
        name: str,
        do: Callable[[], None],
        half: Callable[[], None] = lambda: None,
        dropped: Path | None = None,
    ) -> None:
        assert self.failed != "dies", "a dead process goes on"
        self.steps.append(name)
        if len(self.steps) != self._fails_at:
            do()
            return
        self.failed, *how = self._fault.split(" ", 1)
        if how == ["done"]:
            do()
        elif how == ["halfway"]:
            half()
        elif dropped is not None and self.failed != "dies":
            self._dropped.add(self._inode(dropped))
        if self.failed == "dies":
            raise Crash
        number: int = getattr(errno, self.failed)
        raise OSError(number, os.strerror(number))

    def _inode(self, path: Path) -> int:
        return self._inodes.get(path, 0)

    def _create(self, path: Path, data: bytes) -> None:
        super().create(path, data)
        inode = self._inodes.setdefault(path, next(_serial))
        self._content.pop(inode, None)
        self._dropped.discard(inode)

    def _rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._inodes[target] = self._inodes.pop(source)

    def _remove_one(self, path: Path) -> None:
        if path.exists():
            next(path.iterdir()).unlink()

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self._names[path] = {entry.name: self._inode(entry) for entry in path.iterdir()}
        elif self._inode(path) not in self._dropped:
            self._content[self._inode(path)] = path.read_bytes()


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]

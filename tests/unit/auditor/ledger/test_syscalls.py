"""What the kernel is asked for: the order in which one batch reaches the disk, as strace sees it."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.tlog.leaf import Leaf
ledger = Ledger.open(Path(sys.argv[1]), Ed25519PrivateKey.from_private_bytes(bytes(32)), "audit.example/a/1")
os.write(1, b"opened")
ledger.append([Leaf(1, 0, "glomar.a.request.b.c", bytes(32))])
os.write(1, b"released")
ledger.compact()
os.write(1, b"started over")
"""
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += [0-9]")


def traced(directory: Path) -> list[tuple[str, str]]:
    """(call, what it was called on) of every call that changes or syncs a file of the ledger, or is said."""
    log = directory.with_name("strace")
    calls = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir,mkdirat"
    command = ("strace", "-f", "-y", "-s", "16", "-o", str(log), "-e", f"trace={calls}")
    subprocess.run([*command, sys.executable, "-c", SCRIPT, str(directory)], check=True, capture_output=True)
    found = []
    for line in log.read_text().splitlines():
        if (call := CALL.match(line)) is None:
            continue
        name, arguments = call.groups()
        paths = re.findall(rf'[<"]({re.escape(str(directory))}[^">]*)[">]', arguments)
        if paths:
            found.append((name, str(Path(paths[-1]).relative_to(directory))))
        elif arguments.startswith("1<"):
            found.append(("said", arguments.split('"')[1]))
    return found


def test_a_batch_is_synced_before_its_checkpoint_is_named_and_before_it_is_released(tmp_path: Path) -> None:
    calls = traced(tmp_path.resolve() / "ledger")
    opened, released = calls.index(("said", "opened")), calls.index(("said", "released"))
    assert calls[opened + 1 : opened + 3] == [("write", "journal"), ("fdatasync", "journal")]
    rest = calls[opened + 3 : released]
    assert rest[-2:] == [("write", "checkpoint.tmp"), ("rename", "checkpoint")]
    assert {name for name, _ in rest} <= {"mkdir", "write", "rename"}
    assert {("rename", "tile/0/000.p/1"), ("rename", "tile/entries/000.p/1")} <= set(rest[:-2])


def test_the_journal_starts_over_only_when_every_tile_and_every_name_is_synced(tmp_path: Path) -> None:
    calls = traced(tmp_path.resolve() / "ledger")
    released, over = calls.index(("said", "released")), calls.index(("said", "started over"))
    replaced = calls.index(("rename", "journal"), released)
    synced = {path for name, path in calls[released:replaced] if name == "fsync"}
    tiles = {"tile/0/000.p/1", "tile/entries/000.p/1"}
    assert synced == tiles | {str(up) for tile in tiles for up in Path(tile).parents} | {"journal.tmp"}
    assert calls[replaced - 2 : replaced] == [("write", "journal.tmp"), ("fsync", "journal.tmp")]
    assert calls[replaced + 1 : over] == [("fsync", ".")]

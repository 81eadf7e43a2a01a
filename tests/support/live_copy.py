"""A copy of a directory in which running processes write."""

import shutil
from contextlib import suppress
from pathlib import Path


def copy_live(source: Path, target: Path, *left_out: str) -> Path:
    """Copies the tree but names that match `left_out`. A file that vanishes meanwhile is no error."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left_out), copy_function=_copy)
    return target


def _copy(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)

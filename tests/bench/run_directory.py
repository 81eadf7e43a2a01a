"""A directory for one run, beside the results."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.processes import ROOT

OUT = ROOT / "bench-results"


@contextmanager
def directory() -> Iterator[Path]:
    """On the disk of the results, since /tmp may be in memory. Removed afterwards, unless the run failed."""
    OUT.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="run-", dir=OUT))
    try:
        yield made
    except BaseException:
        print(f"bench: the failed run's files are in {made}", file=sys.stderr, flush=True)
        raise
    shutil.rmtree(made)

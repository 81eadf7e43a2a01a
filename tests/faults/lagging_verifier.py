"""A verifier whose clock is slow by the number of seconds in a file.

Run as `python lagging_verifier.py serve --config FILE`, with GLOMAR_LAG_FILE naming that file.
"""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from glomar_verifier import cli
from glomar_verifier.decisions import worker


class Clock(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        lag_s = float(Path(os.environ["GLOMAR_LAG_FILE"]).read_text())
        return datetime.now(tz) - timedelta(seconds=lag_s)


if __name__ == "__main__":
    worker.datetime = Clock  # type: ignore[attr-defined]
    cli.main()

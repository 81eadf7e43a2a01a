"""Runs a command: an error is one line on stderr and an exit code; progress is a bar on a terminal.

Exit codes: 0 ok, 1 failure, 2 usage or settings, 3 refused, 4 timeout, 5 unreachable, 6 integrity failure,
130 interrupted.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Never

from cyclopts import App, CycloptsError, Parameter
from glomar_schemas.errors import GlomarError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

FAILURE = 1
USAGE = 2
INTERRUPTED = 130

AsJson = Annotated[bool, Parameter("--json", help="print JSON")]

Advance = Callable[[int, int], None]
"""advance(done, total). total: 0 if it is unknown."""


def run_cli(app: App, arguments: list[str] | None = None) -> Never:
    """Runs one command and ends the process. Errors of the user or the system give no traceback."""
    try:
        app(arguments, exit_on_error=False, print_error=True, error_console=Console(stderr=True))
        # Flush here: a full disk can still be reported.
        sys.stdout.flush()
    except CycloptsError:
        sys.exit(USAGE)
    except GlomarError as error:
        print(f"{app.name[0]}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has closed it, as `head` does.
        _discard_stdout()
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"{app.name[0]}: {place}{error.strerror or type(error).__name__}", file=sys.stderr)
        _discard_stdout()
        sys.exit(USAGE if isinstance(error, PermissionError) else FAILURE)
    sys.exit(0)


def _discard_stdout() -> None:
    """Buffered output can't be written. Without this Python would report that again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def utc(moment: datetime) -> datetime:
    """A time from the command line: UTC, unless it has an offset."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def print_result(shape: Mapping[str, object], text: str, as_json: bool) -> None:
    """Prints what a command did: as JSON, with the version of its shape, or as a text for people."""
    print(json.dumps({"version": 1, **shape}) if as_json else text)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Advance]:
    """A progress bar on stderr, or nothing if stderr is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield advance

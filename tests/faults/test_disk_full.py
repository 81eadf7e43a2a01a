"""The auditor's disk is full while it records: it ends with the reason, loses nothing and continues later."""

from glomar_local.system.supervisor import commands

from tests.faults.evidence import ledger_size, require_consistent
from tests.faults.request_files import RequestFile
from tests.faults.submission import Submission
from tests.support.service_processes import Processes, plain_lines

ROOM_BYTES = 64 * 1024
"""The limit of each file. The journal reaches it first; the system then writes only a part of a frame."""


def test_an_auditor_whose_disk_is_full_ends_loses_nothing_and_continues(
    processes: Processes, small_file: RequestFile
) -> None:
    processes.start_all()
    processes.stop("auditor")
    [argv] = [command.argv for command in commands(processes.system) if command.name == "auditor"]
    processes.start("auditor", ("prlimit", f"--fsize={ROOM_BYTES}", *argv))
    processes.until_ready("auditor")

    with Submission(processes.system, small_file) as submission:
        assert processes.exit_code("auditor") == 1
        [line] = plain_lines(processes.log_text("auditor"))
        assert "the storage refused (File too large)" in line and "free space" in line
        assert str(processes.system.layout.ledger) in line
        recorded = ledger_size(processes.system)
        assert 0 < recorded < 2 * len(small_file.truths)

        processes.start("auditor")
        require_consistent(processes.system, submission.results(), small_file.truths)

"""The auditor's disk fills up while it records: it ends and says why, nothing is lost, and it goes on."""

from glomar_local.system.supervisor import commands

from tests.faults.data import Asked
from tests.faults.evidence import ledger_size, require_all_well
from tests.faults.processes import Processes, messages
from tests.faults.submission import submitting

ROOM_BYTES = 64 * 1024
"""For any one file. The journal is the first that needs more; the system then takes a part of a frame."""


def test_an_auditor_whose_disk_is_full_ends_loses_nothing_and_goes_on(bare: Processes, few: Asked) -> None:
    bare.start_all()
    bare.stop("auditor")
    [argv] = [command.argv for command in commands(bare.system) if command.name == "auditor"]
    bare.start("auditor", ("prlimit", f"--fsize={ROOM_BYTES}", *argv))
    bare.until_ready("auditor")

    with submitting(bare.system, few) as submission:
        assert bare.exit_code("auditor") == 1
        [said] = messages(bare.said("auditor"))
        assert "the storage refused (File too large)" in said and "free space" in said
        assert str(bare.system.layout.ledger) in said
        recorded = ledger_size(bare.system)
        assert 0 < recorded < 2 * len(few.truths)

        bare.start("auditor")
        require_all_well(bare.system, submission.results(), few.truths)

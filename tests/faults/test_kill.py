"""kill -9 of any process at any moment: nothing accepted is lost, nothing answered twice (G1, G2, G6, G7)."""

import contextlib
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from glomar_runtime.bus.topology import ACK_WAIT_S

from tests.faults.conftest import Supervised
from tests.faults.evidence import require_consistent
from tests.faults.http_requests import HttpRequests
from tests.faults.request_files import RequestFile
from tests.faults.submission import Submission
from tests.support.running_system import RunningSystem

SEED = os.environ.get("GLOMAR_TEST_SEED", "6103")
EARLIEST, LATEST = 50, 1_200
"""Number of answers before the kill. Other requests are then being sent, decided, recorded or released."""


def moment(case: str) -> int:
    return random.Random(f"{SEED} {case}").randrange(EARLIEST, LATEST)


def kill(running: RunningSystem, name: str) -> int:
    pid = running.pids[name]
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("process", ["nats-server", "auditor", "verifier"])
def test_a_killed_process_costs_no_request_and_no_answer(
    supervised: Supervised, request_file: RequestFile, process: str
) -> None:
    with supervised() as (running, system), Submission(system, request_file) as submission:
        submission.until_answered(moment(process))
        killed = kill(running, process)

        results = submission.results()

        assert running.pids[process] != killed, "it was not started again"
        require_consistent(system, results, request_file.truths)


def test_what_a_killed_requester_service_had_accepted_is_answered(
    supervised: Supervised, request_file: RequestFile
) -> None:
    with supervised() as (running, system), ThreadPoolExecutor(1) as thread:
        sender = HttpRequests(system, request_file.bodies)
        run = thread.submit(sender.run)
        sender.until_accepted(moment("requester"))
        accepted = dict(sender.accepted)
        killed = kill(running, "requester")

        results = run.result()

        assert running.pids["requester"] != killed, "it was not started again"
        assert accepted.items() <= sender.accepted.items(), "a key was accepted as two requests"
        require_consistent(system, results, request_file.truths)


def test_a_killed_client_that_runs_again_sends_nothing_twice(
    supervised: Supervised, request_file: RequestFile
) -> None:
    with supervised() as (_, system):
        for case in ("client", "client again"):
            with Submission(system, request_file) as submission:
                submission.until_answered(moment(case))
                submission.kill()
        with Submission(system, request_file) as submission:
            require_consistent(system, submission.results(), request_file.truths)


def test_a_system_killed_at_once_continues_after_the_next_start(
    supervised: Supervised, request_file: RequestFile
) -> None:
    with contextlib.suppress(ProcessLookupError), supervised() as (running, system):
        with Submission(system, request_file) as submission:
            submission.until_answered(moment("all"))
            for pid in running.pids.values():
                os.kill(pid, signal.SIGKILL)
            submission.kill()
        running.process.wait(10)

    with supervised() as (_, system), Submission(system, request_file) as submission:
        require_consistent(system, submission.results(), request_file.truths)


def test_a_verifier_stopped_past_the_ack_wait_answers_each_request_once(
    supervised: Supervised, request_file: RequestFile
) -> None:
    with supervised() as (running, system), Submission(system, request_file) as submission:
        submission.until_answered(moment("stopped"))
        stopped = running.pids["verifier"]
        os.kill(stopped, signal.SIGSTOP)
        # The pause is the fault itself; nothing is waited for.
        time.sleep(1.2 * ACK_WAIT_S)
        assert submission.is_running, "it was stopped too late: everything was answered"
        os.kill(stopped, signal.SIGCONT)

        require_consistent(system, submission.results(), request_file.truths)

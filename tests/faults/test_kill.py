"""kill -9 of anything, at any moment: nothing accepted is lost, nothing answered twice (G1, G2, G6, G7)."""

import contextlib
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from glomar_runtime.bus.topology import ACK_WAIT_S

from tests.faults.conftest import Supervised
from tests.faults.data import Asked
from tests.faults.evidence import require_all_well
from tests.faults.http_asking import HttpAsking
from tests.faults.submission import submitting
from tests.integration.conftest import Up

SEED = 6103
EARLIEST, LATEST = 50, 1_200
"""Answers after which the kill comes: while the rest is still being asked, decided, recorded or released."""


def moment(case: str) -> int:
    return random.Random(f"{SEED} {case}").randrange(EARLIEST, LATEST)


def kill(running: Up, name: str) -> int:
    pid = running.pids[name]
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("process", ["nats-server", "auditor", "verifier"])
def test_a_killed_process_costs_no_request_and_no_answer(
    supervised: Supervised, asked: Asked, process: str
) -> None:
    with supervised() as (running, system), submitting(system, asked) as submission:
        submission.until_answered(moment(process))
        killed = kill(running, process)

        results = submission.results()

        assert running.pids[process] != killed, "it was not started again"
        require_all_well(system, results, asked.truths)


def test_what_a_killed_requester_service_had_accepted_is_answered(
    supervised: Supervised, asked: Asked
) -> None:
    with supervised() as (running, system), ThreadPoolExecutor(1) as thread:
        asking = HttpAsking(system, asked.bodies)
        run = thread.submit(asking.run)
        asking.until_accepted(moment("requester"))
        accepted = dict(asking.accepted)
        killed = kill(running, "requester")

        results = run.result()

        assert running.pids["requester"] != killed, "it was not started again"
        assert accepted.items() <= asking.accepted.items(), "a key was accepted as two requests"
        require_all_well(system, results, asked.truths)


def test_a_killed_client_run_again_asks_nothing_twice(supervised: Supervised, asked: Asked) -> None:
    with supervised() as (_, system):
        for case in ("client", "client again"):
            with submitting(system, asked) as submission:
                submission.until_answered(moment(case))
                submission.kill()
        with submitting(system, asked) as submission:
            require_all_well(system, submission.results(), asked.truths)


def test_everything_killed_at_once_goes_on_after_the_next_start(supervised: Supervised, asked: Asked) -> None:
    with contextlib.suppress(ProcessLookupError), supervised() as (running, system):
        with submitting(system, asked) as submission:
            submission.until_answered(moment("all"))
            for pid in running.pids.values():
                os.kill(pid, signal.SIGKILL)
            submission.kill()
        running.process.wait(10)

    with supervised() as (_, system), submitting(system, asked) as submission:
        require_all_well(system, submission.results(), asked.truths)


def test_a_verifier_stopped_past_the_ack_wait_answers_each_request_once(
    supervised: Supervised, asked: Asked
) -> None:
    with supervised() as (running, system), submitting(system, asked) as submission:
        submission.until_answered(moment("stopped"))
        stopped = running.pids["verifier"]
        os.kill(stopped, signal.SIGSTOP)
        # Not to wait for something: this long is the fault itself.
        time.sleep(1.2 * ACK_WAIT_S)
        assert submission.is_running, "it was stopped too late: all was answered"
        os.kill(stopped, signal.SIGCONT)

        require_all_well(system, submission.results(), asked.truths)

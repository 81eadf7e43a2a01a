"""A running system whose answers wait for a foreign witness, and a fork that this witness refuses."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.witnesses import WitnessRounds
from glomar_requester import Result
from glomar_schemas.keys import read_signing_key
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.layout import COSIGNED
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import open_checkpoint
from glomar_schemas.tlog.policy import load_policy
from msgspec import Struct

from tests.integration import foreign_witness
from tests.integration.foreign_witness import ForeignWitness
from tests.integration.http_api import auditor_status
from tests.support.commands import run
from tests.support.polling import wait_until
from tests.support.recorded import log_key
from tests.support.requesting import BackgroundRequests, confirmable, profile
from tests.support.running_system import RunningSystem, glomar_up, system_of

LIMIT_S = 60.0


class Witnessed(Struct, frozen=True):
    """A system whose auditor and requester share a policy. before: results without the witness; results:
    with it."""

    system: RunningSystem
    witness: ForeignWitness
    policy: Path
    before: list[Result]
    fault: str
    results: list[Result]


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witnessed]:
    folder = tmp_path_factory.mktemp("witnessed")
    witness = ForeignWitness(folder / "witness")
    policy = folder / "policy"
    policy.write_text(f"witness w1 {witness.vkey} {witness.url}\nquorum w1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOMAR_POLICY", str(policy))
        with glomar_up(folder / "data") as system:
            background = BackgroundRequests(profile(system.layout, folder / "store.db"), confirmable(3))
            background.start()

            def fault() -> str:
                return str(auditor_status(system)["witnesses"]["each"][0]["fault"])

            # All three requests and verdicts are recorded, and the witness does not run.
            assert wait_until(lambda: auditor_status(system)["ledger_size"] >= 7 and fault() != "", LIMIT_S)
            before, reported = list(background.results), fault()
            key = log_key(system_of(system))
            witness.trust(key.name, (system.layout.ledger / "log.vkey").read_text().strip())
            with witness.serving():
                background.join(LIMIT_S)
                yield Witnessed(system, witness, policy, before, reported, background.results)


def test_answers_wait_for_the_witness(witnessed: Witnessed) -> None:
    assert witnessed.before == []
    assert witnessed.fault.startswith("no connection")
    assert [result.outcome for result in witnessed.results] == ["confirm"] * 3
    status = run("glomar", "status", "--data-dir", str(witnessed.system.layout.root))
    assert status.returncode == 0, status.stderr
    assert f"  {witnessed.witness.vkey.partition('+')[0]}: " in status.stdout


def test_the_witness_authors_verifier_accepts_the_cosigned_checkpoint_and_an_entry(
    witnessed: Witnessed, tmp_path: Path
) -> None:
    ledger = witnessed.system.layout.ledger
    (tmp_path / COSIGNED).write_bytes((ledger / COSIGNED).read_bytes())
    # The verifier reads no key from the directory that it checks.
    (tmp_path / "log.vkey").write_bytes((ledger / "log.vkey").read_bytes())
    keys = ["--vkey-file", "log.vkey", "--witness-key", witnessed.witness.vkey, "--quorum", "1"]
    head = foreign_witness.run("aics_tlog", "verify-checkpoint", "--note", COSIGNED, *keys, cwd=tmp_path)
    assert head.returncode == 0, head.stdout + head.stderr
    index = str((witnessed.results[0].sequence or 0) - 1)
    entry = ["verify-inclusion", "--tiles", str(ledger), "--checkpoint", COSIGNED, "--index", index, *keys]
    found = foreign_witness.run("aics_tlog", *entry, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_saved_receipt_proves_offline_that_the_witness_saw_it(witnessed: Witnessed, tmp_path: Path) -> None:
    layout, receipt = witnessed.system.layout, tmp_path / "answer.tlog-proof"
    request_id = witnessed.results[0].request_id
    settings = ["--config", str(layout.settings("requester"))]
    policy, store = str(witnessed.policy), str(witnessed.policy.parent / "store.db")
    prove = ("glomar-requester", "prove", request_id, "--out", str(receipt), *settings)
    proved = run(*prove, policy=policy, store=store)
    assert (proved.returncode, proved.stdout) == (0, ""), proved.stderr
    keys = ("--vkey", str(layout.ledger / "log.vkey"), "--policy", policy)
    checked = run("glomar-auditor", "verify-receipt", str(receipt), "--json", *keys)
    assert checked.returncode == 0, checked.stderr
    shown = json.loads(checked.stdout)
    assert shown["subject"].endswith(request_id) and list(shown["cosigned"]) == ["w1"]
    assert receipts.leaf_within(receipt.read_text()).sequence == witnessed.results[0].sequence


def test_the_witness_refuses_a_fork_and_stores_the_evidence(witnessed: Witnessed, tmp_path: Path) -> None:
    system = system_of(witnessed.system)
    key, signer = (
        log_key(system),
        read_signing_key(system.layout.private_key(system.agreement.oversight, "ledger")),
    )
    assert isinstance(signer, Ed25519PrivateKey)
    cosigned = int(witnessed.witness.log()["size"])
    forked = Ledger.open(tmp_path / "fork", signer, key.name)
    forked.append([Leaf(n, n, f"glomar.a.request.r.{n}", bytes(32)) for n in range(1, cosigned + 10)])
    rounds = WitnessRounds(
        forked, load_policy(witnessed.policy), CosignedCheckpoint(forked, tmp_path / "fork", key)
    )

    async def until_refused() -> None:
        running = asyncio.create_task(rounds.run())
        async with asyncio.timeout(LIMIT_S):
            while "not an extension" not in str(rounds.status()[0]["fault"]):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.05)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(until_refused())
    forked.close()
    log = witnessed.witness.log()
    assert log["evidence"] >= 1
    published = (witnessed.system.layout.ledger / COSIGNED).read_text()
    assert open_checkpoint(published, key).size == log["size"]
    assert not (tmp_path / "fork" / COSIGNED).exists()

"""Asks the witnesses of the policy to cosign the newest checkpoint, in rounds, in the background.

Recording and releases never wait for it.
"""

import asyncio
import logging
from typing import Final

from glomar_schemas.errors import Misconfigured, Unreachable
from glomar_schemas.tlog.policy import Policy, Witness
from glomar_schemas.tlog.tree import Tree
from msgspec import Struct, field

from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.witnessing.add_checkpoint import (
    PATH,
    CosignatureLine,
    NotCosigned,
    SizeConflict,
    read_response,
    request_body,
)
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.http_client import Post, post, require_url

log = logging.getLogger(__name__)

ROUND_EVERY_S: Final = 0.5
"""At most. A busy ledger signs hundreds of checkpoints in that time; only the newest is sent."""
RENEW_S: Final = 3600.0
"""The checkpoint of an idle ledger is cosigned again after this time, so that cosignatures stay fresh."""
FIRST_PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 60.0
MAX_COSIGNATURES_BYTES: Final = 1500
"""Twelve witnesses: a receipt with more would not fit into a release with the largest answer."""
MAX_CONFLICTS: Final = 3
"""In a row; then the witness is asked again later. Another client may update the same witness meanwhile."""
_LINE_BYTES: Final = len("—  \n".encode()) + 104
"""Of a cosignature line, without the key's name."""


class WitnessState(Struct):
    """size, time: of its last cosignature (s since 1970); ready_at: loop time of the next attempt.

    pause_s: the last pause after a failure; fault: why it does not cosign, "" if it does.
    """

    witness: Witness
    size: int = 0
    time: int = 0
    ready_at: float = 0.0
    pause_s: float = 0.0
    fault: str = ""


class PendingCheckpoint(Struct):
    """lines: cosignatures so far, by witness; published: how many of them are published.

    renew_at: loop time from which the same size is signed and cosigned again.
    """

    note: str
    tree: Tree
    renew_at: float
    lines: dict[str, str] = field(default_factory=dict)
    published: int = 0


class WitnessRounds:
    def __init__(
        self, ledger: Ledger, policy: Policy, cosigned: CosignedCheckpoint, post: Post = post
    ) -> None:
        """Raises Misconfigured if the witnesses that have a URL can't reach the quorum, or are too many."""
        self._ledger = ledger
        self._policy = policy
        self._cosigned = cosigned
        self._post = post
        self._witnesses = [WitnessState(witness) for witness in _usable(policy)]
        self._pending: PendingCheckpoint | None = None
        self._wakeup = asyncio.Event()

    def wake(self) -> None:
        """Call when there may be a newer checkpoint."""
        self._wakeup.set()

    def status(self) -> list[dict[str, object]]:
        """For each witness: the size that it cosigned last, when (s since 1970), and its fault since then."""
        return [
            {"key": state.witness.key.name, "size": state.size, "time": state.time, "fault": state.fault}
            for state in self._witnesses
        ]

    async def run(self) -> None:
        """Never returns. Raises OSError if a cosigned checkpoint can't be stored, IntegrityError (tiles)."""
        while True:
            self._wakeup.clear()
            pending = self._newest()
            if pending.tree.size:
                await self._round(pending)
            await asyncio.sleep(ROUND_EVERY_S)
            waiting = self._without_cosignature(pending) if pending.tree.size else []
            due = [pending.renew_at, *(state.ready_at for state in waiting)]
            try:
                async with asyncio.timeout_at(min(due)):
                    await self._wakeup.wait()
            except TimeoutError:
                continue

    def _newest(self) -> PendingCheckpoint:
        now, size = asyncio.get_running_loop().time(), self._ledger.size
        last = self._pending
        if last is None or last.tree.size < size or last.renew_at <= now:
            note, tree = self._ledger.checkpoint_text, self._ledger.tree_at(size)
            self._pending = last = PendingCheckpoint(note, tree, now + RENEW_S)
        return last

    def _without_cosignature(self, pending: PendingCheckpoint) -> list[WitnessState]:
        return [state for state in self._witnesses if state.witness.name not in pending.lines]

    async def _round(self, pending: PendingCheckpoint) -> None:
        now = asyncio.get_running_loop().time()
        ready = [state for state in self._without_cosignature(pending) if state.ready_at <= now]
        tasks = [asyncio.create_task(self._ask(state, pending)) for state in ready]
        try:
            for task in asyncio.as_completed(tasks):
                await task
                # Published as soon as there is a quorum; later cosignatures are added below.
                if not pending.published:
                    await self._publish(pending)
            if len(pending.lines) > pending.published:
                await self._publish(pending)
        finally:
            for task in tasks:
                task.cancel()

    async def _publish(self, pending: PendingCheckpoint) -> None:
        if not pending.lines or not self._policy.quorum_met(pending.lines):
            return
        pending.published = len(pending.lines)
        note = pending.note + "".join(pending.lines.values())
        # In a thread: its fsyncs take as long as those of a commit, and must not delay one.
        await asyncio.to_thread(self._cosigned.write, note)
        self._cosigned.take(note, pending.tree)

    async def _ask(self, state: WitnessState, pending: PendingCheckpoint) -> None:
        url = state.witness.url.rstrip("/") + PATH
        try:
            result = await self._exchange(url, state, pending)
        except Unreachable as fault:
            result = NotCosigned(fault.what)
        if isinstance(result, CosignatureLine):
            self._cosigned_by(state, pending, result)
        else:
            self._refused_by(state, result)

    async def _exchange(
        self, url: str, state: WitnessState, pending: PendingCheckpoint
    ) -> CosignatureLine | NotCosigned:
        """Raises Unreachable."""
        old = min(state.size, pending.tree.size)
        for _ in range(MAX_CONFLICTS):
            body = request_body(old, pending.tree.consistency_proof(old), pending.note)
            response = await self._post(url, body)
            result = read_response(response.status, response.body, pending.note, state.witness.key)
            if not isinstance(result, SizeConflict):
                return result
            if result.size > pending.tree.size:
                what = f"it has cosigned {result.size} leaves, and the ledger has {pending.tree.size}"
                return NotCosigned(what, fork=True)
            if result.size == old == pending.tree.size:
                return NotCosigned("it has cosigned another ledger of the same size", fork=True)
            old = result.size
        return NotCosigned("the size that it has cosigned changes each time")

    def _cosigned_by(self, state: WitnessState, pending: PendingCheckpoint, line: CosignatureLine) -> None:
        if state.fault:
            log.info("a witness cosigns again", extra={"where": state.witness.key.name})
        pending.lines[state.witness.name] = line.line
        state.size, state.time = pending.tree.size, line.time
        state.fault, state.pause_s, state.ready_at = "", 0.0, 0.0

    def _refused_by(self, state: WitnessState, refused: NotCosigned) -> None:
        """No witness can stop the ledger, whether its report is true or false: the policy decides."""
        if refused.what != state.fault:
            level = logging.ERROR if refused.fork else logging.WARNING
            extra = {"where": state.witness.key.name, "fault": refused.what}
            log.log(level, "a witness does not cosign", extra=extra)
        state.fault = refused.what
        state.pause_s = min(max(2 * state.pause_s, FIRST_PAUSE_S), MAX_PAUSE_S)
        state.ready_at = asyncio.get_running_loop().time() + state.pause_s


def _usable(policy: Policy) -> list[Witness]:
    """The witnesses that have a URL. Raises Misconfigured."""
    found = [witness for witness in policy.witnesses if witness.url]
    for witness in found:
        require_url(witness.url)
    if sum(_LINE_BYTES + len(witness.key.name.encode()) for witness in found) > MAX_COSIGNATURES_BYTES:
        raise Misconfigured("more witnesses than fit into a receipt", where="policy", fix="Ask a dozen")
    if not policy.quorum_met([witness.name for witness in found]):
        raise Misconfigured(
            "its quorum can't be reached by the witnesses that have a URL",
            where="policy",
            fix="Give each witness its submission prefix: witness NAME VKEY URL",
        )
    return found

"""Asks the witnesses of the policy to cosign the newest checkpoint, in rounds, behind the recording's back.

Called by the app, which runs it in the background and wakes it after each commit. Nothing waits for it.
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
    Conflict,
    Cosigned,
    Refusal,
    read_answer,
    request_body,
)
from glomar_auditor.witnessing.cosigned import CosignedCheckpoint
from glomar_auditor.witnessing.http_client import Post, post, require_url

log = logging.getLogger(__name__)

ROUND_EVERY_S: Final = 0.5
"""At most; a busy ledger signs hundreds of checkpoints in that time, of which the newest is sent."""
RENEW_S: Final = 3600.0
"""A quiet ledger's checkpoint is cosigned again, so that its cosignatures stay fresh."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
MAX_COSIGNATURES_BYTES: Final = 1500
"""A dozen witnesses: a receipt with more would not fit into a release beside the largest answer."""
MAX_CONFLICTS: Final = 3
"""Another may feed the same witness meanwhile; after so many sizes in a row it is left for later."""


_LINE_BYTES: Final = len("—  \n".encode()) + 104
"""Of a cosignature line, without the key's name."""


class Peer(Struct):
    """A witness as far as it goes. size: that it cosigned last; ready_at: asked from then on (loop time)."""

    witness: Witness
    size: int = 0
    time: int = 0
    ready_at: float = 0.0
    pause_s: float = 0.0
    fault: str = ""


class Head(Struct):
    """A checkpoint on its round. lines: by witness; published: how many of them are."""

    note: str
    tree: Tree
    renew_at: float
    lines: dict[str, str] = field(default_factory=dict)
    published: int = 0


class Witnesses:
    def __init__(
        self, ledger: Ledger, policy: Policy, cosigned: CosignedCheckpoint, post: Post = post
    ) -> None:
        """Raises Misconfigured if the witnesses that have a URL can't make the quorum, or are too many."""
        self._ledger = ledger
        self._policy = policy
        self._cosigned = cosigned
        self._post = post
        self._peers = [Peer(witness) for witness in _usable(policy)]
        self._head: Head | None = None
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There may be a newer checkpoint."""
        self._news.set()

    def status(self) -> list[dict[str, object]]:
        """For each witness: the size that it cosigned last, when (s since 1970), and why not since."""
        return [
            {"key": peer.witness.key.name, "size": peer.size, "time": peer.time, "fault": peer.fault}
            for peer in self._peers
        ]

    async def run(self) -> None:
        """For ever. Raises OSError when a cosigned checkpoint can't be stored, IntegrityError (tiles)."""
        while True:
            self._news.clear()
            head = self._newest()
            if head.tree.size:
                await self._round(head)
            await asyncio.sleep(ROUND_EVERY_S)
            due = [head.renew_at, *(peer.ready_at for peer in self._lacking(head) if head.tree.size)]
            try:
                async with asyncio.timeout_at(min(due)):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _newest(self) -> Head:
        now = asyncio.get_running_loop().time()
        if self._head is None or self._head.tree.size < self._ledger.size or self._head.renew_at <= now:
            size, note = self._ledger.size, self._ledger.checkpoint_text
            self._head = Head(note, self._ledger.tree_at(size), now + RENEW_S)
        return self._head

    def _lacking(self, head: Head) -> list[Peer]:
        return [peer for peer in self._peers if peer.witness.name not in head.lines]

    async def _round(self, head: Head) -> None:
        now = asyncio.get_running_loop().time()
        asked = [peer for peer in self._lacking(head) if peer.ready_at <= now]
        tasks = [asyncio.create_task(self._ask(peer, head)) for peer in asked]
        try:
            for answered in asyncio.as_completed(tasks):
                await answered
                # Published as soon as there is a quorum; those who answer later add to it below.
                if not head.published:
                    await self._publish(head)
            if len(head.lines) > head.published:
                await self._publish(head)
        finally:
            for task in tasks:
                task.cancel()

    async def _publish(self, head: Head) -> None:
        if not head.lines or not self._policy.quorum_met(head.lines):
            return
        head.published = len(head.lines)
        note = head.note + "".join(head.lines.values())
        # Its fsyncs take as long as a commit's, and must not hold one up.
        await asyncio.to_thread(self._cosigned.write, note)
        self._cosigned.take(note, head.tree)

    async def _ask(self, peer: Peer, head: Head) -> None:
        url = peer.witness.url.rstrip("/") + PATH
        try:
            said = await self._exchange(url, peer, head)
        except Unreachable as fault:
            said = Refusal(fault.what)
        if isinstance(said, Cosigned):
            self._cosigned_by(peer, head, said)
        else:
            self._refused_by(peer, said)

    async def _exchange(self, url: str, peer: Peer, head: Head) -> Cosigned | Refusal:
        """Raises Unreachable."""
        old = min(peer.size, head.tree.size)
        for _ in range(MAX_CONFLICTS):
            body = request_body(old, head.tree.consistency_proof(old), head.note)
            answer = await self._post(url, body)
            said = read_answer(answer.status, answer.body, head.note, peer.witness.key)
            if not isinstance(said, Conflict):
                return said
            if said.size > head.tree.size:
                what = f"it has cosigned {said.size} leaves, and the ledger has {head.tree.size}"
                return Refusal(what, fork=True)
            if said.size == old == head.tree.size:
                return Refusal("it has cosigned another ledger of the same size", fork=True)
            old = said.size
        return Refusal("what it says of the size that it cosigned changes each time")

    def _cosigned_by(self, peer: Peer, head: Head, said: Cosigned) -> None:
        if peer.fault:
            log.info("a witness cosigns again", extra={"where": peer.witness.key.name})
        head.lines[peer.witness.name] = said.line
        peer.size, peer.time = head.tree.size, said.time
        peer.fault, peer.pause_s, peer.ready_at = "", 0.0, 0.0

    def _refused_by(self, peer: Peer, said: Refusal) -> None:
        """One witness can't stop the ledger, true or false what it says; those who hold a policy decide."""
        if said.what != peer.fault:
            level = logging.ERROR if said.fork else logging.WARNING
            told = {"where": peer.witness.key.name, "fault": said.what}
            log.log(level, "a witness does not cosign", extra=told)
        peer.fault = said.what
        peer.pause_s = min(max(2 * peer.pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        peer.ready_at = asyncio.get_running_loop().time() + peer.pause_s


def _usable(policy: Policy) -> list[Witness]:
    """Those that can be asked. Raises Misconfigured."""
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

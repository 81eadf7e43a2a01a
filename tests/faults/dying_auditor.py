"""The auditor, but it is killed once the ledger has a batch of verdicts and before any of them is released.

Run as `python dying_auditor.py NUMBER serve --config FILE`: killed when it has released NUMBER verdicts. A
releaser is only called with what the ledger has synced, so no better moment can be hit from outside.
"""

import os
import signal
import sys

from glomar_auditor import app, cli
from glomar_auditor.releasing.release import Releaser
from glomar_runtime.bus.stream import Stored
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.sealing import Sealer
from glomar_schemas.messages import Sealed


class DyingReleaser(Releaser):
    left = 0

    def _release(self, stored: Stored, signed: SignedAgreement, sealer: Sealer) -> Sealed:
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        DyingReleaser.left -= 1
        return super()._release(stored, signed, sealer)


if __name__ == "__main__":
    DyingReleaser.left = int(sys.argv.pop(1))
    app.Releaser = DyingReleaser  # type: ignore[attr-defined]
    cli.main()

"""An auditor that is killed after it has released some verdicts of a batch that is in the ledger.

Run as `python dying_auditor.py NUMBER serve --config FILE`: it is killed after NUMBER releases. The release
writer only receives what the ledger has synced, so each kill is between recording and releasing.
"""

import os
import signal
import sys

from glomar_auditor import app, cli
from glomar_auditor.releasing.release import ReleaseWriter
from glomar_runtime.bus.stream import Stored
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.sealing import Sealer
from glomar_schemas.messages import Sealed


class DyingWriter(ReleaseWriter):
    left = 0

    def _release(self, stored: Stored, signed: SignedAgreement, sealer: Sealer) -> Sealed:
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        DyingWriter.left -= 1
        return super()._release(stored, signed, sealer)


if __name__ == "__main__":
    DyingWriter.left = int(sys.argv.pop(1))
    app.ReleaseWriter = DyingWriter  # type: ignore[attr-defined]
    cli.main()

"""`glomar-auditor agreement sign`: an official signs a version. stdout is data, stderr is people."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import read_signing_key

from glomar_auditor.controls.agreement_file import add_signature

app = App("agreement", help="Signatures of officials under an agreement's file.")


@app.command
def sign(
    file: Annotated[Path, Parameter(help="the agreement's version; FILE.sig is made or grows beside it")],
    *,
    key: Annotated[Path, Parameter(help="the official's private key, PEM, of mode 0600")],
    as_json: Annotated[bool, Parameter("--json", help="print JSON")] = False,
) -> None:
    """Add one official's signature. Read it first, with `glomar-verifier agreement check`."""
    signed = [each.keyid for each in add_signature(file, Signer(read_signing_key(key)))]
    if as_json:
        print(json.dumps({"version": 1, "file": str(file), "signed_by": signed}))
    else:
        print(f"{file}.sig: {len(signed)} signed, the last with key {signed[-1]}")

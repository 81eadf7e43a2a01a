"""`glomar-verifier tag`: a person's tags, for somebody who asks what was disclosed about them."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.errors import Malformed
from glomar_schemas.keys import read_secret
from glomar_schemas.messages import Subject

from glomar_verifier.matching.names import normal_name
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.settings import VerifierSettings

MAX_CHARACTERS = 100


def tag(
    *,
    config: Annotated[Path, Parameter(help="the verifier's TOML file")],
    as_json: Annotated[
        bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")
    ] = False,
) -> None:
    """Read a first name and a last name, one line each, and print the person's tag for each agency.

    They are read from stdin: everybody on the machine can see an argument, and the shell stores it.
    """
    settings = load_settings(VerifierSettings, config)
    agreement = load_versions(settings.agreement, load_trust(settings.trust)).newest.agreement
    tagger = Tagger(read_secret(settings.tag_key), where=str(settings.tag_key))
    person, rules = _read_name(), load_rules()
    name = normal_name(person.first_name, "", person.last_name, "", rules)
    if not (name.first and name.surname):
        raise Malformed("a name without letters", where="stdin")
    tags = {agency: tagger.person(agency, name) for agency in agreement.requesters}
    if as_json:
        print(json.dumps({"version": 1, "tags": tags}))
        return
    for agency, found in tags.items():
        print(f"{agency}  {found}")


def _read_name() -> Subject:
    """Raises Malformed unless stdin has two lines that are not blank."""
    lines = []
    for prompt in ("first name: ", "last name: "):
        if sys.stdin.isatty():
            print(prompt, end="", file=sys.stderr, flush=True)
        try:
            line = sys.stdin.readline(10 * MAX_CHARACTERS).strip()
        except UnicodeDecodeError:
            raise Malformed("not UTF-8", where="stdin") from None
        if not 0 < len(line) <= MAX_CHARACTERS:
            raise Malformed(f"not 1 to {MAX_CHARACTERS} characters", where=f"stdin, {prompt.strip(': ')}")
        lines.append(line)
    return Subject(first_name=lines[0], last_name=lines[1])

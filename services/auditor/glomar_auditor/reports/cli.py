"""`glomar-auditor report` and `accounting`. stdout is data, stderr is people."""

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_schemas.agreement.model import Allowed
from glomar_schemas.errors import Misconfigured
from msgspec import Struct

from glomar_auditor.index.cli import NAME, AsJson, Config, Since, Until
from glomar_auditor.index.database import Wanted
from glomar_auditor.index.periods import LAST_NS, in_zone, to_ns
from glomar_auditor.reports import accounting as accounts
from glomar_auditor.reports import public as publicly
from glomar_auditor.reports.accounting import Accounting
from glomar_auditor.reports.affidavit import affidavit
from glomar_auditor.reports.count import Period, control_history, count
from glomar_auditor.reports.document import Document, as_html, as_text
from glomar_auditor.reports.full_check import source
from glomar_auditor.reports.model import Report

Checkpoint = Annotated[Path | None, Parameter(help="as of this one, in a file; else the newest")]
Html = Annotated[Path | None, Parameter(help="also write a page to print; refuses to overwrite")]
Quick = Annotated[bool, Parameter(negative="", help="from the index, which is no evidence")]

_TAG = re.compile(r"[0-9a-f]{64}\Z")


def report(
    *,
    since: Since = None,
    until: Until = None,
    public: Annotated[bool, Parameter(negative="", help="what anybody may see: counts and hashes")] = False,
    quick: Quick = False,
    checkpoint: Checkpoint = None,
    html: Html = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Count what was asked and answered, and under which checkpoint: from ledger and stream, all checked."""
    _require_new(html)

    async def run() -> tuple[Report, Allowed]:
        async with source(config, NAME, quick=quick, checkpoint=checkpoint) as (seen, found):
            made = count(found, _period(since, until, seen.agreement.time_zone))
            return made, seen.agreement.allowed

    made, allowed = asyncio.run(run())
    if public:
        shown = publicly.public(made, allowed)
        _out(shown, publicly.page(shown, made), html, as_json)
    else:
        _out(made, affidavit(made), html, as_json)


def accounting(
    *,
    person_tag: Annotated[str, Parameter(help="as the record holder works it out: `glomar-verifier tag`")],
    quick: Quick = False,
    checkpoint: Checkpoint = None,
    html: Html = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """List every disclosure about one person (5 U.S.C. 552a(c), 26 U.S.C. 6103(p)(3))."""
    if not _TAG.match(person_tag):
        fix = "The record holder works it out with `glomar-verifier tag`"
        raise Misconfigured("not 64 digits 0-9 a-f", where="--person-tag", fix=fix)
    _require_new(html)

    async def run() -> tuple[Accounting, tuple[str, ...]]:
        async with source(config, NAME, quick=quick, checkpoint=checkpoint) as (_, found):
            versions = control_history(found).in_force.versions
            return accounts.account(found, person_tag), tuple(digest for _, digest in versions)

    made, digests = asyncio.run(run())
    _out(made, accounts.page(made, digests), html, as_json)


def _period(since: datetime | None, until: datetime | None, zone: str) -> Period:
    start = in_zone(since, zone) if since else None
    end = in_zone(until, zone) if until else None
    if start and end and start >= end:
        raise Misconfigured("not before --until", where="--since")
    wanted = Wanted(since_ns=to_ns(start) if start else 0, until_ns=to_ns(end) if end else LAST_NS)
    return Period(start, end, wanted)


def _require_new(html: Path | None) -> None:
    if html is not None and html.exists():
        raise Misconfigured("it is there already", where=str(html), fix="Name a new file")


def _out(shape: Struct, document: Document, html: Path | None, as_json: bool) -> None:
    if html is not None:
        try:
            with html.open("x", encoding="utf-8") as file:
                file.write(as_html(document))
        except OSError as error:
            raise Misconfigured(f"can't be written ({error.strerror})", where=str(html)) from None
    print(msgspec.json.encode(shape).decode() if as_json else as_text(document))

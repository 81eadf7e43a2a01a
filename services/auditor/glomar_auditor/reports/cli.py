"""`glomar-auditor report` and `accounting`."""

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_schemas.agreement.model import Allowed
from glomar_schemas.errors import Misconfigured
from glomar_schemas.files import create
from msgspec import Struct

from glomar_auditor.index.cli import NAME, AsJson, Config, Since, Until, in_period
from glomar_auditor.index.database import RequestFilter
from glomar_auditor.ledger.view import in_zone
from glomar_auditor.reports import accounting as accounts
from glomar_auditor.reports import public as publicly
from glomar_auditor.reports.accounting import Accounting
from glomar_auditor.reports.affidavit import affidavit
from glomar_auditor.reports.count import Period, control_history, count
from glomar_auditor.reports.document import Document, as_html, as_text
from glomar_auditor.reports.full_check import open_source
from glomar_auditor.reports.model import DisclosureReport

Checkpoint = Annotated[Path | None, Parameter(help="as of the checkpoint in this file; otherwise the newest")]
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
    """Count requests and answers under a checkpoint, from ledger and stream. Every message is checked."""
    _require_new(html)

    async def run() -> tuple[DisclosureReport, Allowed]:
        async with open_source(config, NAME, quick=quick, checkpoint=checkpoint) as (context, source):
            made = count(source, _period(since, until, context.agreement.time_zone))
            return made, context.agreement.allowed

    made, allowed = asyncio.run(run())
    if public:
        shown = publicly.public_report(made, allowed)
        _out(shown, publicly.document(shown, made), html, as_json)
    else:
        _out(made, affidavit(made), html, as_json)


def accounting(
    *,
    person_tag: Annotated[
        str, Parameter(help="the tag of `glomar-verifier tag`, which the record holder runs")
    ],
    quick: Quick = False,
    checkpoint: Checkpoint = None,
    html: Html = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """List every disclosure about one person (5 U.S.C. 552a(c), 26 U.S.C. 6103(p)(3))."""
    if not _TAG.match(person_tag):
        fix = "The record holder computes it with `glomar-verifier tag`"
        raise Misconfigured("not 64 digits 0-9 a-f", where="--person-tag", fix=fix)
    _require_new(html)

    async def run() -> tuple[Accounting, tuple[str, ...]]:
        async with open_source(config, NAME, quick=quick, checkpoint=checkpoint) as (_, source):
            versions = control_history(source).in_force.versions
            return accounts.account(source, person_tag), tuple(digest for _, digest in versions)

    made, digests = asyncio.run(run())
    _out(made, accounts.document(made, digests), html, as_json)


def _period(since: datetime | None, until: datetime | None, zone: str) -> Period:
    start = in_zone(since, zone) if since else None
    end = in_zone(until, zone) if until else None
    if start and end and start >= end:
        raise Misconfigured("not before --until", where="--since", fix="Give an earlier time")
    return Period(start, end, in_period(RequestFilter(), start, end, zone))


def _require_new(html: Path | None) -> None:
    if html is not None and html.exists():
        raise Misconfigured("there is a file already", where=str(html), fix="Choose another name")


def _out(shape: Struct, document: Document, html: Path | None, as_json: bool) -> None:
    if html is not None:
        create(html, as_html(document).encode(), mode=0o644)
    print(msgspec.json.encode(shape).decode() if as_json else as_text(document))

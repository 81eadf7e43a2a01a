"""Connects to the PostgreSQL server that holds the register. Passwords stay in libpq's own files."""

import stat
from pathlib import Path

import psycopg
from glomar_schemas.errors import Misconfigured, Unreachable
from psycopg import conninfo

CONNECT_TIMEOUT_S = 3
# A lookup must not wait for long: the request is delivered again.
_READING = (
    "-c statement_timeout=5000 -c plan_cache_mode=force_generic_plan -c default_transaction_read_only=on"
)
_INSTEAD = "Use a passfile (mode 0600), a service file or peer authentication"


def connect(url: str, *, reading: bool) -> psycopg.Connection:
    """`url`: postgresql://user@host/database, with any parameter of libpq except a password. `reading`: each
    statement is its own transaction and is planned once; else all statements are one transaction.

    Raises Misconfigured (a password in the URL, a passfile that others can read, a server that refuses us)
    or Unreachable.
    """
    where = label(url)
    _require_private_passfile(url, where)
    try:
        return psycopg.connect(
            url,
            autocommit=reading,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=_READING if reading else "",
            prepare_threshold=0 if reading else None,
        )
    except psycopg.OperationalError as error:
        # libpq gives no SQLSTATE. A server that refuses the connection sends FATAL and logs the reason.
        if "FATAL" in str(error):
            raise Misconfigured(
                "the server refuses this user or database", where=where, fix="See the server's log"
            ) from None
        raise Unreachable("no PostgreSQL server answers", where=where, fix="Is it running?") from None


def label(url: str) -> str:
    """The server's name for messages: host and database only, or the service. Raises Misconfigured."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Misconfigured("not a postgresql:// URL", where="register") from None
    if parts.get("password"):
        raise Misconfigured("the URL holds a password", where="register", fix=_INSTEAD)
    if parts.get("service"):
        return f"postgresql service {parts['service']}"
    return f"postgresql://{parts.get('host', '')}/{parts.get('dbname', '')}"


def _require_private_passfile(url: str, where: str) -> None:
    passfile = conninfo.conninfo_to_dict(url).get("passfile")
    if not passfile:
        return
    try:
        mode = Path(str(passfile)).stat().st_mode
    except OSError as error:
        raise Misconfigured(f"its passfile can't be read ({error.strerror})", where=where) from None
    if stat.S_IMODE(mode) & 0o077:
        raise Misconfigured("others can read its passfile", where=where, fix="chmod 600 it")

"""The public version of an agreement: its text with redactions, and the hash of the full text. Pure."""

import hashlib

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Malformed

from glomar_verifier.readers.toml import LineSpan, dotted, line_spans

REDACTED = "[redacted]"


def public_text(raw: bytes, agreement: Agreement) -> str:
    """Still TOML, but not a valid agreement: each redacted value becomes the text `[redacted]`.

    Comments beside and inside a redacted value are removed too. Raises Malformed for a redaction that names
    no value, or an element that shares its line with others.
    """
    text = raw.decode()
    values = {dotted(place): span for place, span in line_spans(text).items() if not span.is_table}
    # Not splitlines: a text may hold other line ends, which the spans do not count.
    full = text.split("\n")
    lines: list[str | None] = [*full]
    for name in agreement.redactions:
        if name not in values:
            raise Malformed("no such value to redact", where=name)
        first, last = values[name].first, values[name].last
        if name.endswith("]") and _shares_line(values[name], name, values):
            raise Malformed("shares its line with others", where=name, fix="Redact the whole list")
        # The number of lines stays, so that the indexes below stay valid.
        lines[first - 1 : last] = [_redacted_line(full[first - 1], name), *[None] * (last - first)]
    visible = [line for line in lines if line is not None]
    return "\n".join([*_header(agreement, hashlib.sha256(raw).hexdigest()), *visible])


def _header(agreement: Agreement, digest: str) -> list[str]:
    count = len(agreement.redactions)
    return [
        f"# Public version of {agreement.id}, version {agreement.version}: {count} values are left out, each",
        f'# marked "{REDACTED}". SHA-256 of the full text, which the parties sign and every verdict cites:',
        f"# {digest}",
        "",
    ]


def _shares_line(span: LineSpan, name: str, values: dict[str, LineSpan]) -> bool:
    """Whether another element of the list, or its bracket, is in one of these lines."""
    whole = name.rpartition("[")[0]
    others = (other for key, other in values.items() if key.rpartition("[")[0] == whole and key != name)
    near = [other for other in others if other.first <= span.last and span.first <= other.last]
    around = values[whole]
    return bool(near) or around.first == span.first or around.last == span.last


def _redacted_line(line: str, name: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    if name.endswith("]"):
        return f'{indent}"{REDACTED}",'
    return f'{indent}{line.partition("=")[0].strip()} = "{REDACTED}"'

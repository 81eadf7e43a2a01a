"""A report as a document: paragraphs and tables, shown as text or HTML. Pure; made by the pages."""

from collections.abc import Iterator, Sequence
from html import escape

from msgspec import Struct


class Table(Struct, frozen=True):
    """Cells are text; numeric: which columns are set to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    note: str = ""
    empty: str = "None."


class Section(Struct, frozen=True):
    """numbered: its paragraphs are those of an affidavit, counted through the document."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    code: str = ""
    numbered: bool = True


class Document(Struct, frozen=True):
    """signature: lines for whoever swears to it; none in a document that nobody signs."""

    title: str
    subtitle: str
    opening: str
    sections: tuple[Section, ...]
    signature: tuple[str, ...] = ()


def as_text(document: Document) -> str:
    """For a terminal."""
    lines = [document.title, document.subtitle, ""]
    for section in document.sections:
        lines += [section.title.upper(), *section.paragraphs]
        for table in section.tables:
            lines += ["", *_text_table(table)]
        if section.code:
            lines += ["", *(f"    {line}" for line in section.code.splitlines())]
        lines.append("")
    return "\n".join(lines).rstrip()


def as_html(document: Document) -> str:
    """One file that needs no other, prints on A4 and Letter, and runs nothing. All text is escaped."""
    return "\n".join(_html(document)) + "\n"


def _text_table(table: Table) -> Iterator[str]:
    yield f"  {table.title}"
    if not table.rows:
        yield f"    {table.empty}"
        return
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    for row in (table.columns, *table.rows):
        cells = (
            cell.rjust(width) if place in table.numeric else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"    {'  '.join(cells)}".rstrip()
    if table.note:
        yield f"    {table.note}"


def _html(document: Document) -> Iterator[str]:
    yield _HEAD.format(title=escape(document.title), style=_STYLE)
    yield f"<header><h1>{escape(document.title)}</h1><p>{escape(document.subtitle)}</p></header>"
    yield f'<p class="opening">{escape(document.opening)}</p>'
    number = 0
    for section in document.sections:
        yield f"<section><h2>{escape(section.title)}</h2>"
        for paragraph in section.paragraphs:
            number += section.numbered
            mark = f'<span class="number">{number}.</span> ' if section.numbered else ""
            yield f"<p>{mark}{escape(paragraph)}</p>"
        for table in section.tables:
            yield from _html_table(table)
        if section.code:
            yield f"<pre>{escape(section.code)}</pre>"
        yield "</section>"
    if document.signature:
        yield '<section class="signature">'
        yield from (f"<p><span></span>{escape(line)}</p>" for line in document.signature)
        yield "</section>"
    yield "</main></body></html>"


def _html_table(table: Table) -> Iterator[str]:
    yield f"<table><caption>{escape(table.title)}</caption>"
    if not table.rows:
        yield f"<tbody><tr><td>{escape(table.empty)}</td></tr></tbody></table>"
        return
    yield f"<thead>{_html_row(table, table.columns, 'th')}</thead><tbody>"
    yield from (_html_row(table, row, "td") for row in table.rows)
    yield "</tbody></table>"
    if table.note:
        yield f'<p class="note">{escape(table.note)}</p>'


def _html_row(table: Table, row: Sequence[str], tag: str) -> str:
    cells = (
        f"<{tag}{' class=number' if place in table.numeric else ''}>{escape(cell)}</{tag}>"
        for place, cell in enumerate(row)
    )
    return f"<tr>{''.join(cells)}</tr>"


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><main>"""

_STYLE = """
@page { margin: 22mm 20mm; }
body { margin: 0; background: #fff; color: #111; font: 11pt/1.45 Georgia, 'Times New Roman', serif; }
main { max-width: 44rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
header { text-align: center; border-bottom: 1px solid #111; margin-bottom: 1.5rem; padding-bottom: .75rem; }
h1 { font-size: 1.45rem; margin: 0 0 .4rem; }
header p { margin: 0; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; break-after: avoid; }
p { margin: .5rem 0; }
p .number { display: inline-block; min-width: 1.6rem; }
table { width: 100%; border-collapse: collapse; margin: 1rem 0 .4rem; font-size: .86rem; line-height: 1.3; }
caption { text-align: left; font-weight: bold; padding-bottom: .25rem; break-after: avoid; }
th, td { text-align: left; vertical-align: top; padding: .2rem .5rem .2rem 0; border-bottom: 1px solid #bbb;
  overflow-wrap: anywhere; }
th { border-bottom: 1px solid #111; overflow-wrap: normal; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
.note { font-size: .82rem; color: #444; margin-top: 0; }
pre { font: .76rem/1.4 'DejaVu Sans Mono', Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; border: 1px solid #bbb; padding: .6rem; break-inside: avoid; }
.signature { margin-top: 2.5rem; break-inside: avoid; }
.signature p { margin: 2.2rem 0 0; font-size: .86rem; }
.signature span { display: block; width: 20rem; max-width: 100%; border-top: 1px solid #111; }
@media print { main { max-width: none; padding: 0; } }
"""

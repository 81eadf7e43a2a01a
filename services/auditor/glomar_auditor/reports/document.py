"""A document of paragraphs and tables, shown as text or as HTML. Pure."""

from collections.abc import Iterator

from glomar_runtime.html import render
from msgspec import Struct


class DocumentTable(Struct, frozen=True):
    """Cells are text. numeric: indexes of the columns that are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    note: str = ""
    empty: str = "None."


class DocumentSection(Struct, frozen=True):
    """numbered: its paragraphs are numbered, through the whole document."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[DocumentTable, ...] = ()
    code: str = ""
    numbered: bool = True


class Document(Struct, frozen=True):
    """signature: lines for the person who signs it; none if nobody does."""

    title: str
    subtitle: str
    opening: str
    sections: tuple[DocumentSection, ...]
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
    """One file that loads no other, prints on A4 and Letter, and runs no script. All text is escaped."""
    return render("glomar_auditor.reports", "document.html", title=document.title, document=document)


def _text_table(table: DocumentTable) -> Iterator[str]:
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

"""One trace as a tree of steps, each with its service, start and duration. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

BAR_CELLS = 24


class TraceSpan(Struct, frozen=True):
    """One step of a trace. Ids are hex; `parent_id` is "" at the root; times are ns since the Unix epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    start_ns: int
    end_ns: int


class TraceLine(Struct, frozen=True):
    """One printed line: the branches before the name, and when the step began after the trace did."""

    branch: str
    name: str
    service: str
    start_ms: float
    duration_ms: float


def lines(spans: Iterable[TraceSpan]) -> list[TraceLine]:
    """Spans of one trace -> its lines, parents before children, siblings by start.

    A span whose parent is missing (sampled out, or not yet received) is at the root.
    """
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.span_id))
    known = {span.span_id for span in ordered}
    children: dict[str, list[TraceSpan]] = {}
    for span in ordered:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    origin = ordered[0].start_ns if ordered else 0
    found: list[TraceLine] = []
    # Depth first with an explicit stack: a hostile trace may be deeper than Python's stack.
    waiting = [(span, "", "") for span in reversed(children.get("", []))]
    while waiting:
        span, branch, indent = waiting.pop()
        found.append(_line(span, branch, origin))
        below = children.pop(span.span_id, [])
        for place, child in reversed(list(enumerate(below, start=1))):
            here, beneath = ("└─ ", "   ") if place == len(below) else ("├─ ", "│  ")
            waiting.append((child, indent + here, indent + beneath))
    return found


def services(spans: Iterable[TraceSpan]) -> list[str]:
    """The services of a trace, in the order of their first spans."""
    return list(dict.fromkeys(span.service for span in sorted(spans, key=lambda span: span.start_ns)))


def bar(line: TraceLine, total_ms: float, cells: int = BAR_CELLS) -> str:
    """The step's place in the whole trace, drawn in `cells` characters."""
    scale = cells / total_ms if total_ms else 0.0
    start = min(int(line.start_ms * scale), cells - 1)
    length = max(1, min(round(line.duration_ms * scale), cells - start))
    return "·" * start + "━" * length + "·" * (cells - start - length)


def total_ms(found: Sequence[TraceLine]) -> float:
    """From the first start to the last end."""
    return max((line.start_ms + line.duration_ms for line in found), default=0.0)


def _line(span: TraceSpan, branch: str, origin: int) -> TraceLine:
    return TraceLine(
        branch, span.name, span.service, (span.start_ns - origin) / 1e6, (span.end_ns - span.start_ns) / 1e6
    )

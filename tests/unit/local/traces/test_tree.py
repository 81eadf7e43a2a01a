"""Spans become a tree that reads from top to bottom, whatever order and state they arrive in."""

import random

from glomar_local.traces.tree import TraceLine, TraceSpan, bar, lines, services, total_ms

MS = 1_000_000


def span(
    span_id: str, parent_id: str, service: str, start_ms: int, duration_ms: int, name: str = ""
) -> TraceSpan:
    return TraceSpan(
        "t", span_id, parent_id, service, name or span_id, start_ms * MS, (start_ms + duration_ms) * MS
    )


TRACE = [
    span("ask", "", "requester", 100, 20),
    span("send", "ask", "requester", 101, 3),
    span("process", "send", "verifier", 105, 6),
    span("match", "process", "verifier", 107, 1),
    span("gate", "process", "verifier", 106, 1),
    span("verdict", "process", "verifier", 109, 2),
    span("record", "verdict", "auditor", 112, 4),
    span("release", "record", "auditor", 116, 1),
    span("receive", "ask", "requester", 118, 1),
]


def test_children_stand_under_their_parents_in_order_of_start() -> None:
    assert [line.branch + line.name for line in lines(TRACE)] == [
        "ask",
        "├─ send",
        "│  └─ process",
        "│     ├─ gate",
        "│     ├─ match",
        "│     └─ verdict",
        "│        └─ record",
        "│           └─ release",
        "└─ receive",
    ]


def test_times_count_from_the_first_start() -> None:
    found = lines(TRACE)

    assert (found[0].start_ms, found[0].duration_ms) == (0.0, 20.0)
    assert (found[2].start_ms, found[2].duration_ms, found[2].service) == (5.0, 6.0, "verifier")
    assert total_ms(found) == 20.0


def test_the_order_of_arrival_makes_no_difference() -> None:
    shuffled = random.Random(7).sample(TRACE, len(TRACE))

    assert lines(shuffled) == lines(TRACE)


def test_a_span_without_its_parent_is_at_the_root() -> None:
    found = lines([each for each in TRACE if each.span_id != "send"])

    assert [line.branch + line.name for line in found][:3] == ["ask", "└─ receive", "process"]


def test_no_spans_make_no_lines() -> None:
    assert lines([]) == []
    assert total_ms([]) == 0.0


def test_a_very_deep_trace_is_drawn() -> None:
    deep = [span(str(n), str(n - 1) if n else "", "s", n, 1) for n in range(3_000)]

    assert len(lines(deep)) == 3_000


def test_services_are_named_in_the_order_in_which_they_came_in() -> None:
    assert services(TRACE) == ["requester", "verifier", "auditor"]


def test_a_bar_shows_where_in_the_whole_a_step_lies() -> None:
    assert bar(TraceLine("", "", "", 5.0, 5.0), 10.0, 10) == "·····━━━━━"
    assert bar(TraceLine("", "", "", 10.0, 0.0), 10.0, 10) == "·········━"
    assert bar(TraceLine("", "", "", 0.0, 0.0), 0.0, 4) == "━···"

"""The evaluation report as text, and as one HTML page: figures, two plots as SVG, tables. Pure."""

from collections.abc import Iterator, Mapping

from glomar_runtime.html import render
from msgspec import Struct

from glomar_evaluation.trials.figures import EvaluationReport, Rate

_NAME_X, _VALUE_X, _PLOT_X, _PLOT_W, _MARGIN, _ROW_H = 230, 340, 360, 480, 20, 22
"""Right edges of a row's name and value; left edge, width and right margin of the plot; height of a row."""
_POOR = 0.9
"""A recall below this is drawn in the colour of a warning."""
_CAPTION = "Share confirmed of those who are in the register at that address"


class _Fact(Struct, frozen=True):
    figure: str
    meaning: str
    bounds: str


class _Tick(Struct, frozen=True):
    x: str
    label: str


class _Mark(Struct, frozen=True):
    """One rate: a dot at `x` and a line for its bounds."""

    name: str
    value: str
    y: int
    x: str
    low_x: str
    high_x: str
    poor: bool


class _Plot(Struct, frozen=True):
    """Coordinates are in the units of the SVG's view box."""

    caption: str
    height: int
    ticks: tuple[_Tick, ...]
    marks: tuple[_Mark, ...]
    width: int = _PLOT_X + _PLOT_W + _MARGIN
    name_x: int = _NAME_X
    value_x: int = _VALUE_X


def page(report: EvaluationReport) -> str:
    """-> a whole document."""
    wrong, recall = report.false_confirms, report.recall
    return render(
        "glomar_evaluation.trials",
        "evaluation.html",
        title="Matching: precision and recall",
        report=report,
        facts=(
            _Fact(
                f"{wrong.hits:,}",
                f"false confirms of {wrong.trials:,}",
                f"at most {wrong.high:.2g} of such requests",
            ),
            _Fact(
                f"{recall.value:.1%}",
                f"recall of {recall.trials:,} true requests",
                f"{recall.low:.1%} to {recall.high:.1%}",
            ),
            _Fact(f"{report.gap:.1f}", "points of recall between", "the best and the worst served group"),
        ),
        kinds=_plot(report.classes, low=0.5),
        groups=_plot(report.groups, low=0.8),
        negative_kinds=_rows(report.negative_classes),
        negative_groups=_rows(report.negative_groups),
        gates=[(name, f"{number:,}") for name, number in report.gates.items()],
    )


def _plot(rates: Mapping[str, Rate], *, low: float) -> _Plot:
    """The axis goes from `low`, or from the lowest bound if that is less, to 1."""
    low = min([low, *(int(rate.low * 10) / 10 for rate in rates.values())])
    return _Plot(
        caption=_CAPTION,
        height=_ROW_H * len(rates) + 34,
        ticks=tuple(_Tick(_x(tenth / 10, low), f"{tenth * 10}%") for tenth in range(round(low * 10), 11)),
        marks=tuple(
            _Mark(
                name=name,
                value=f"{rate.value:.1%} of {rate.trials:,}",
                y=16 + _ROW_H * row,
                x=_x(rate.value, low),
                low_x=_x(rate.low, low),
                high_x=_x(rate.high, low),
                poor=rate.value < _POOR,
            )
            for row, (name, rate) in enumerate(rates.items())
        ),
    )


def _x(share: float, low: float) -> str:
    return f"{_PLOT_X + (share - low) / (1 - low) * _PLOT_W:.1f}"


def _rows(rates: Mapping[str, Rate]) -> list[tuple[str, ...]]:
    return [(name, f"{rate.trials:,}", f"{rate.hits:,}", f"{rate.high:.2g}") for name, rate in rates.items()]


def table(report: EvaluationReport) -> str:
    """-> the report as text for a terminal, in lines of at most 100 characters."""
    return "\n".join(_lines(report))


def _lines(report: EvaluationReport) -> Iterator[str]:
    yield f"{report.people:,} synthetic people, seed {report.seed}, {report.rules}"
    wrong, recall = report.false_confirms, report.recall
    most = f"at most {wrong.high:.2g} of them"
    yield f"false confirms  {wrong.hits:,} of {wrong.trials:,} hard negatives: {most}"
    yield f"recall          {_share(recall)} of {recall.trials:,} true requests"
    yield f"precision       {_share(report.precision)} of {report.precision.trials:,} confirms"
    yield f"gap in recall   {report.gap:.1f} points between the best and the worst served name group"
    yield from _section("Recall by kind of request", report.classes)
    yield from _section("Recall by name group", report.groups)
    yield from _section("False confirms by kind of hard negative", report.negative_classes)
    yield from _section("False confirms by name group", report.negative_groups)
    yield "\nGates that true requests failed"
    yield from (f"  {name:42} {number:>9,}" for name, number in report.gates.items())


def _section(title: str, rates: Mapping[str, Rate]) -> Iterator[str]:
    yield f"\n{title}"
    yield from (
        f"  {name:42} {rate.hits:>9,} of {rate.trials:>9,}  {_share(rate)}" for name, rate in rates.items()
    )


def _share(rate: Rate) -> str:
    digits = 5 if rate.value < 0.01 else 1
    return f"{rate.value:.{digits}%} ({rate.low:.{digits}%} to {rate.high:.{digits}%})"

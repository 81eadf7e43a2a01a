"""The report as one HTML page: figures, two plots as SVG, the tables. No script, nothing from elsewhere.
Pure."""

from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources

from glomar_evaluation.trials.figures import Rate, Report

LABEL_W, PLOT_W, ROW_H = 270, 460, 22


def page(report: Report) -> str:
    """A whole document, UTF-8."""
    style = (resources.files("glomar_evaluation") / "trials" / "page.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Matching: precision and recall</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>
<h1>Matching: precision and recall</h1>
<p class="dim">{report.people:,} synthetic people, seed {report.seed}, {escape(report.rules)}.
Bounds are those within which the true rate lies 19 times of 20.</p>
<div class="key">
<div><b>{report.false_confirms.hits:,}</b><span>false confirms of {report.false_confirms.trials:,}<br>
at most {report.false_confirms.high:.2g} of such requests</span></div>
<div><b>{report.recall.value:.1%}</b><span>recall of {report.recall.trials:,} true requests<br>
{report.recall.low:.1%} to {report.recall.high:.1%}</span></div>
<div><b>{report.gap:.1f}</b><span>points of recall between<br>the best and the worst served group</span></div>
</div>
<h2>Recall by kind of request</h2>
{_plot(report.classes, "Share confirmed of those who are in the register at that address", low=0.5)}
<h2>Recall by name group</h2>
<p>A surname's group is the one to which at least half of its bearers counted themselves in the census of
2020. This is the usual proxy where nobody's own answer is known. It says nothing about any one person, women
who took a husband's name are counted by his, and few surnames of black Americans have such a majority.</p>
{_plot(report.groups, "Share confirmed of those who are in the register at that address", low=0.8)}
<h2>Hard negatives by kind</h2>
{_table(report.negative_classes, "false confirms")}
<h2>Hard negatives by name group</h2>
{_table(report.negative_groups, "false confirms")}
<h2>Which gate stopped the true requests</h2>
{_gates(report.gates)}
</body></html>
"""


def _plot(rates: Mapping[str, Rate], caption: str, *, low: float) -> str:
    """A dot for each rate with a line for its bounds, on an axis from `low` to 1."""
    low = min([low, *(int(rate.low * 10) / 10 for rate in rates.values())])
    height = ROW_H * len(rates) + 34
    marks = "".join(_mark(row, name, rate, low) for row, (name, rate) in enumerate(rates.items()))
    tenths = range(round(low * 10), 11)
    ticks = "".join(_tick(tenth / 10, low, height) for tenth in tenths)
    return (
        f'<figure><svg viewBox="0 0 {LABEL_W + PLOT_W + 130} {height}" role="img" '
        f'aria-label="{escape(caption)}">{ticks}{marks}</svg><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _x(share: float, low: float) -> float:
    return LABEL_W + (share - low) / (1 - low) * PLOT_W


def _tick(share: float, low: float, height: int) -> str:
    at = f"{_x(share, low):.1f}"
    return (
        f'<line class="axis" x1="{at}" x2="{at}" y1="4" y2="{height - 24}"/>'
        f'<text class="axis-text" x="{at}" y="{height - 6}" text-anchor="middle">{share:.0%}</text>'
    )


def _mark(row: int, name: str, rate: Rate, low: float) -> str:
    y = 16 + ROW_H * row
    return (
        f'<g class="{"bad" if rate.value < 0.9 else "good"}">'
        f'<text x="{LABEL_W - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
        f'<line class="span" x1="{_x(rate.low, low):.1f}" x2="{_x(rate.high, low):.1f}" y1="{y}" y2="{y}"/>'
        f'<circle class="point" cx="{_x(rate.value, low):.1f}" cy="{y}" r="4"/>'
        f'<text x="{LABEL_W + PLOT_W + 14}" y="{y + 4}">{rate.value:.1%} of {rate.trials:,}</text></g>'
    )


def _table(rates: Mapping[str, Rate], what: str) -> str:
    rows = (
        f"<tr><td>{escape(name)}</td><td>{rate.trials:,}</td><td>{rate.hits:,}</td><td>{rate.high:.2g}</td></tr>"
        for name, rate in rates.items()
    )
    return _rows(f"<th>kind</th><th>requests</th><th>{what}</th><th>rate at most</th>", rows)


def _gates(gates: Mapping[str, int]) -> str:
    rows = (f"<tr><td>{escape(name)}</td><td>{number:,}</td></tr>" for name, number in gates.items())
    return _rows("<th>gate</th><th>true requests that failed it</th>", rows)


def _rows(head: str, rows: Iterable[str]) -> str:
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"

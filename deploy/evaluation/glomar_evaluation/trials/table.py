"""The evaluation report as plain text, for a terminal. Pure."""

from collections.abc import Iterator, Mapping

from glomar_evaluation.trials.figures import EvaluationReport, Rate


def table(report: EvaluationReport) -> str:
    """Lines of at most 100 characters."""
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

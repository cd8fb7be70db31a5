"""What an experiment writes at its end: numbers of each condition, curves of each panel, `summary.json`."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvf.results import plots
from jaxvf.results.result import Result
from jaxvf.results.statistics import Interval, iqm_interval, mean_interval
from jaxvf.results.store import write_atomically


def condition_row(result: Result, runs: Sequence[int] | np.ndarray, **labels: Any) -> dict[str, Any]:
    """One line of a summary about the runs of one condition.

    Args:
        result: of the sweep.
        runs: its rows.
        **labels: what the condition is called, put first.

    Returns:
        The labels; how many runs, and how many of them diverged; the mean return at the last evaluation with its 95 %
        bootstrap interval over the runs that did not diverge; the mean over all evaluations, a measure of speed; and
        the curve of the return's IQM with its interval, from which a figure can be drawn again.
    """
    returns = result.metric("test_return")[runs]
    course = iqm_interval(returns, rng=np.random.default_rng(0))
    return {
        **labels,
        "runs": len(runs),
        "diverged": sum(result.runs[run]["status"] == "diverged" for run in runs),
        "env_steps": int(result.env_steps_of(runs[0])[-1]),
        "final_return": mean_interval(returns[:, -1], rng=np.random.default_rng(0)),
        "mean_return_of_all_evaluations": mean_interval(returns.mean(axis=1), rng=np.random.default_rng(0)).estimate,
        "evaluated_at": result.env_steps_of(runs[0]).tolist(),
        "iqm_return": [np.asarray(part).tolist() for part in course],
    }


def endings(result: Result, runs: Sequence[int] | np.ndarray, kinds: Sequence[str], rest: str) -> dict[str, float]:
    """Shares of the last evaluation's episodes that end in each way; metrics `test_KIND`, `rest` for all others."""
    shares = {kind: float(np.nanmean(result.metric(f"test_{kind}")[runs, -1])) for kind in kinds}
    return {**shares, rest: 1.0 - sum(shares.values())}


def report_endings(rows: Sequence[Mapping[str, Any]], names: Sequence[str], out: Path, *, note: str = "") -> None:
    """Draw `endings.png` in `out` and print a line per row, for rows of `condition_row` with their "endings".

    Args:
        rows: the summary.
        names: what to call each.
        out: directory.
        note: a caption.
    """
    table = {name: row["endings"] for name, row in zip(names, rows, strict=True)}
    figure = plots.compositions(table, xlabel="endings of the last evaluation, mean over seeds", note=note)
    print(plots.save(figure, out / "endings.png")[0])
    for name, row in zip(names, rows, strict=True):
        shares = "  ".join(f"{ending} {share:.0%}" for ending, share in row["endings"].items())
        print(f"{name:{max(map(len, names))}}  return {return_text(row['final_return'])}  {shares}")


def curves_of(
    result: Result, conditions: Mapping[str, Mapping[str, Any]], metric: str = "test_return"
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Label to steps and curves, as `plots.learning_curves` wants them, for labels to what selects their runs."""
    rows = {label: result.select(**wanted) for label, wanted in conditions.items()}
    return {label: (result.env_steps_of(runs[0]), result.metric(metric)[runs]) for label, runs in rows.items()}


def panels_of(
    rows: Sequence[Mapping[str, Any]], panel: str, label: str, curves: str
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Panels as `save_panels` wants them, of a summary: what its rows have under three names."""
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for row in rows:
        panels.setdefault(row[panel], {})[row[label]] = np.asarray(row["evaluated_at"]), np.asarray(row[curves])
    return panels


def save_panels(
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    out: Path,
    *,
    labels: Sequence[str],
    reference: Mapping[str, tuple[str, float]] | None = None,
    ylabel: str = "test return",
    note: str = "",
) -> list[Path]:
    """One figure per panel, in `out`, with the same styles in all; returns the files.

    Args:
        panels: title to the curves of each label.
        out: directory.
        labels: of the whole study, in the order of the styles.
        reference: title to name and height of a horizontal line.
        ylabel: what the curves are.
        note: a caption.
    """
    style, written = plots.styles(labels), []
    for title, curves in panels.items():
        line = (reference or {}).get(title)
        figure = plots.learning_curves(curves, ylabel=ylabel, title=title, style=style, reference=line, note=note)
        name = re.sub(r"[^0-9A-Za-z-]+", "_", title)
        written += plots.save(figure, out / f"{name}.png")
    return written


def write_summary(rows: Any, out: Path) -> Path:
    """`summary.json` in `out`; what is not a number in JSON (NaN, infinity) becomes null."""
    path = out / "summary.json"
    write_atomically(path, summary_text(rows).encode())
    return path


def summary_text(rows: Any) -> str:
    """Rows, or a dictionary that has lists of them, as JSON with one row on a line."""
    if isinstance(rows, dict):
        parts = [f"{json.dumps(str(key))}: {summary_text(part)}" for key, part in rows.items()]
        return "{\n" + ",\n".join(parts) + "\n}"
    if not isinstance(rows, list | tuple):
        return json.dumps(_numbers(rows), allow_nan=False)
    return "[\n" + ",\n".join(json.dumps(_numbers(row), allow_nan=False) for row in rows) + "\n]"


def return_text(interval: Interval) -> str:
    """An estimate with the two ends of its interval, for a line of text."""
    return "{:7.2f} [{:.2f}, {:.2f}]".format(*interval)


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

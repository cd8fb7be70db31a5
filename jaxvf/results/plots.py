"""Figures of a sweep: learning curves, fractions, shares; tables of numbers and of values are in `heat_maps`."""

import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Num

from jaxvf.results.answers import REACHED
from jaxvf.results.figure_style import DPI, FAINT, TEXT, WIDTH, Style, blank, caption, dress, head, styles
from jaxvf.results.heat_maps import number_table, value_tables
from jaxvf.results.statistics import LEVEL, SAMPLES, Interval, fraction_interval, iqm_interval, valid_runs
from jaxvf.results.store import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "compositions", "draw_band", "learning_curves", "number_table", "save", "styles", "success_fractions",
    "value_tables", "with_runs",
]  # fmt: skip

MARKS_PER_LINE = 8


def learning_curves(
    curves: Mapping[str, tuple[Num[np.ndarray, "..."], Float[np.ndarray, "..."]]],
    *,
    ylabel: str,
    title: str = "",
    xlabel: str = "Environment steps",
    reference: tuple[str, float] | None = None,
    style: Mapping[str, Style] | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    fractions: bool = False,
    note: str = "",
) -> "Figure":
    """IQM over runs against environment steps, with the bootstrap interval as a band; or the fraction of runs.

    NaN is ignored as in `iqm`; the legend then says how many runs are left at the last evaluation.

    Args:
        curves: for every label the x axis, [E], and one row per run, [runs, E].
        ylabel: what the values are, with their unit.
        title: one line above the figure.
        xlabel: what the x axis is.
        reference: name and height of a horizontal line, such as the optimal return.
        style: styles of a whole study; by default those of `styles(curves)`.
        samples: bootstrap resamples.
        seed: of the bootstrap, so that a figure can be drawn again.
        fractions: draw the fraction of runs at 1/2 or above, with its score interval; a diverged run counts as 0.
        note: a caption.

    Raises:
        ValueError: if a label's steps and values do not match.
    """
    from matplotlib.ticker import EngFormatter

    figure = blank(WIDTH, 3.9)
    axes = figure.subplots()
    style = style or styles(list(curves))
    for label, (steps, values) in curves.items():
        steps, values = np.asarray(steps), np.asarray(values, np.float64)
        if values.ndim != 2 or steps.shape != values.shape[1:]:
            raise ValueError(f"{label}: steps {steps.shape} do not match values {values.shape}")
        if fractions:
            band = fraction_interval((values >= REACHED).sum(axis=0), np.full(values.shape[1], len(values)))
        else:
            band = iqm_interval(values, samples=samples, rng=np.random.default_rng(seed))
        draw_band(axes, steps, band, style[label], label=with_runs(label, values))
    if reference is not None:
        axes.axhline(reference[1], color=FAINT, linestyle=(0, (4, 3)), linewidth=1.2, label=reference[0], zorder=1)
    dress(axes, xlabel=xlabel, ylabel=ylabel)
    axes.margins(x=0.015)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if fractions:
        axes.set(ylim=(-0.02, 1.02), yticks=np.linspace(0, 1, 5))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    kind = ("fraction of", "score") if fractions else ("IQM over", "bootstrap")
    head(figure, axes, title, f"{kind[0]} runs, band: {LEVEL:.0%} {kind[1]} interval")
    if note:
        caption(figure, note)
    return figure


def draw_band(axes: "Axes", x: np.ndarray, band: Interval, look: Style, *, label: str) -> None:
    """One line with its interval as a band."""
    axes.fill_between(x, band.low, band.high, color=look.colour, alpha=0.18, linewidth=0)
    axes.plot(
        x, band.estimate, color=look.colour, linestyle=look.dash, linewidth=2, marker=look.marker,
        markersize=5, markevery=max(1, len(x) // MARKS_PER_LINE), label=label,
    )  # fmt: skip


def success_fractions(
    table: Mapping[str, Mapping[str, Interval]],
    *,
    xlabel: str,
    title: str = "",
    style: Mapping[str, Style] | None = None,
    note: str = "",
) -> "Figure":
    """Fractions with their intervals: one group of points per row of the table, one colour per column.

    A row alone needs no legend: its columns stand at the left, the largest fraction first.

    Args:
        table: row (a game, a setting) to column (an algorithm) to a fraction in [0, 1]; cells may be missing, and take
            no place.
        xlabel: what the fraction counts, such as "Runs that reach the optimum".
        title: one line above the figure; by default the row's name where there is one row.
        style: styles of a whole study; by default those of the columns in the order they appear.
        note: a caption.
    """
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    style, alone = style or styles(columns), len(table) == 1
    figure = blank(WIDTH, 0.9 + 0.18 * sum(len(row) + 0.9 for row in table.values()) * (1.4 if alone else 1))
    axes = figure.subplots()
    places: dict[str, list[tuple[float, Interval]]] = {column: [] for column in columns}
    ticks: dict[float, str] = {}
    y = 0.0
    for name, row in table.items():
        order = sorted(row, key=lambda column: -row[column].estimate) if alone else [c for c in columns if c in row]
        for place, column in enumerate(order):
            places[column].append((y + place, row[column]))
        if alone:
            ticks = dict(enumerate(order))
        else:
            ticks[y + (len(order) - 1) / 2] = textwrap.fill(name, 24)
            axes.axhline(y + len(order) - 0.05, color="#DDDDDD", linewidth=0.8)
        y += len(order) + 0.9
    for column, points in places.items():
        at, middle, low, high = np.array([(place, *interval) for place, interval in points]).T
        axes.errorbar(
            middle, at, xerr=np.maximum([middle - low, high - middle], 0), color=style[column].colour,
            marker=style[column].marker, linestyle="none", markersize=6, elinewidth=1.8, capsize=3,
            label="_" if alone else column, clip_on=False, zorder=3,
        )  # fmt: skip
    dress(axes, xlabel=xlabel, ylabel="")
    axes.set(xlim=(0, 1), ylim=(y - 0.95, -0.95))  # the first row at the top
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0, labelsize=TEXT)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    head(figure, axes, title or (next(iter(table)) if alone else ""), "")
    if note:
        caption(figure, note)
    return figure


def compositions(
    table: Mapping[str, Mapping[str, float]],
    *,
    xlabel: str,
    title: str = "",
    style: Mapping[str, Style] | None = None,
    note: str = "",
) -> "Figure":
    """One bar per row, cut into the shares of its outcomes.

    Args:
        table: row (a learner on a map) to outcome to its share; the shares of a row add up to 1.
        xlabel: what the shares are of.
        title: one line above the figure.
        style: styles of the outcomes, of which the colour is used; by default in the order they appear.
        note: a caption.
    """
    outcomes = list(dict.fromkeys(outcome for row in table.values() for outcome in row))
    style = style or styles(outcomes)
    figure = blank(WIDTH, 1.0 + 0.3 * len(table))
    axes = figure.subplots()
    start = np.zeros(len(table))
    for outcome in outcomes:
        share = np.array([row.get(outcome, 0.0) for row in table.values()])
        axes.barh(np.arange(len(table)), share, left=start, height=0.7, color=style[outcome].colour, label=outcome)
        start += share
    dress(axes, xlabel=xlabel, ylabel="")
    axes.set(xlim=(0, 1), ylim=(len(table) - 0.5, -0.5))  # the first row at the top
    axes.set_yticks(np.arange(len(table)), list(table))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    head(figure, axes, title, "")
    if note:
        caption(figure, note)
    return figure


def save(figure: "Figure", path: str | Path, *, svg: bool = False) -> list[Path]:
    """Write the figure as PNG, and as SVG beside it where asked; returns the files written.

    The suffix of `path` becomes .png and .svg. Each file appears whole or not at all; errors are those of
    `write_atomically`.
    """
    written = []
    for kind in ("png", "svg") if svg else ("png",):
        buffer = io.BytesIO()
        # Without the date the same figure is the same file.
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else None)
        written.append(Path(path).with_suffix(f".{kind}"))
        write_atomically(written[-1], buffer.getvalue())
    return written


def with_runs(label: str, values: np.ndarray) -> str:
    """The label, and how many runs are left at the last evaluation where that is not all of them."""
    runs = len(values)
    left = int(valid_runs(values)[-1]) if values.size else 0
    return label if left == runs else f"{label} ({left} of {runs} runs)"

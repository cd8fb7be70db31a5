"""Figures of a sweep: learning curves, fractions, shares, tables of numbers, and value tables beside the payoff."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, SupportsInt

import numpy as np
from jaxtyping import Float, Num

from jaxvf.results.figure_style import DPI, FAINT, INK, SMALL, TEXT, WIDTH, Style, blank, dress, head, number, styles
from jaxvf.results.statistics import LEVEL, SAMPLES, Interval, iqm_interval, valid_runs
from jaxvf.results.store import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
) -> "Figure":
    """IQM over runs against environment steps, with the bootstrap interval as a band.

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
        band = iqm_interval(values, samples=samples, rng=np.random.default_rng(seed))
        look = style[label]
        axes.fill_between(steps, band.low, band.high, color=look.colour, alpha=0.18, linewidth=0)
        axes.plot(
            steps, band.estimate, color=look.colour, linestyle=look.dash, linewidth=2, marker=look.marker,
            markersize=5, markevery=max(1, len(steps) // MARKS_PER_LINE), label=_with_runs(label, values),
        )  # fmt: skip
    if reference is not None:
        name, value = reference
        axes.axhline(value, color=FAINT, linestyle=(0, (4, 3)), linewidth=1.2, label=name, zorder=1)
    dress(axes, xlabel=xlabel, ylabel=ylabel)
    axes.margins(x=0.015)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 200k, 1.5M
    head(figure, axes, title, f"IQM over runs, band: {LEVEL:.0%} bootstrap interval")
    return figure


def success_fractions(
    table: Mapping[str, Mapping[str, Interval]],
    *,
    xlabel: str,
    title: str = "",
    style: Mapping[str, Style] | None = None,
) -> "Figure":
    """Fractions with their intervals: one group of points per row of the table, one colour per column.

    Args:
        table: row (a game, a setting) to column (an algorithm) to a fraction in [0, 1]; cells may be missing.
        xlabel: what the fraction counts, such as "Runs that reach the optimum".
        title: one line above the figure.
        style: styles of a whole study; by default those of the columns in the order they appear.
    """
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    style = style or styles(columns)
    height = len(columns) + 0.9  # of a row, in points: more algorithms make a taller figure, not a crowded one
    figure = blank(WIDTH, 0.9 + 0.18 * height * len(table))
    axes = figure.subplots()
    for j, column in enumerate(columns):
        cells = [(i, row[column]) for i, row in enumerate(table.values()) if column in row]
        x = np.array([cell.estimate for _, cell in cells])
        y = np.array([i * height + j - (len(columns) - 1) / 2 for i, _ in cells])
        spread = np.array([(cell.estimate - cell.low, cell.high - cell.estimate) for _, cell in cells]).T
        look = style[column]
        axes.errorbar(
            x, y, xerr=np.maximum(spread, 0), color=look.colour, marker=look.marker, linestyle="none",
            markersize=6, elinewidth=1.8, capsize=3, label=column, clip_on=False, zorder=3,
        )  # fmt: skip
    for i in range(1, len(table)):
        axes.axhline((i - 0.5) * height, color="#DDDDDD", linewidth=0.8)
    dress(axes, xlabel=xlabel, ylabel="")
    axes.set(xlim=(0, 1), ylim=((len(table) - 0.5) * height, -0.5 * height))  # the first row at the top
    axes.set_yticks(np.arange(len(table)) * height, [textwrap.fill(row, 24) for row in table])
    axes.tick_params(axis="y", length=0, labelsize=TEXT)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    head(figure, axes, title, "")
    return figure


def compositions(
    table: Mapping[str, Mapping[str, float]], *, xlabel: str, title: str = "", style: Mapping[str, Style] | None = None
) -> "Figure":
    """One bar per row, cut into the shares of its outcomes.

    Args:
        table: row (a learner on a map) to outcome to its share; the shares of a row add up to 1.
        xlabel: what the shares are of.
        title: one line above the figure.
        style: styles of the outcomes, of which the colour is used; by default in the order they appear.
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
    return figure


def number_table(
    values: Float[np.ndarray, "rows columns"],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    expected: Float[np.ndarray, "rows columns"],
    shade: Float[np.ndarray, "rows columns"],
    title: str = "",
    note: str = "",
) -> "Figure":
    """A table of measured numbers, the expected one in brackets below each where there is one.

    Args:
        values: what was measured; NaN leaves a cell empty.
        rows: names.
        columns: names.
        expected: what it should be; NaN where nobody says.
        shade: how dark a cell is, in [0, 1].
        title: one line above the figure.
        note: one line below it.
    """
    figure = blank(max(WIDTH, 2.2 + 0.85 * len(columns)), 0.9 + 0.42 * len(rows))
    axes = figure.subplots()
    axes.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        wanted = "" if np.isnan(expected[i, j]) else f"\n({expected[i, j]:.3g})"
        axes.text(j, i, f"{value:.3g}{wanted}", ha="center", va="center", fontsize=SMALL, color=INK, linespacing=0.95)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(
        length=0, labelsize=SMALL, labelcolor=INK, top=True, labeltop=True, bottom=False, labelbottom=False
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=TEXT + 2, color=INK)
    if note:
        figure.supxlabel(note, fontsize=SMALL, color=FAINT)
    return figure


def value_tables(
    columns: Mapping[str, Num[np.ndarray, "*games A1 A2"]],
    *,
    rows: Sequence[str] = ("",),
    greedy: Mapping[str, Sequence[Sequence[SupportsInt]]] | None = None,
    title: str = "",
) -> "Figure":
    """Heat maps of the payoff and of learned joint values, with the numbers in the cells.

    Every row of the figure is one game of two agents and has one colour scale, that of its payoff: a learned
    table of the same colours has learned the same values. A frame marks the greedy joint action.

    Args:
        columns: label to one table, or to one table per game. The first is the payoff.
        rows: name of every game.
        greedy: label to the joint action (u1, u2) of every game; by default the largest cells. Give it where
            greedy actions come from local utilities: their joint may be another cell than the largest.
        title: one line above the figure.

    Raises:
        ValueError: if the tables are not of one shape, or not one per row.
    """
    tables = {k: np.asarray(v, np.float64).reshape(-1, *np.shape(v)[-2:]) for k, v in columns.items()}
    shapes = {table.shape for table in tables.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 3 or shape[0] != len(rows):
        found = {label: table.shape for label, table in tables.items()}
        raise ValueError(f"every column needs {len(rows)} tables [A1, A2], all of one shape; got {found}")
    _, down, across = shape
    cell = 0.56 if max(down, across) <= 6 else 0.42
    width, height = len(tables) * (across * cell + 0.2) + 0.9, len(rows) * (down * cell + 0.25) + 0.9
    figure = blank(width, height + 0.3 * bool(title))
    grid = figure.subplots(len(rows), len(tables), squeeze=False)
    for i, row in enumerate(rows):
        bound = np.nanmax(np.abs(next(iter(tables.values()))[i]), initial=1e-6)
        for j, (label, table) in enumerate(tables.items()):
            axes = grid[i, j]
            framed = _largest(table[i]) if greedy is None or label not in greedy else [greedy[label][i]]
            _heat_map(axes, table[i], framed, bound=bound, size=TEXT * cell / 0.56)
            if i == 0:
                axes.set_title(label, fontsize=TEXT, color=INK)
            if i == len(rows) - 1:
                axes.set_xlabel("agent 2", fontsize=SMALL, color=FAINT)
            if j == 0:
                axes.set_ylabel(f"{row}\nagent 1" if row else "agent 1", fontsize=SMALL, color=FAINT)
    if title:
        figure.suptitle(title, fontsize=TEXT + 2, color=INK)
    figure.supxlabel("framed: greedy joint action", fontsize=SMALL, color=FAINT)
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


def _with_runs(label: str, values: np.ndarray) -> str:
    """The label, and how many runs are left at the last evaluation where that is not all of them."""
    runs = len(values)
    left = int(valid_runs(values)[-1]) if values.size else 0
    return label if left == runs else f"{label} ({left} of {runs} runs)"


def _largest(table: np.ndarray) -> list[list[int]]:
    """Row and column of the largest cells, NaN aside."""
    finite = np.where(np.isnan(table), -np.inf, table)
    return np.argwhere((finite == finite.max()) & ~np.isnan(table)).tolist()


def _heat_map(axes: "Axes", table: np.ndarray, framed: Sequence, *, bound: float, size: float) -> None:
    """One table as colours from -bound to bound, its numbers in the cells, a frame around some of them."""
    from matplotlib.patches import Rectangle

    # The ends of the map are nearly black; a wider scale keeps them for values beyond the payoff's.
    image = axes.imshow(table, cmap="RdBu", vmin=-1.25 * bound, vmax=1.25 * bound)
    for (a, b), value in np.ndenumerate(table):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # luma of ITU-R BT.601
        bold = "bold" if any((a, b) == tuple(cell) for cell in framed) else "normal"
        axes.text(b, a, number(value), ha="center", va="center", fontsize=size, fontweight=bold,
                  color="white" if dark else INK)  # fmt: skip
    for a, b in framed:
        frame = Rectangle((b - 0.47, a - 0.47), 0.94, 0.94, fill=False, edgecolor="black", linewidth=2.6)
        axes.add_patch(frame)
    axes.set_xticks(range(table.shape[1]))
    axes.set_yticks(range(table.shape[0]))
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)

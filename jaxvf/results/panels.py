"""Small multiples: a panel per learner, per game or per setting, so that no two bands hide each other."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxvf.results.figure_style import INK, SMALL, TEXT, WIDTH, Style, blank, caption, dress, styles
from jaxvf.results.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[float, Interval]]  # x and an interval there


def facets(lines: Mapping[str, Points], *, xlabel: str, ylabel: str, note: str = "", across: int = 5) -> "Figure":
    """One panel per label: its line and band in colour, all other lines in grey to compare with.

    Args:
        lines: label to points, each an x and a fraction in [0, 1].
        xlabel: what x is.
        ylabel: what the fraction counts.
        note: a caption.
        across: panels in a row.
    """
    style, down = styles(list(lines)), math.ceil(len(lines) / across)
    figure = blank(1.7 * min(across, len(lines)) + 0.7, 1.55 * down + 0.5)
    grid = figure.subplots(down, min(across, len(lines)), sharex=True, sharey=True, squeeze=False).ravel()
    for axes, label in zip(grid, lines, strict=False):
        for other, points in lines.items():
            if other != label:
                axes.plot(*_middle(points), color="#CCCCCC", linewidth=0.8, zorder=1)
        _line(axes, lines[label], style[label], "")
        dress(axes, xlabel="", ylabel="")
        axes.set_title(label, loc="left", fontsize=TEXT, color=style[label].colour)
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    _finish(figure, grid, len(lines), xlabel, ylabel, note)
    return figure


def curve_panels(
    panels: Mapping[str, Mapping[str, Points]],
    *,
    xlabels: Mapping[str, str],
    ylabel: str,
    style: Mapping[str, Style],
    note: str = "",
    across: int = 3,
) -> "Figure":
    """A number with its interval against x, one line per label, a panel per title; x on a logarithmic axis.

    Args:
        panels: title to label to points.
        xlabels: what x is, by title.
        ylabel: what the number is.
        style: of every label.
        note: a caption.
        across: panels in a row.
    """
    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    columns, down = min(across, len(panels)), math.ceil(len(panels) / across)
    figure = blank(max(WIDTH, 3.0 * columns), 2.25 * down + 0.35 + 0.24 * math.ceil(len(labels) / 4))
    grid = figure.subplots(down, columns, squeeze=False).ravel()
    for axes, (title, lines) in zip(grid, panels.items(), strict=False):
        shifts = np.linspace(-1, 1, len(labels)) * 0.035  # apart, so that equal points and bars stay visible
        for label, shift in zip(labels, shifts, strict=True):
            if label in lines:
                moved = [(x * (1 + shift), interval) for x, interval in lines[label]]
                x, middle, low, high = _columns(moved)
                look = style[label]
                axes.errorbar(
                    x, middle, yerr=np.maximum([middle - low, high - middle], 0), color=look.colour, capsize=2,
                    marker=look.marker, markersize=4.5, linestyle=look.dash, linewidth=1.3, label=label,
                )  # fmt: skip
        dress(axes, xlabel=xlabels[title], ylabel="")
        axes.xaxis.label.set_fontsize(SMALL)
        axes.set_title(title, loc="left", fontsize=SMALL, color=INK)
        axes.set_xscale("log")
        ticks = sorted({x for points in lines.values() for x, _ in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(ticks[0] / 1.25, ticks[-1] * 1.25)
    handles = {name: line for axes in grid for line, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        [handles[label] for label in labels], labels, loc="outside upper center", ncols=min(4, len(labels)),
        fontsize=SMALL, labelcolor=INK, frameon=False, handlelength=2.6,
    )  # fmt: skip
    _finish(figure, grid, len(panels), "", ylabel, note)
    return figure


def dot_panels(
    panels: Mapping[str, Mapping[str, Interval]],
    *,
    rows: Sequence[str],
    xlabel: str,
    colours: Mapping[str, str],
    expected: Mapping[str, Mapping[str, float]],
    note: str = "",
    across: int = 5,
) -> "Figure":
    """Fractions with their intervals: a panel per title, the same rows in all of them.

    Args:
        panels: title to row to a fraction in [0, 1]; rows may be missing.
        rows: names, from the top.
        xlabel: what the fraction counts.
        colours: of the rows.
        expected: title to row to the number to compare with, drawn as an open diamond; rows may be missing.
        note: a caption.
        across: panels in a row.
    """
    columns, down = min(across, len(panels)), math.ceil(len(panels) / across)
    names = 0.075 * max(map(len, rows))
    figure = blank(max(WIDTH, names + 1.35 * columns), (0.2 * len(rows) + 0.35) * down + 0.4)
    grid = figure.subplots(down, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (title, cells) in zip(grid, panels.items(), strict=False):
        for place, row in enumerate(rows):
            if row in cells:
                middle, low, high = (float(part) for part in cells[row])
                axes.plot([low, high], [place, place], color=colours[row], linewidth=1.8, solid_capstyle="butt")
                axes.plot(middle, place, "o", color=colours[row], markersize=4.5, clip_on=False, zorder=3)
            if row in expected.get(title, {}):
                axes.plot(expected[title][row], place, "D", markerfacecolor="none", markeredgecolor=INK,
                          markersize=6.5, markeredgewidth=0.8, clip_on=False, zorder=2)  # fmt: skip
        dress(axes, xlabel="", ylabel="")
        axes.set_title(title, loc="left", fontsize=SMALL, color=INK)
        axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), list(rows))
        axes.tick_params(axis="y", length=0)
        axes.set_xticks([0, 0.5, 1], ["0", "50%", "100%"])
    _finish(figure, grid, len(panels), xlabel, "", note)
    return figure


def _line(axes: "Axes", points: Points, look: Style, label: str) -> None:
    x, middle, low, high = _columns(points)
    axes.fill_between(x, low, high, color=look.colour, alpha=0.2, linewidth=0)
    axes.plot(x, middle, color=look.colour, linestyle=look.dash, linewidth=1.8, marker=look.marker, markersize=4,
              label=label)  # fmt: skip


def _middle(points: Points) -> tuple[np.ndarray, np.ndarray]:
    x, middle, _, _ = _columns(points)
    return x, middle


def _columns(points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, estimates and both ends of the intervals."""
    middle, low, high = np.array([interval for _, interval in points], float).T
    return np.array([x for x, _ in points], float), middle, low, high


def _finish(figure: "Figure", grid: np.ndarray, used: int, xlabel: str, ylabel: str, note: str) -> None:
    for axes in grid[used:]:
        axes.set_visible(False)
    across = grid[0].get_subplotspec().get_gridspec().ncols
    for axes in grid[max(0, used - across) : used]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    if ylabel:
        figure.supylabel(ylabel, fontsize=TEXT, color=INK)
    if note or xlabel:
        caption(figure, note, xlabel=xlabel)

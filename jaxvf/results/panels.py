"""Small multiples: one panel per setting, one line with its band per algorithm."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxvf.results.figure_style import INK, SMALL, TEXT, WIDTH, Style, blank, dress, styles
from jaxvf.results.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS_PER_ROW = 3


def line_panels(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, Interval]]]],
    *,
    xlabel: str,
    ylabel: str,
    style: Mapping[str, Style] | None = None,
) -> "Figure":
    """Fractions with their intervals against a number, in panels that share both axes and one legend.

    Args:
        panels: title to label to points, each an x and a fraction in [0, 1].
        xlabel: what x is.
        ylabel: what the fraction counts.
        style: styles of a whole study; by default those of the labels in the order they appear.
    """
    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    style = style or styles(labels)
    across = min(PANELS_PER_ROW, len(panels))
    down, legend_rows = math.ceil(len(panels) / across), math.ceil(len(labels) / 5)
    figure = blank(WIDTH, 2.7 * down + 0.3 + 0.24 * legend_rows)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (title, lines) in zip(grid, panels.items(), strict=False):
        for label, points in lines.items():
            look = style[label]
            x = np.array([place for place, _ in points])
            estimate, low, high = np.array([interval for _, interval in points]).T
            axes.fill_between(x, low, high, color=look.colour, alpha=0.1, linewidth=0)
            axes.plot(x, estimate, color=look.colour, linestyle=look.dash, linewidth=1.6, marker=look.marker,
                      markersize=4, label=label)  # fmt: skip
        dress(axes, xlabel="", ylabel="")
        axes.set_title(title, loc="left", fontsize=SMALL, color=INK)
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel(xlabel, fontsize=TEXT, color=INK)
    figure.supylabel(ylabel, fontsize=TEXT, color=INK)
    handles = {label: line for axes in grid for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        [handles[label] for label in labels], labels, loc="outside upper center", ncols=min(5, len(labels)),
        fontsize=SMALL, labelcolor=INK, frameon=False, handlelength=2.6,
    )  # fmt: skip
    return figure

"""Names of lines written at their ends, so that nobody has to match colours with a legend."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxvf.results.figure_style import SMALL, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def label_ends(axes: "Axes", ends: Mapping[str, float], style: Mapping[str, Style], *, inches: float) -> None:
    """Write each label to the right of the axes, at the height where its line ends or as near as there is room.

    Args:
        axes: whose y limits are set already.
        ends: label to the y where its line ends.
        style: of every label.
        inches: height of the axes.
    """
    low, high = axes.get_ylim()
    gap = 1.25 * SMALL / 72 / inches * (high - low)
    for label, y in zip(ends, spread(list(ends.values()), gap, low, high), strict=True):
        axes.annotate(
            label, (1, y), xytext=(5, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=SMALL, color=style[label].colour, annotation_clip=False,
        )  # fmt: skip


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights at least `gap` apart, in the order of `wanted` and near it; of equal ones the first is highest.

    Args:
        wanted: heights.
        gap: least distance.
        low: of the space; exceeded only if it is too small.
        high: of the space.
    """
    heights = np.asarray(wanted, float)
    order = np.argsort(-heights, kind="stable")
    placed = heights[order].copy()
    for i in range(1, len(placed)):  # downwards from the highest
        placed[i] = min(placed[i], placed[i - 1] - gap)
    placed += max(0.0, low - placed[-1]) if len(placed) else 0.0  # a whole step up where the lowest has no room
    for i in range(len(placed) - 2, -1, -1):
        placed[i] = min(placed[i], max(heights[order][i], placed[i + 1] + gap))
    found = np.empty_like(placed)
    found[order] = placed
    return found.tolist()

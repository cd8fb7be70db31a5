"""The answer about matrix games in one picture: payoff, what learners made of it, how many seeds solve it and when."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvf.results.direct_labels import label_ends
from jaxvf.results.figure_style import FAINT, INK, SMALL, TEXT, blank, caption, dress, styles
from jaxvf.results.heat_maps import heat_map
from jaxvf.results.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.5  # inches of a cell of a table


class Learned(NamedTuple):
    """One table of the upper row.

    Attributes:
        title: above it.
        table: of joint values.
        framed: joint actions to frame.
        below: one or two lines.
    """

    title: str
    table: Float[np.ndarray, "A A"]
    framed: Sequence[Sequence[int]]
    below: str


class Course(NamedTuple):
    """One line of a lower panel: the fraction of seeds at the optimum over time."""

    env_steps: Int[np.ndarray, " evaluations"]
    fraction: Interval


def game_answer(tables: Sequence[Learned], panels: Mapping[str, Mapping[str, Course]], *, note: str) -> "Figure":
    """Tables above, curves below.

    Args:
        tables: the payoff, whose colours all share, and what learners learned.
        panels: title to learner to its course.
        note: a caption.
    """
    from matplotlib.ticker import EngFormatter

    size = len(tables[0].table) * CELL
    upper, lower = size + 0.95, 2.3
    figure = blank(max(7.2, len(tables) * (size + 0.12) + 0.2), upper + lower)
    top, bottom = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=(upper, lower))))
    bound = float(np.abs(tables[0].table).max())
    for axes, one in zip(np.ravel(top.subplots(1, len(tables))), tables, strict=True):
        heat_map(axes, np.asarray(one.table, float), one.framed, bound=bound, size=SMALL)
        axes.set_title(one.title, fontsize=TEXT, color=INK)
        axes.set_xlabel(one.below, fontsize=SMALL, color=INK)
        axes.tick_params(labelbottom=False, labelleft=False)
    style = styles(list(dict.fromkeys(label for lines in panels.values() for label in lines)))
    grid = np.ravel(bottom.subplots(1, len(panels), sharey=True))
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        for label, (steps, fraction) in lines.items():
            axes.fill_between(steps, fraction.low, fraction.high, color=style[label].colour, alpha=0.15, linewidth=0)
            axes.plot(steps, fraction.estimate, color=style[label].colour, linestyle=style[label].dash, linewidth=1.8)
        dress(axes, xlabel="environment steps", ylabel="seeds at the optimum" if axes is grid[0] else "")
        axes.set_title(title, loc="left", fontsize=SMALL, color=INK)
        axes.set(ylim=(-0.02, 1.02), xlim=(0, None), yticks=np.linspace(0, 1, 5))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
        axes.xaxis.label.set_color(FAINT)
        ends = {label: float(np.asarray(line.fraction.estimate)[-1]) for label, line in lines.items()}
        label_ends(axes, ends, style, inches=lower - 0.8)
    caption(figure, note)
    return figure

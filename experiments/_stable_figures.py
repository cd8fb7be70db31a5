"""Figures of `stable_points`: what is stable on random games, and where learners ended against what was stable."""

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxvf.reproduction.scale import OWN
from jaxvf.results import Interval
from jaxvf.results import figure_style as look
from jaxvf.results.panels import dot_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"optimum_stable": "optimum stable", "other_stable": "another stable", "none_stable": "nothing stable"}
PREDICTED = ("optimum alone", "optimum, others", "others alone", "nothing")
ENDED = ("optimum", "other in set", "outside")


def stable(rows: list[dict[str, Any]]) -> "Figure":
    """Shares of random games, by class; a panel for each behaviour and kind of share."""
    rows = [row for row in rows if "optimum_stable" in row]
    names = list(dict.fromkeys(row["class"] for row in rows))
    panels = {
        f"{behaviour}\n{title}": {row["class"]: Interval(*row[kind]) for row in rows if row["behaviour"] == behaviour}
        for behaviour in dict.fromkeys(row["behaviour"] for row in rows)
        for kind, title in KINDS.items()
    }
    colours = {name: look.BLUE if "MRVF" in name else look.INK for name in names}
    note = (
        "Where exact fits of a class can settle: share of random games of two agents with three actions in which the "
        "optimum is a stable point, another joint action is, or none. A joint action is stable if it is greedy for the "
        "best fit of the data gathered around it. A sum and a monotone table have stable points beside the optimum in "
        "nearly every second game; rounds of increments (MRVF, blue: what the last round may end at, wherever the "
        "first began) leave them; complete classes have the optimum alone. Uniform: all joint actions equally likely; "
        f"ε-greedy: every agent explores with probability 0.1. {scale_text(rows[0])}; {rows[0]['games']:,} games; "
        "95 % score interval over games (Wilson), mostly narrower than a dot."
    )
    return dot_panels(
        panels, rows=names, xlabel="share of games", colours=colours, expected={}, note=note, across=len(KINDS)
    )


def confusions(rows: list[dict[str, Any]]) -> "Figure":
    """A table of runs for each learner and predictor: what was stable down, where it ended across."""
    rows = [row for row in rows if "counts" in row]
    across = 4
    down = -(-len(rows) // across)
    figure = look.blank(10.0, 2.1 * down + 0.4)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, row in zip(grid, rows, strict=False):
        counts = np.array(row["counts"])
        axes.imshow(counts / counts.sum(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (i, j), count in np.ndenumerate(counts):
            dark = count / counts.sum() > 0.6
            axes.text(
                j, i, f"{count:,}", ha="center", va="center", fontsize=look.SMALL, color="white" if dark else look.INK
            )
        axes.set_xticks(range(len(ENDED)), ENDED)
        axes.set_yticks(range(len(PREDICTED)), PREDICTED)
        axes.tick_params(length=0, labelsize=look.SMALL, labelcolor=look.INK)
        title = (
            f"{row['learner']}: {row['predictor']}\n{row['inside'][0]:.0%} in the set, {row['chance']:.0%} by chance"
        )
        axes.set_title(title, loc="left", fontsize=look.SMALL, color=look.learner_colour(row["learner"]))
        for spine in axes.spines.values():
            spine.set_visible(False)
    for place, axes in enumerate(grid):
        axes.set_visible(place < len(rows))
        if place % across:
            axes.tick_params(labelleft=False)
    note = (
        "Stable sets of exact fits (down) against where the learners of basin_atlas ended (across): runs, one for each "
        "random game of two agents with three actions, ε from 1 to 0.05. Above each table the learner, the class that "
        "predicts it, the share of its runs that end in the set, and how many of all joint actions are in it. "
        f"{scale_text(rows[0])}; {rows[0]['ended']:,} games, one run each of {rows[0]['env_steps']:,} environment "
        "steps; no interval."
    )
    look.caption(figure, note)
    return figure


def scale_text(row: dict[str, Any]) -> str:
    """The scale in words."""
    return "Own setting, that of no scale" if row["scale"] == OWN else f"Scale {row['scale']}"

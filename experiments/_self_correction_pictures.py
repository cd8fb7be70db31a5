"""Pictures of `self_correction`: one factor at a time, and what each number of the search does alone."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxvf.reproduction import caption
from jaxvf.results import figure_style as look
from jaxvf.results import plots

WORDS = {
    "learning_rate": "step size", "epsilon_end": "final ε", "epsilon_anneal": "updates until it",
    "value_scale": "initial values", "mixer_scale": "initial weights", "mixer_rate": "mixer's steps",
}  # fmt: skip


def draw_levels(rows: list[dict[str, Any]], out: Path) -> Path:
    """Of the runs whose table fitted, how many were at the optimum then and at the end; a panel per game."""
    rows = [row for row in rows if "factor" in row]
    levels = list(dict.fromkeys((row["factor"], row["level"]) for row in rows))
    games = list(dict.fromkeys(row["game"] for row in rows))
    figure = look.blank(look.WIDTH + 1.2, 0.235 * len(levels) + 0.9)
    panels = figure.subplots(1, len(games), sharey=True, squeeze=False)[0]
    for axes, game in zip(panels, games, strict=True):
        look.dress(axes, xlabel="", ylabel="")
        found = {(row["factor"], row["level"]): row for row in rows if row["game"] == game}
        height = np.arange(len(levels))
        fitted, before, after, optimal = (
            np.array([found[level][name] if level in found else [np.nan] * 3 for level in levels], float).T
            for name in ("fitted", "optimal_at_fit", "optimal_later", "optimal")
        )
        after = np.where(fitted[0] > 0, after, np.nan)  # of no run there is no interval
        axes.barh(height, fitted[0], height=0.8, color="#EEEEEE", label="table has fitted", zorder=1)
        axes.plot(
            optimal[0], height, "|", color=look.INK, markersize=9, label="optimal at the end, of all runs", zorder=2
        )
        axes.hlines(height, after[1], after[2], color=look.BLUE, linewidth=1.5, zorder=3)
        axes.plot(after[0], height, "o", color=look.BLUE, markersize=4, label="the same of runs that fitted", zorder=4)
        axes.plot(before[0], height, "o", color=look.VERMILION, markersize=8, markerfacecolor="none",
                  label="optimal when it first fitted", zorder=3)  # fmt: skip
        axes.set_xlim(-0.03, 1.03)
        axes.set_yticks(height, [name if factor == "base" else f"{factor}: {name}" for factor, name in levels])
        title = "random games" if game == "random" else f"game {game}"
        axes.set_title(title, loc="left", fontsize=look.TEXT, color=look.INK)
    panels[0].invert_yaxis()
    look.head(figure, panels[0], "", "")
    claim = (
        "Of the runs whose table has fitted (no entry off by more than 0.5; optima lead by 0.95 at least), the share "
        "whose greedy joint action is the optimum: circles when the table first fitted, dots at the end of training. A "
        "learner that corrects itself moves from the circle to the right. Grey: share of runs whose table has fitted. "
        "One factor at a time is changed, its base in brackets."
    )
    note = caption(
        claim, scale=rows[0]["scale"], seeds=rows[0]["seeds"], steps=f"{rows[0]['updates']:,} updates, 8 episodes "
        "before each (32 on-policy)", behaviour="ε-greedy play, ε from 1 to 0.05 within 500 updates where nothing "
        "else is said", interval="line: 95 % score interval",
    )  # fmt: skip
    look.caption(figure, note, xlabel="share of runs")
    return plots.save(figure, out / "levels.png")[0]


def draw_search(rows: list[dict[str, Any]], out: Path) -> Path:
    """Share at the optimum when the table first fitted and at the end against every number; a panel per number."""
    rows = [row for row in rows if "number" in row]
    programs, games = (list(dict.fromkeys(row[name] for row in rows)) for name in ("program", "game"))
    figure = look.blank(look.WIDTH + 1.2, 1.45 * len(programs))
    panels = figure.subplots(len(programs), len(WORDS), sharex="col", sharey=True, squeeze=False)
    for line, program in zip(panels, programs, strict=True):
        for axes, name in zip(line, WORDS, strict=True):
            look.dress(axes, xlabel=WORDS[name] if program == programs[-1] else "", ylabel="")
            axes.set_xscale("log")
            axes.set_ylim(0, 1)
            for game, colour in zip(games, look.COLOURS, strict=False):
                asked = {"program": program, "number": name, "game": game}
                chosen = [row for row in rows if asked.items() <= row.items() and row["median_fitted_at"] is not None]
                middle = [float(np.sqrt(row["from"] * row["to"])) for row in chosen]
                before, after = ([row[field][0] for row in chosen] for field in ("optimal_at_fit", "optimal_later"))
                label = "random games" if game == "random" else f"game {game}"
                axes.plot(middle, after, "-", color=colour, linewidth=2.2, label=label)
                axes.plot(middle, before, ":", color=look.INK, linewidth=1.4)
            axes.xaxis.set_minor_formatter("")
            axes.xaxis.label.set_size(look.SMALL)
        line[0].set_ylabel(program, fontsize=look.TEXT, color=look.INK)
    look.head(figure, panels[0][0], "", "")
    claim = (
        "All numbers drawn at once, on logarithmic scales; a row of panels per program. Of the runs whose table "
        "fitted, the share whose greedy joint action is the optimum, dotted when it first fitted, coloured at the end, "
        "by each number alone. A region in which learners correct themselves would part the lines."
    )
    note = caption(
        claim, scale=rows[0]["scale"], seeds=rows[0]["seeds"], steps=f"{rows[0]['updates']:,} updates",
        behaviour="ε-greedy play", interval="no interval is drawn", of="of each program and game",
    )  # fmt: skip
    look.caption(figure, note)
    return plots.save(figure, out / "search.png")[0]

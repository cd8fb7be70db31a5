"""Figures that compare the conditions of a sweep: curves, performance profiles, probabilities of improvement."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from jaxvf.errors import InputError
from jaxvf.results import answers, plots
from jaxvf.results.condition_panels import Panel, entitle, grid, panels_of
from jaxvf.results.figure_style import (
    COLOURS,
    DASHES,
    FAINT,
    INK,
    SMALL,
    Style,
    blank,
    caption,
    dress,
    head,
    styles,
)
from jaxvf.results.profiles import FEW, Profile, ends_of, profile, values_of
from jaxvf.results.selection import grouped
from jaxvf.results.statistics import LEVEL, iqm_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxvf.results.comparison import Comparison
    from jaxvf.results.result import Result

MOST_LINES = len(COLOURS) * len(DASHES)  # of one panel; more cannot be told apart
CELL = 0.95  # inches of a matrix


def curves(result: "Result", metric: str | None = None) -> "Figure":
    """Curves of a metric or fraction with 95 % intervals, as `Result.plot`: learners together, a panel per setting."""
    name = answers.chosen(result, metric)
    of_metric = answers.FRACTIONS.get(name, name)
    # Another environment may report the metric.
    groups = [(one, rows) for one, rows in grouped(result.runs) if answers.has_metric(result, rows, of_metric)]
    panels = panels_of([condition for condition, _ in groups])
    look = _looks(panels)
    figure, grid_of = grid(len(panels), 3.9)
    for axes, panel in zip(grid_of, panels, strict=True):
        for label, place in panel.lines.items():
            steps, values, lost = _course(result, groups[place][1], of_metric)
            if name in answers.FRACTIONS:
                band = answers.fraction_curve(values, lost)
            else:
                band = iqm_interval(values, rng=np.random.default_rng(0))
            said = label if panel.title or name in answers.FRACTIONS else plots.with_runs(label, values)
            plots.draw_band(axes, steps, band, look[label], label=said)
        _dress_course(axes, name)
        entitle(axes, panel.title)
    over = answers.runs_text([len(rows) for _, rows in groups])
    share = f"share of {over}, band: {LEVEL:.0%} score interval (Wilson)"
    middle = f"IQM over {over}, band: {LEVEL:.0%} bootstrap interval"
    return _finished(figure, grid_of, share if name in answers.FRACTIONS else middle)


def profiles(result: "Result", metric: str | None = None) -> "Figure":
    """Performance profiles: the fraction of runs above every score, learners together, a panel per setting."""
    name = answers.chosen(result, metric or "test_return")
    groups = grouped(result.runs)
    panels = panels_of([condition for condition, _ in groups], environments_apart=True)
    scores, look = answers.scores(result, name), _looks(panels)
    judged = [answers.judged(result, rows, scores) for _, rows in groups]
    figure, grid_of = grid(len(panels), 3.6)
    for axes, panel in zip(grid_of, panels, strict=True):
        of_line = {label: scores[judged[place]] for label, place in panel.lines.items()}
        values = values_of(np.concatenate(list(of_line.values())))
        if not values.size:
            on = groups[next(iter(panel.lines.values()))][0]["env"]
            raise InputError(f"no run on {on} has a score of {name}: all diverged, or none is evaluated")
        start, end = ends_of(values)
        for label, of_runs in of_line.items():
            if len(of_runs):
                _draw_profile(axes, profile(of_runs, start), values, end, look[label], label=label)
        spaced = _space_evenly(axes, values)
        xlabel = f"{answers.MEANINGS.get(name, name.replace('_', ' ')).capitalize()} τ at the end{spaced}"
        dress(axes, xlabel=textwrap.fill(xlabel, 34 if len(panels) > 1 else 90), ylabel="Runs above τ")
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
        entitle(axes, panel.title)
    over = answers.runs_text([len(rows) for rows in judged])
    return _finished(figure, grid_of, f"share of {over}, band: {LEVEL:.0%} bootstrap interval, at each τ by itself")


def improvement(compared: "Comparison") -> "Figure":
    """The matrix of probabilities of improvement: row on column, with 95 % intervals in the cells."""
    methods = compared.methods
    estimate, low, high = (np.asarray(part) for part in compared.improvement)
    side = CELL * len(methods)
    figure = blank(side + 2.2, side + 1.4)
    axes = figure.subplots()
    axes.imshow(estimate, cmap="PuOr", vmin=-0.15, vmax=1.15)
    for (i, j), value in np.ndenumerate(estimate):
        if i != j:
            text = f"{value:.2f}\n[{low[i, j]:.2f}, {high[i, j]:.2f}]"
            axes.text(j, i, text, ha="center", va="center", fontsize=SMALL, color=INK)
    names = [textwrap.fill(name, 18) for name in methods]
    axes.set_xticks(range(len(methods)), names, rotation=35 if len(methods) > 3 else 0)
    axes.set_yticks(range(len(methods)), names)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    over = f", mean over {len(compared.environments)} environments" if len(compared.environments) > 1 else ""
    what = answers.MEANINGS.get(compared.metric, compared.metric.replace("_", " "))
    note = (
        f"Chance that a run of the row's method ends above one of the column's, by {what}{over}; "
        f"{LEVEL:.0%} bootstrap intervals"
    )
    figure.supxlabel(textwrap.fill(note, int(13 * (side + 2.2))), fontsize=SMALL, color=FAINT)
    return figure


def _improvement_of(result: "Result", metric: str | None) -> "Figure":
    from jaxvf.results.comparison import comparison

    return improvement(comparison(result, answers.chosen(result, metric or "test_return")))


KINDS: Mapping[str, Callable[["Result", str | None], "Figure"]] = MappingProxyType(
    {"curves": curves, "profile": profiles, "improvement": _improvement_of}
)


def _looks(panels: Sequence[Panel]) -> dict[str, Style]:
    """A style for every label of a figure.

    Raises:
        InputError: where there are more panels, or more lines in one, than can be told apart.
    """
    lines = max(len(panel.lines) for panel in panels)
    if max(lines, len(panels)) > MOST_LINES:
        count = sum(len(panel.lines) for panel in panels)
        told = f"at most {MOST_LINES} can be told apart; `jaxvf report DIR` shows any number"
        raise InputError(f"{count} conditions are too many for one figure: {told}")
    return styles([label for panel in panels for label in panel.lines])


def _course(result: "Result", rows: Sequence[int], metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps and curves of the runs of a condition, and which of them diverged."""
    axis = result.env_steps_of(rows[0])
    real = int(np.argmax(axis == axis[-1])) + 1  # then the last step is repeated
    diverged = np.asarray([result.runs[row]["status"] == "diverged" for row in rows])
    return axis[:real], result.metric(metric)[list(rows)][:, :real], diverged


def _dress_course(axes: "Axes", name: str) -> None:
    from matplotlib.ticker import EngFormatter

    ylabel = answers.MEANINGS.get(name, name.replace("_", " "))
    axes.margins(x=0.015)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if name in answers.FRACTIONS:
        ylabel = textwrap.fill(ylabel.capitalize(), 32)
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    dress(axes, xlabel="Environment steps", ylabel=ylabel)


def _finished(figure: "Figure", panels: Sequence["Axes"], facts: str) -> "Figure":
    """The legend above, and what is drawn: above a single panel, below several."""
    head(figure, panels[0], "", facts if len(panels) == 1 else "")
    if len(panels) > 1:
        caption(figure, f"{facts[0].upper()}{facts[1:]}.")
    return figure


def _draw_profile(axes: "Axes", drawn: Profile, values: np.ndarray, end: float, look: Style, *, label: str) -> None:
    """The steps of one profile up to the end of the axis; of few values each has a place of its own."""
    at = np.append(drawn.at, end)
    if len(values) <= FEW:
        at = np.concatenate([[-0.6], np.searchsorted(values, drawn.at[1:]), [len(values) - 0.4]])
    estimate, low, high = (np.append(part, part[-1]) for part in map(np.asarray, drawn.above))
    axes.fill_between(at, low, high, step="post", color=look.colour, alpha=0.18, linewidth=0)
    axes.plot(at, estimate, drawstyle="steps-post", color=look.colour, linestyle=look.dash, linewidth=2, label=label)


def _space_evenly(axes: "Axes", values: np.ndarray) -> str:
    """Name the places of few values; returns what the label of the axis says of it."""
    if len(values) > FEW:
        return ""
    axes.set_xticks(range(len(values)), [f"{value:.4g}".replace("-", "−") for value in values])
    return " (the values that occur, evenly spaced)"

"""Figures that compare the conditions of a sweep: curves, performance profiles, probabilities of improvement."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from jaxvf.errors import InputError
from jaxvf.results import answers, plots
from jaxvf.results.figure_style import (
    COLOURS,
    DASHES,
    FAINT,
    INK,
    LEARNERS,
    SMALL,
    TEXT,
    WIDTH,
    Style,
    blank,
    dress,
    head,
    learner_colour,
    learner_dash,
    styles,
)
from jaxvf.results.selection import grouped
from jaxvf.results.statistics import LEVEL, Interval, performance_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxvf.results.comparison import Comparison
    from jaxvf.results.result import Result

MOST_LINES = len(COLOURS) * len(DASHES)  # of one figure; more cannot be told apart
THRESHOLDS = 201  # of a profile, from the lowest score to the highest
CELL = 0.95  # inches of a matrix


def curves(result: "Result", metric: str | None = None) -> "Figure":
    """Curves of a metric or fraction with 95 % intervals, one line per condition, as `Result.plot`."""
    name = answers.chosen(result, metric)
    groups = grouped(result.runs)
    _check_lines(len(groups))
    names = answers.labels([condition for condition, _ in groups])
    of_metric = answers.FRACTIONS.get(name, name)
    drawn: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    diverged: dict[str, np.ndarray] = {}
    for label, (_, rows) in zip(names, groups, strict=True):
        if not answers.has_metric(result, rows, of_metric):  # another environment reports it
            continue
        axis = result.env_steps_of(rows[0])
        real = int(np.argmax(axis == axis[-1])) + 1  # then the last step is repeated
        drawn[label] = axis[:real], result.metric(of_metric)[rows][:, :real]
        diverged[label] = np.asarray([result.runs[row]["status"] == "diverged" for row in rows])
    if name in answers.FRACTIONS:
        return _fractions(drawn, diverged, ylabel=answers.MEANINGS[name].capitalize())
    ylabel = answers.MEANINGS.get(name, name.replace("_", " "))
    return plots.learning_curves(drawn, ylabel=ylabel, style=looks(list(drawn)))


def looks(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label: the learner's own where labels are learners, else by position."""
    known = {learner for learners in LEARNERS.values() for learner in learners}
    by_position = styles(labels)
    if not all(label.partition("#")[0] in known for label in labels):
        return by_position
    own = {label: Style(learner_colour(label), by_position[label].marker, learner_dash(label)) for label in labels}
    alike = len({(look.colour, look.dash) for look in own.values()}) < len(own)  # qmix#0 and qmix#1
    return by_position if alike else own


def profiles(result: "Result", metric: str | None = None) -> "Figure":
    """Performance profiles: the fraction of runs above every score, one line per method, a panel per environment."""
    from jaxvf.results.comparison import methods_of

    name = answers.chosen(result, metric or "test_return")
    labels, environments, rows_of = methods_of(result)
    _check_lines(len(labels))
    values, look = answers.scores(result, name), looks(labels)
    figure = blank(WIDTH, 0.6 + 3.0 * len(environments))
    for axes, env in zip(figure.subplots(len(environments), 1, squeeze=False)[:, 0], environments, strict=True):
        scores = {label: values[rows[env]] for label, rows in zip(labels, rows_of, strict=True) if env in rows}
        known = np.concatenate(list(scores.values()))
        known = known[np.isfinite(known)]
        if not known.size:
            raise InputError(f"no run on {env} has a score of {name}: all diverged, or none is evaluated")
        low, high = float(known.min()), float(known.max())
        room = 0.02 * (high - low) or 1.0
        taus = np.linspace(low - room, high + room, THRESHOLDS)
        for label, of_label in scores.items():
            band = performance_profile([of_label], taus, rng=np.random.default_rng(0))
            _line(axes, taus, band, look[label], label=label)
        xlabel = f"{answers.MEANINGS.get(name, name.replace('_', ' '))} τ at the end"
        dress(axes, xlabel=xlabel, ylabel="Fraction of runs above τ")
        axes.set_ylim(-0.02, 1.02)
        if len(environments) > 1:
            axes.set_title(env, loc="left", fontsize=TEXT, color=INK)
    head(figure, figure.axes[0], "", f"band: {LEVEL:.0%} bootstrap interval over runs, at each τ by itself")
    return figure


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


def _fractions(
    drawn: Mapping[str, tuple[np.ndarray, np.ndarray]], diverged: Mapping[str, np.ndarray], *, ylabel: str
) -> "Figure":
    from matplotlib.ticker import EngFormatter

    figure = blank(WIDTH, 3.9)
    axes, look = figure.subplots(), looks(list(drawn))
    counts = {len(values) for _, values in drawn.values()}
    for label, (steps, values) in drawn.items():
        name = label if len(counts) == 1 else f"{label} ({len(values)} runs)"
        _line(axes, steps, answers.fraction_curve(values, diverged[label]), look[label], label=name)
    dress(axes, xlabel="Environment steps", ylabel=textwrap.fill(ylabel, 32))
    axes.set_ylim(-0.02, 1.02)
    axes.margins(x=0.015)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    each = f" of {counts.pop()} runs" if len(counts) == 1 else " of runs"
    head(figure, axes, "", f"share{each}, band: {LEVEL:.0%} score interval (Wilson)")
    return figure


def _line(axes: "Axes", x: np.ndarray, band: Interval, look: Style, *, label: str) -> None:
    axes.fill_between(x, band.low, band.high, color=look.colour, alpha=0.18, linewidth=0)
    every = max(1, len(x) // plots.MARKS_PER_LINE)
    axes.plot(
        x, band.estimate, color=look.colour, linestyle=look.dash, linewidth=2, marker=look.marker,
        markersize=5, markevery=every, label=label,
    )  # fmt: skip


def _check_lines(count: int) -> None:
    if count > MOST_LINES:
        told = f"at most {MOST_LINES} can be told apart; `jaxvf report DIR` shows any number"
        raise InputError(f"{count} conditions are too many for one figure: {told}")

"""Everything that a page says, gathered from a study: what the template writes, and the data of the figures."""

import dataclasses
import itertools
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvf import __version__
from jaxvf.report import answers, policies, provenance
from jaxvf.report.answers import Answer
from jaxvf.report.conditions import Condition, conditions_of, fields_of, label
from jaxvf.report.figures import figure_data
from jaxvf.report.study import Study
from jaxvf.results.answers import steps_span
from jaxvf.results.figure_style import styles
from jaxvf.results.statistics import Interval

MOST_NAMES = 3  # of directories in a title
LONGEST = 200  # characters of a reason
GOAL_WORDS = {"test_optimal": "reach the optimum", "test_won": "win"}


@dataclasses.dataclass(frozen=True)
class Headline:
    """One condition's line of the answer."""

    place: int  # of the condition in the data
    label: str
    colour: str
    answer: Answer


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Who beats whom among the conditions of one environment by one metric: what each is called, and the table."""

    env: str
    metric: str
    labels: list[str]
    cells: list[list[Interval | None]]


@dataclasses.dataclass(frozen=True)
class Table:
    """A learned value table with what the run is called."""

    title: str
    payoff: list[list[float]]
    heads: dict[str, list[list[float]]]
    greedy: tuple[int, int]
    best: list[tuple[int, int]]  # joint actions of the largest payoff
    bound: float  # largest payoff in size, the end of the colour scale


@dataclasses.dataclass(frozen=True)
class Content:
    """What the template is given; `data` is what the figures draw."""

    title: str
    version: str
    notes: list[str]
    goal_words: str
    main: str
    headlines: list[Headline]
    score_range: tuple[float, float]
    matrices: list[Matrix]
    tables: list[Table]
    differences: provenance.Differences
    provenances: list[provenance.Provenance]
    replays: list[policies.Replay]
    replay_note: str
    data: dict[str, Any]


def gather(study: Study, *, replays: bool) -> Content:
    """The content of the report of a study.

    Args:
        study: what it is about.
        replays: whether episodes are played.
    """
    fields = fields_of(study)
    conditions, pooled = conditions_of(study, fields)
    labels = [label(condition, fields) for condition in conditions]
    looks = looks_of(conditions)
    known = policies.Policies(study)
    name_of = {int(row): labels[place] for place, one in enumerate(conditions) for row in one.rows}
    tables = [_table(study, table, name_of[table.row]) for table in policies.value_tables(known, conditions)]
    played, left = policies.replays(known, conditions) if replays else ([], [])
    lines = [
        Headline(place, labels[place], looks[one.learner][0], answers.answer(study, one.rows))
        for place, one in enumerate(conditions)
    ]
    return Content(
        title=_title(study),
        version=__version__,
        notes=[*_notes(study, pooled), *_unread(known.reasons)],
        goal_words=GOAL_WORDS.get(study.goal or "", ""),
        main=study.main,
        headlines=_best_first(lines, conditions),
        score_range=_range([line.answer.score for line in lines]),
        matrices=_matrices(study, conditions, labels),
        tables=tables,
        differences=provenance.differences(study.sources),
        provenances=[provenance.provenance(source) for source in study.sources],
        replays=played,
        replay_note=_replay_note(study, left),
        data=figure_data(study, fields, conditions, labels, looks, played),
    )


def _title(study: Study) -> str:
    """The names of the directories; of many, that of the place where all are."""
    place = os.path.commonpath([source.path.resolve() for source in study.sources])
    return Path(place).name if len(study.sources) > MOST_NAMES else ", ".join(source.label for source in study.sources)


def looks_of(conditions: Sequence[Condition]) -> dict[str, tuple[str, str]]:
    """Colour and dash of each learner, as in every other figure."""
    return {learner: (look.colour, look.dash) for learner, look in styles([one.learner for one in conditions]).items()}


def _best_first(lines: Sequence[Headline], conditions: Sequence[Condition]) -> list[Headline]:
    """By environment as they appear, and within one by what was reached."""

    def key(line: Headline) -> tuple[Any, ...]:
        goal, score = (-np.inf if one is None else one.estimate for one in (line.answer.goal, line.answer.score))
        return order[conditions[line.place].env], -goal, -np.nan_to_num(score, nan=-np.inf)

    order = {env: at for at, env in enumerate(dict.fromkeys(condition.env for condition in conditions))}
    return sorted(lines, key=key)


def _range(scores: Sequence[Interval | None]) -> tuple[float, float]:
    """The axis on which the intervals of all scores are drawn."""
    ends = [float(end) for score in scores if score is not None for end in score if np.isfinite(end)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _matrices(study: Study, conditions: Sequence[Condition], labels: Sequence[str]) -> list[Matrix]:
    """For each environment with several conditions: returns of different environments are not compared."""
    found = []
    environments = dict.fromkeys(condition.env for condition in conditions)
    for env, metric in itertools.product(environments, study.compared):
        places = [place for place, condition in enumerate(conditions) if condition.env == env]
        cells = answers.improvements(study, [conditions[place] for place in places], metric)
        if any(cell is not None for row in cells for cell in row):
            found.append(Matrix(env, metric, [labels[place] for place in places], cells))
    return found


def _notes(study: Study, pooled: Sequence[str]) -> list[str]:
    """What a reader must know before the numbers."""
    statuses = study.status(range(len(study.records)))
    said = {
        "unfinished": "are not finished: each counts here with the last evaluation that it has reached, and one "
        "without any does not count (`jaxvf compare` and a result's summary leave them all out)",
        "diverged": "diverged (their parameters are not finite): each counts as not reaching the goal and loses every "
        "comparison, and the interquartile mean leaves it out",
        "dropped": f"were dropped early by the search{_dropped_at(study)}: each counts with its last evaluation, so "
        "that conditions with such runs are judged after less training than others",
    }
    notes = [
        f"{statuses.count(status):,} of {len(statuses):,} runs {words}."
        for status, words in said.items()
        if status in statuses
    ]
    if pooled:
        notes.append(
            f"Conditions pool over {', '.join(pooled)}, whose values are too many to compare one by one: their "
            "intervals are over all of these values. The response figures show them apart."
        )
    return notes


def _dropped_at(study: Study) -> str:
    """After how many steps runs were dropped, beside how many the longest took."""
    at = [
        int(study.env_steps[row][np.isfinite(study.curves[study.main][row])].max(initial=0))
        for row, record in enumerate(study.records)
        if record["status"] == "dropped"
    ]
    return f", after {steps_span(np.asarray(at))} of {int(study.env_steps.max()):,} environment steps" if at else ""


def _unread(reasons: Mapping[str, str]) -> list[str]:
    """Why there are neither value tables nor episodes of some directories: the reason of the first."""
    if not reasons:
        return []
    why = textwrap.shorten(next(iter(reasons.values())), LONGEST)
    return [f"Without value tables and episodes, for no policy of {', '.join(reasons)} can be read: {why}"]


def _replay_note(study: Study, left: Sequence[int]) -> str:
    if not left:
        return ""
    rows = left[:3]
    commands = [
        provenance.replay_command(study.sources[int(study.source[row])], study.records[row]["run"]) for row in rows
    ]
    return f"{len(left)} more episodes do not fit into this page: {'; '.join(commands)}" + ("; …" * (len(left) > 3))


def _table(study: Study, table: policies.ValueTable, name: str) -> Table:
    heads = {head: _rounded(values) for head, values in table.heads.items()}
    bound = float(np.abs(table.payoff).max()) or 1.0
    title = f"{name}: run {study.records[table.row]['run']}"
    best = [(int(first), int(second)) for first, second in np.argwhere(table.payoff == table.payoff.max())]
    return Table(title, _rounded(table.payoff), heads, table.greedy, best, bound)


def _rounded(values: np.ndarray) -> list[list[float]]:
    return [[round(float(value), 2) for value in row] for row in values]

"""What every condition reached: fractions and returns with their intervals, curves, profiles, who beats whom."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxvf.report.conditions import Condition
from jaxvf.report.study import Study
from jaxvf.results import profiles
from jaxvf.results.answers import REACHED, fraction_curve
from jaxvf.results.statistics import (
    Interval,
    fraction_interval,
    improvement_matrix,
    iqm,
    iqm_interval,
)

FEWEST = 2  # runs that a bootstrap interval needs: of a single run every resample is the same


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the runs of a condition reached.

    Attributes:
        runs: how many.
        judged: how many were evaluated or diverged; the fraction is of these.
        counts: how many are diverged, unfinished or dropped, by status, without zeros.
        goal: fraction of the judged runs that reach the goal; None without a goal or judged runs.
        score: IQM of the main metric over the runs that have a value; without ends where a single run has one.
        scored: how many have a value.
    """

    runs: int
    judged: int
    counts: dict[str, int]
    goal: Interval | None
    score: Interval | None
    scored: int


@dataclasses.dataclass(frozen=True)
class Band:
    """What runs that were evaluated at the same steps reached at each, with the interval.

    Attributes:
        steps: environment steps.
        interval: three arrays; NaN where there is no value, and at the ends where one run is left.
    """

    steps: Int[np.ndarray, " evaluations"]
    interval: Interval


def answer(study: Study, rows: Int[np.ndarray, " runs"]) -> Answer:
    """The answer of some runs of a study."""
    begun = study.begun(rows)
    statuses = study.status(rows)
    counts = {name: statuses.count(name) for name in ("diverged", "unfinished", "dropped") if name in statuses}
    goal = None if study.goal is None else ending(study, rows, study.goal)
    values = study.last[study.main][begun]
    scored = int((~np.isnan(values)).sum())
    return Answer(len(rows), len(begun), counts, goal, score_interval(values), scored)


def score_interval(values: Float[np.ndarray, " runs"]) -> Interval | None:
    """IQM with its interval; without ends of a single value, None of none. NaN, a diverged run, is left out."""
    left = values[~np.isnan(values)]
    if not len(left):
        return None
    if len(left) < FEWEST:
        return Interval(float(iqm(left)), np.nan, np.nan)
    return Interval(*(float(np.asarray(part)[0]) for part in iqm_interval(left[:, None], rng=_rng())))


def bands(study: Study, rows: Int[np.ndarray, " runs"], metric: str) -> list[Band]:
    """One band for every axis of evaluations that some of the runs have; most often there is one.

    Of the goal's metric the estimate is the fraction of runs that reach it, of any other the IQM.
    """
    axes, of_axis = np.unique(study.env_steps[rows], axis=0, return_inverse=True)
    found = []
    for place, steps in enumerate(axes):
        at = rows[of_axis.reshape(-1) == place]
        values = study.curves[metric][at].astype(np.float64)
        seen = np.flatnonzero((~np.isnan(values)).any(axis=0))
        if len(seen):
            length = int(seen[-1]) + 1
            values = values[:, :length]
            diverged = np.asarray([status == "diverged" for status in study.status(at)], bool)
            interval = fraction_curve(values, diverged) if metric == study.goal else _middles(values)
            found.append(Band(steps[:length], interval))
    return found


def _middles(values: Float[np.ndarray, "runs evaluations"]) -> Interval:
    """The IQM at each evaluation; its interval where more than one run is left."""
    estimate, low, high = (np.asarray(part) for part in iqm_interval(values, rng=_rng()))
    several = (~np.isnan(values)).sum(axis=0) >= FEWEST
    return Interval(estimate, np.where(several, low, np.nan), np.where(several, high, np.nan))


def final_values(study: Study, rows: Int[np.ndarray, " runs"], metric: str) -> Float[np.ndarray, " judged"]:
    """One number for each of some runs that can be judged: its last value, NaN where it diverged.

    None at all of a goal that the environments of these runs do not report.
    """
    if metric == study.goal and not study.has_goal(rows):
        return np.zeros(0)
    return study.last[metric][study.begun(rows)]


def ending(study: Study, rows: Int[np.ndarray, " runs"], metric: str) -> Interval | None:
    """What some runs end at: of the goal's metric the fraction that reaches it, of any other the IQM."""
    values = final_values(study, rows, metric)
    if metric != study.goal:
        return score_interval(values)
    return fraction_interval(int((values >= REACHED).sum()), len(values)) if len(values) else None


def profile_values(study: Study, rows: Int[np.ndarray, " runs"], metric: str) -> Float[np.ndarray, " K"]:
    """Every value at which some of the runs end, ascending."""
    return profiles.values_of(final_values(study, rows, metric))


def profile(study: Study, rows: Int[np.ndarray, " runs"], metric: str, start: float) -> profiles.Profile | None:
    """Fraction of the runs above each of their values, diverged ones above none; None if no run can be judged."""
    values = final_values(study, rows, metric)
    return profiles.profile(values, start) if len(values) else None


def improvements(study: Study, conditions: Sequence[Condition], metric: str) -> list[list[Interval | None]]:
    """Of every pair, how likely a run of the row's condition ends above one of the column's.

    Of the goal's metric, how likely it reaches the goal where the other does not. None on the diagonal, and for a
    condition without a run that can be judged.
    """
    scores = [final_values(study, condition.rows, metric) for condition in conditions]
    if metric == study.goal:
        scores = [(values >= REACHED).astype(float) for values in scores]
    known = [place for place, values in enumerate(scores) if len(values)]
    table: list[list[Interval | None]] = [[None] * len(scores) for _ in scores]
    if len(known) > 1:
        matrix = np.asarray(improvement_matrix([[scores[place]] for place in known], rng=_rng()))
        for (i, row), (j, column) in itertools.permutations(enumerate(known), 2):
            table[row][column] = Interval(*matrix[:, i, j].tolist())
    return table


def typical(study: Study, rows: Int[np.ndarray, " runs"]) -> int | None:
    """The finished run whose last value is the median (the lower one of two); None if none is finished."""
    finished = [int(row) for row in rows if study.records[row]["status"] == "finished"]
    ordered = sorted(finished, key=lambda row: (np.nan_to_num(study.last[study.main][row], nan=-np.inf), row))
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _rng() -> np.random.Generator:
    """The same resamples in every figure, so that a report can be made again."""
    return np.random.default_rng(0)

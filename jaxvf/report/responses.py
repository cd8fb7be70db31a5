"""How the outcome depends on what the sweep varied: along one field, and over every pair of two."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxvf.report.answers import ending, score_interval
from jaxvf.report.conditions import NAMES, Condition, Field, go_together, number_text
from jaxvf.report.study import Study
from jaxvf.results.statistics import Interval, iqm

MOST_LEVELS = 16  # of a field; a number with more values is cut into bins of equally many runs
BINS = 8
MOST_FIELDS = 5  # of which every pair has a heat map


@dataclasses.dataclass(frozen=True, eq=False)
class Scale:
    """A field cut into levels.

    Attributes:
        field: what is cut.
        levels: names of the levels in order.
        places: where each level is along the axis: its value, the median of a bin, or its number.
        codes: level of every run, -1 where it has no value.
    """

    field: Field
    levels: list[str]
    places: list[float]
    codes: Int[np.ndarray, " runs"]


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that one response is drawn of: those of one learner on one environment in one directory."""

    directory: str
    env: str
    learner: str
    rows: Int[np.ndarray, " runs"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """What runs at one level of a field reached."""

    runs: int
    goal: Interval | None
    score: Interval | None


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """Two fields, and per group what runs at each pair of levels reached.

    Attributes:
        across: of the columns.
        down: of the rows.
        runs: how many runs are judged in every cell.
        values: the fraction that reaches the goal, or without a goal the IQM of the main metric; NaN of none.
    """

    across: Scale
    down: Scale
    runs: Int[np.ndarray, "groups down across"]
    values: Float[np.ndarray, "groups down across"]


def groups_of(conditions: Sequence[Condition]) -> list[Group]:
    """The groups of conditions, in their order."""
    rows: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for one in conditions:
        rows.setdefault((one.directory, one.env, one.learner), []).append(one.rows)
    return [Group(*key, np.sort(np.concatenate(parts))) for key, parts in rows.items()]


def scales_of(fields: Sequence[Field]) -> list[Scale]:
    """The settings among the fields that can be an axis: numbers, and others of few values."""
    settings = [field for field in fields if field.name not in NAMES]
    return [_scale(field) for field in settings if field.numbers is not None or len(field.levels) <= MOST_LEVELS]


def along(study: Study, group: Group, scale: Scale) -> list[Cell]:
    """What the runs of a group reached at each level of a field."""
    return [_cell(study, group.rows[scale.codes[group.rows] == level]) for level in range(len(scale.levels))]


def heat_maps(study: Study, groups: Sequence[Group], scales: Sequence[Scale]) -> list[HeatMap]:
    """One for each pair of the first fields that do not go together, and that some run has both of."""
    pairs = itertools.combinations(scales[:MOST_FIELDS], 2)
    return [
        _heat_map(study, groups, across, down)
        for across, down in pairs
        if not go_together(across.field, down.field) and ((across.codes >= 0) & (down.codes >= 0)).any()
    ]


def _heat_map(study: Study, groups: Sequence[Group], across: Scale, down: Scale) -> HeatMap:
    shape = len(groups), len(down.levels), len(across.levels)
    runs, values = np.zeros(shape, int), np.full(shape, np.nan)
    for place, group in enumerate(groups):
        begun = study.begun(group.rows)
        for i, j in itertools.product(range(shape[1]), range(shape[2])):
            at = begun[(down.codes[begun] == i) & (across.codes[begun] == j)]
            runs[place, i, j] = len(at)
            if study.goal is not None:
                values[place, i, j] = study.reached(at).mean() if study.has_goal(at) else np.nan
            elif not np.isnan(study.last[study.main][at]).all():
                values[place, i, j] = iqm(study.last[study.main][at])
    return HeatMap(across, down, runs, values)


def _cell(study: Study, rows: np.ndarray) -> Cell:
    goal = None if study.goal is None else ending(study, rows, study.goal)
    begun = study.begun(rows)
    return Cell(len(begun), goal, score_interval(study.last[study.main][begun]))


def _scale(field: Field) -> Scale:
    known = ~np.isnan(field.numbers) if field.numbers is not None else None
    if field.numbers is None or known is None:
        return Scale(field, field.levels, [float(at) for at in range(len(field.levels))], field.codes)
    values = np.unique(field.numbers[known])
    if len(values) <= MOST_LEVELS:
        codes = np.where(known, np.searchsorted(values, np.where(known, field.numbers, values[0])), -1)
        return Scale(field, [number_text(value) for value in values], values.tolist(), codes)
    edges = np.unique(np.quantile(field.numbers[known], np.linspace(0, 1, BINS + 1)))
    inside = np.clip(np.searchsorted(edges, field.numbers, side="right") - 1, 0, len(edges) - 2)
    codes = np.where(known, inside, -1)
    levels = [f"{number_text(low)} to {number_text(high)}" for low, high in itertools.pairwise(edges)]
    places = [float(np.median(field.numbers[codes == level])) for level in range(len(levels))]
    return Scale(field, levels, places, codes)

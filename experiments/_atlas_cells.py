"""What the atlas of basins counts: which runs ended at the optimum, and at which joint action each one ended."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.envs.payoff_families import FAMILIES, RandomGame
from jaxvf.results import Interval, Result
from jaxvf.results.answers import REACHED
from jaxvf.results.statistics import LEVEL, SAMPLES
from jaxvf.theory import deviation_penalty, non_monotonicity

# Edges of the bins of either measure. The first bin of non-monotonicity holds the monotonic games alone.
BINS = {
    "non_monotonicity": (0.0, 1e-9, 0.2, 0.4, 0.6, 0.8, 1.0),
    "deviation_penalty": (-np.inf, -1.0, -0.5, 0.0, 0.5, 1.0, np.inf),
}
DIGITS = 5  # of what is written
MANY = 200  # games, from which on an interval resamples counts
# One character for a joint action, by its place in the flattened payoff; the last for a run that diverged, or played
# what no joint action pays.
SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/"
NOWHERE = "-"


@dataclasses.dataclass(frozen=True)
class Cell:
    """Games of one shape, or of all, and which runs of a learner under one behaviour ended at their optimum."""

    learner: str
    protocol: str
    shape: str
    family: np.ndarray  # [games], names
    values: dict[str, Float[np.ndarray, " games"]]  # both measures
    optimal: Bool[np.ndarray, "games seeds"]


def cell_of(
    learner: str, protocol: str, shape: str, games: list[RandomGame], result: Result, runs: Int[np.ndarray, " runs"]
) -> Cell:
    """Measures of the games, and whether each of the `runs` ends with the optimum as its greedy joint action."""
    payoff = np.stack([game.payoff() for game in games])
    values = {"non_monotonicity": non_monotonicity(payoff), "deviation_penalty": deviation_penalty(payoff)}
    optimal = result.metric("test_optimal")[runs, -1] >= REACHED  # NaN, of a run that diverged, is not
    family = np.asarray([game.family for game in games])
    return Cell(learner, protocol, shape, family, values, optimal.reshape(len(games), -1))


def pooled(cells: list[Cell]) -> Cell:
    """All shapes of one learner and behaviour."""
    values = {name: np.concatenate([cell.values[name] for cell in cells]) for name in BINS}
    family, optimal = (np.concatenate([getattr(cell, name) for cell in cells]) for name in ("family", "optimal"))
    return Cell(cells[0].learner, cells[0].protocol, "all", family, values, optimal)


def rows_of(cell: Cell) -> list[dict[str, Any]]:
    """One row for all games, for every family, and for every bin of either measure that holds a game."""
    rows = []
    for family in ("all", *FAMILIES):
        member = np.isin(cell.family, list(FAMILIES) if family == "all" else [family])
        chosen = {("all", None): member}
        for measure, edges in BINS.items() if family == "all" else ():
            place = np.clip(np.searchsorted(edges, cell.values[measure], side="right") - 1, 0, len(edges) - 2)
            chosen |= {(measure, index): member & (place == index) for index in range(len(edges) - 1)}
        for (measure, index), games in chosen.items():
            if games.any():
                rows.append({
                    "learner": cell.learner,
                    "protocol": cell.protocol,
                    "shape": cell.shape,
                    "family": family,
                    "measure": measure,
                    "bin": index,
                    "mean": None if index is None else round(float(cell.values[measure][games].mean()), DIGITS),
                    "games": int(games.sum()),
                    "runs": int(cell.optimal[games].size),
                    "optimal": np.asarray(games_interval(cell.optimal[games])).round(DIGITS).tolist(),
                })  # fmt: skip
    return rows


def games_interval(optimal: Bool[np.ndarray, "games seeds"]) -> Interval:
    """Fraction of runs at the optimum with its percentile bootstrap over games.

    Runs of one game are not independent of each other, so a resample draws games, each with all its runs. Where all
    runs agree the bootstrap sees no spread: the interval has no width, and says nothing of games that were not drawn.
    """
    share, games = optimal.mean(axis=1), len(optimal)
    mean, count = float(share.mean()), np.ones(games)
    if games >= MANY:  # resampling games of equal shares one by one, or how many of each share, is the same
        share, count = np.unique(share, return_counts=True)
    draws = np.random.default_rng(0).multinomial(games, count / games, size=SAMPLES) @ share / games
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high))


def predictor_rows(cell: Cell) -> list[dict[str, Any]]:
    """How well either measure tells games that a learner solves from those that it does not: the area under the curve.

    The chance that of two runs, one at the optimum and one not, the second one's game has the greater measure (ties
    count half): 1/2 for a measure that knows nothing. With its bootstrap interval over games.
    """
    rng, rows = np.random.default_rng(0), []
    games, seeds = cell.optimal.shape
    for measure, value in cell.values.items():
        resampled = rng.integers(games, size=(200, games))
        areas = [area(value[chosen], cell.optimal[chosen]) for chosen in (np.arange(games), *resampled)]
        ends = np.nanquantile(areas[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if seeds else np.full(2, np.nan)
        rows.append({
            "learner": cell.learner, "protocol": cell.protocol, "shape": cell.shape, "predictor": measure,
            "games": games, "area": np.round([areas[0], *ends], DIGITS).tolist(),
        })  # fmt: skip
    return rows


def area(value: Float[np.ndarray, " games"], optimal: Bool[np.ndarray, "games seeds"]) -> float:
    """The area of `predictor_rows`, by ranks; NaN where all runs, or none, end at the optimum."""
    solved = optimal.sum(axis=1)
    failed = optimal.shape[1] - solved
    if not solved.any() or not failed.any():
        return float("nan")
    levels, place = np.unique(value, return_inverse=True)
    of_level = np.bincount(place, weights=solved, minlength=len(levels))
    lower = of_level.cumsum() - of_level / 2
    return float((failed * lower[place]).sum() / (solved.sum() * failed.sum()))


def ends_of(games: list[RandomGame], result: Result, runs: Int[np.ndarray, " runs"]) -> dict[str, str]:
    """Greedy joint action of every run, game by game and seed by seed: a character of `SYMBOLS`, or `NOWHERE`.

    Found by what it pays; where several joint actions pay the same, the first of them.

    Returns:
        "last": at the last evaluation; "before": at the one before it.
    """
    payoff = np.stack([game.payoff().reshape(-1) for game in games])
    seeds = len(runs) // len(games)
    table = np.repeat(payoff, seeds, axis=0)
    paid = result.metric("test_return")[runs]
    found = {}
    for name, place in (("last", -1), ("before", max(-2, -paid.shape[1]))):
        distance = np.abs(table - paid[:, place, None])
        known = distance.min(axis=1) < 1e-3  # payoffs are of the order of 10; NaN is not near anything
        symbols = [
            SYMBOLS[joint] if one else NOWHERE for joint, one in zip(distance.argmin(axis=1), known, strict=True)
        ]
        found[name] = "".join(symbols)
    return found

"""Tunes the learners of the atlas alike: as many step sizes for each, on the same games, none of them in the atlas."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvf.envs.payoff_families import RandomGame, random_games
from jaxvf.results import Result
from jaxvf.results.answers import REACHED

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of the step size that a learner has by itself
FIRST_SEED = 1_000_000  # of the games' seeds: beyond those of any scale


def pilot_games(shape: tuple[int, int], count: int) -> list[RandomGame]:
    """Games of the atlas's families that are not in it."""
    return random_games(*shape, count, first_seed=FIRST_SEED)


def rates_of(default: float) -> list[float]:
    """The step sizes that are tried, the default among them."""
    return [float(np.float32(default * factor)) for factor in FACTORS]


def judged(learner: str, default: float, result: Result) -> list[dict[str, Any]]:
    """One row per step size: share of the pilot games that it ends at the optimum of, and whether it is chosen.

    The largest share wins; of equal ones the step size nearest to the default, then the smaller.
    """
    rows = []
    for rate in rates_of(default):
        runs = result.select(learning_rate=lambda value, rate=rate: np.isclose(value, rate, rtol=1e-5))
        optimal = result.metric("test_optimal")[runs, -1] >= REACHED
        rows.append({"learner": learner, "learning_rate": rate, "games": len(runs), "optimal": float(optimal.mean())})
    best = min(
        rows, key=lambda row: (-row["optimal"], abs(np.log(row["learning_rate"] / default)), row["learning_rate"])
    )
    return [{**row, "chosen": row is best} for row in rows]


def chosen(rows: list[dict[str, Any]]) -> Mapping[str, float]:
    """Step size of every learner."""
    return {row["learner"]: row["learning_rate"] for row in rows if row["chosen"]}

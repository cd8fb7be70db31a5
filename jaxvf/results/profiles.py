"""Performance profiles as the steps that they are: a profile falls at the values that occur, and nowhere else."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvf.results.statistics import Interval, performance_profile

FEW = 12  # values that stand evenly spaced on an axis, so that 7.9 and 8 can be told apart beside -12


class Profile(NamedTuple):
    """A fraction of runs above τ that holds from each place on up to the next.

    Attributes:
        at: every τ, ascending: one below all scores, then each score that occurs.
        above: the fraction of runs above, with its interval.
    """

    at: Float[np.ndarray, " K"]
    above: Interval


def profile(scores: Float[np.ndarray, " runs"], start: float) -> Profile:
    """The profile of some runs, exact: at every score that occurs.

    Args:
        scores: one a run; NaN is a diverged run, which is above nothing.
        start: below all scores of the figure.
    """
    at = np.concatenate([[start], values_of(scores)])
    return Profile(at, performance_profile([scores], at, rng=np.random.default_rng(0)))


def values_of(scores: Float[np.ndarray, "..."]) -> Float[np.ndarray, " K"]:
    """The scores that occur, ascending."""
    return np.unique(scores[np.isfinite(scores)])


def ends_of(values: Float[np.ndarray, " K"]) -> tuple[float, float]:
    """The two ends of an axis with room beside the lowest and the highest of the values."""
    low, high = float(values[0]), float(values[-1])
    room = 0.03 * (high - low) or 0.03 * abs(high) or 1.0
    return low - room, high + room

"""Exact tabular fit of POW's recognizer at one state: what its value head and recognized set converge to."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Recognition(NamedTuple):
    """Best recognizer with unlimited capacity.

    The recognizer is POW's (Huang et al. 2026); its exact fit is derived in `recognize`, not taken from the paper.

    Attributes:
        value: V, its value of every greedy joint action.
        table: Q_R of every joint action: V where greedy, else min(V, y).
        recognized: A_r, the greedy joint actions and those with V - y < C.
    """

    value: Float[np.ndarray, "*games"]
    table: Float[np.ndarray, "*games joint"]
    recognized: Bool[np.ndarray, "*games joint"]


def recognize(
    target: Float[np.ndarray, "*games joint"],
    probability: Float[np.ndarray, "*games joint"],
    greedy: Bool[np.ndarray, "*games joint"],
    tolerance: float,
) -> Recognition:
    """Minimise Σ p (Q_R - y)² over tables that are V where greedy and at most V elsewhere.

    V balances the two sides: Σ_greedy p (V - y) = Σ_others p max(0, y - V). The others above V are the largest ones,
    and pooling one more raises the pooled mean exactly while it lies above it; so V is the largest mean of the
    greedy joint actions pooled with the k largest others, over all k.

    Args:
        target: regression target y of each joint action (a flattened payoff); leading axes are independent games.
        probability: how often each joint action is sampled; positive where greedy, any scale.
        greedy: the joint actions made of local argmaxes; at least one per game.
        tolerance: C, how far below V a recognized joint action may lie, above 0.
    """
    target, probability, greedy = np.broadcast_arrays(
        np.asarray(target, np.float64), np.asarray(probability, np.float64), np.asarray(greedy, bool)
    )
    # Greedy ones first, then by falling target.
    order = np.argsort(np.where(greedy, -np.inf, -target), axis=-1, kind="stable")
    weight = np.take_along_axis(probability, order, axis=-1)
    mass = weight.cumsum(axis=-1)
    mean = (weight * np.take_along_axis(target, order, axis=-1)).cumsum(axis=-1) / mass
    pooled = np.arange(target.shape[-1]) >= greedy.sum(axis=-1, keepdims=True) - 1
    value = np.where(pooled, mean, -np.inf).max(axis=-1)
    below = value[..., None] - target
    table = np.where(greedy, value[..., None], np.minimum(value[..., None], target))
    return Recognition(value, table, greedy | (below < tolerance))

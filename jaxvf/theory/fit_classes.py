"""Function classes of value factorization: the exact best fit of a one-step game within each.

Every function takes a batch of games, payoff [games, *actions], with one axis of equal length per agent, the weights
with which joint actions occur, and the joint action that they occur around.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.theory.isotonic import monotone_fit
from jaxvf.theory.recognition import recognize

# Differences below this fraction of the payoff's size count as ties.
TIE = 1e-7


class Fit(NamedTuple):
    """Best approximation of each payoff within a function class.

    Attributes:
        values: fitted value F of every joint action.
        greedy: the joint actions that the agents' local argmaxes allow.
    """

    values: Float[np.ndarray, "games *actions"]
    greedy: Bool[np.ndarray, "games *actions"]


def highest(values: np.ndarray) -> np.ndarray:
    """Which joint actions have the highest of each row's values [..., joint], ties included."""
    return values >= values.max(axis=-1, keepdims=True) - TIE * np.abs(values).max(axis=-1, keepdims=True)


# (payoff, behaviour weights, anchor) -> best fit; payoff and weights [games, *actions], anchor [games, N].
FitClass = Callable[[np.ndarray, np.ndarray, np.ndarray], Fit]


def joint_actions(n_agents: int, n_actions: int) -> Int[np.ndarray, "joint N"]:
    """All joint actions in the order of a flattened payoff."""
    return np.indices((n_actions,) * n_agents).reshape(n_agents, -1).T


def at_anchor(table: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Entry of each game's table at its anchor, with axes of length 1 for the actions."""
    return table[np.arange(len(table)), *anchor.T].reshape(-1, *(1,) * anchor.shape[1])


@cache
def _additive_columns(n_agents: int, n_actions: int) -> np.ndarray:
    """A constant and, per agent, the indicators of all actions but the first, [joint, 1 + N (A - 1)]."""
    one_hot = joint_actions(n_agents, n_actions)[:, :, None] == np.arange(1, n_actions)
    return np.concatenate([np.ones((len(one_hot), 1)), one_hot.reshape(len(one_hot), -1)], axis=1)


def vdn(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
    """Sum of utilities: weighted least squares; tied utilities give a product of greedy sets."""
    games, n_agents, n_actions = len(payoff), payoff.ndim - 1, payoff.shape[-1]
    columns = _additive_columns(n_agents, n_actions)
    weighted = columns * weights.reshape(games, -1, 1)
    right = np.einsum("guk,gu->gk", weighted, payoff.reshape(games, -1))
    solution = np.linalg.solve(weighted.swapaxes(1, 2) @ columns, right[..., None])[..., 0]
    utility = np.pad(solution[:, 1:].reshape(games, n_agents, n_actions - 1), ((0, 0), (0, 0), (1, 0)))
    best = utility >= utility.max(axis=-1, keepdims=True) - _tie(payoff)[:, None, None]
    greedy = best[:, np.arange(n_agents), joint_actions(n_agents, n_actions)].all(axis=-1)
    return Fit((solution @ columns.T).reshape(payoff.shape), greedy.reshape(payoff.shape))


def _tie(payoff: np.ndarray) -> np.ndarray:
    return TIE * np.abs(payoff).reshape(len(payoff), -1).max(axis=1)


def monotone(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
    """Any monotone mixing of any utilities of two agents, with few actions.

    For each pair of action orders, the weighted least-squares table that falls along neither order; the order pairs
    of least loss win, and their top joint actions are greedy. The values are those of one winner.
    """
    fitted = monotone_fit(payoff, weights, _tie(payoff))
    return Fit(fitted.values, fitted.greedy)


def centrally_weighted(alpha: float, base: FitClass = monotone) -> FitClass:
    """CW (Rashid et al. 2020): weight times `alpha` except at the anchor and where the payoff exceeds the anchor's."""

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        kept = payoff > at_anchor(payoff, anchor)
        kept[np.arange(len(payoff)), *anchor.T] = True
        return base(payoff, weights * np.where(kept, 1, alpha), anchor)

    return fit


def ideally_weighted(alpha: float, base: FitClass = monotone) -> FitClass:
    """CW as Rashid et al. 2020 analyse it: weight times `alpha` except at the best joint actions."""

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        best = payoff == payoff.reshape(len(payoff), -1).max(axis=1).reshape(-1, *(1,) * anchor.shape[1])
        return base(payoff, weights * np.where(best, 1, alpha), anchor)

    return fit


def potentially_optimal(tolerance: float, alpha: float = 1e-3, base: FitClass = monotone) -> FitClass:
    """POW (Huang et al. 2026): weight times `alpha` except where an exact recognizer around the anchor recognizes.

    Theirs is α = 0, which leaves what is not recognized without a value, and so without a best fit: a small α stands
    for the limit.
    """

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        greedy = np.zeros(payoff.shape, bool)
        greedy[np.arange(len(payoff)), *anchor.T] = True
        target, probability, top = (part.reshape(len(payoff), -1) for part in (payoff, weights, greedy))
        recognized = recognize(target, probability, top, tolerance).recognized.reshape(payoff.shape)
        return base(payoff, weights * np.where(recognized, 1, alpha), anchor)

    return fit


def optimistically_weighted(alpha: float, base: FitClass = monotone, iterations: int = 50) -> FitClass:
    """OW (Rashid et al. 2020): weight times `alpha` where the fit is at or above the payoff, iterated to a fixed point.

    Where the iteration finds none, as it may for a class that is not convex, no joint action is greedy.
    """

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        values, greedy = base(payoff, weights, anchor)
        over, moving = np.zeros(payoff.shape, bool), np.arange(len(payoff))
        seen: list[set[bytes]] = [set() for _ in payoff]
        for _ in range(iterations):
            above = values[moving] >= payoff[moving] - _tie(payoff)[moving].reshape(-1, *(1,) * anchor.shape[1])
            changed = (above != over[moving]).reshape(len(moving), -1).any(axis=1)
            over[moving] = above
            # The same weights a second time lead to the same fits again: a cycle, which has no fixed point.
            fresh = np.array([over[game].tobytes() not in seen[game] for game in moving], bool)
            for game in moving:
                seen[game].add(over[game].tobytes())
            greedy[moving[changed & ~fresh]] = False
            moving = moving[changed & fresh]
            if not len(moving):
                break
            weighted = weights[moving] * np.where(over[moving], alpha, 1)
            values[moving], greedy[moving] = base(payoff[moving], weighted, anchor[moving])
        greedy[moving] = False
        return Fit(values, greedy)

    return fit


def optimistic_minimum(alpha: float) -> FitClass:
    """OW's own loss, whose weights follow the fit while it moves: the monotone table of least expectile loss.

    A square weighs `alpha` where the fit is above the payoff. Refitting under frozen weights, as
    `optimistically_weighted` does, can cycle where this loss has a minimum, and gradients descend this loss.
    """

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        fitted = monotone_fit(payoff, weights, _tie(payoff), above=alpha)
        return Fit(fitted.values, fitted.greedy)

    return fit


def complete(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
    """Every table whose best joint actions are a product of local ones (QPLEX, QFIX, DuelMIX): the payoff itself.

    Where a payoff's best joint actions are no such product, tables of the class come as close as one likes, with any
    one of them on top; all count as greedy.
    """
    flat = payoff.reshape(len(payoff), -1)
    best = flat >= flat.max(axis=1, keepdims=True) - _tie(payoff)[:, None]
    return Fit(payoff.astype(np.float64), best.reshape(payoff.shape))


def stopped_advantages(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
    """QPLEX's and Q+FIX's own rule: local values learn through their sum alone, the advantages' weights fit the rest.

    With the anchor greedy, positive weights hold every value up to V, the anchor's, and no higher one: the best fit is
    min(Q, V), with V where its errors sum to 0. What is left, (Q - V)+, raises the local values of all actions that
    take part in a joint action above V, so that only anchors that nothing exceeds are at rest; elsewhere the joint
    actions that exceed V count as greedy, for one of them overtakes the anchor in the end.
    """
    level = _resting_level(payoff, weights, anchor)
    beyond = payoff > level + _tie(payoff).reshape(-1, *(1,) * anchor.shape[1])
    beyond[np.arange(len(payoff)), *anchor.T] = False
    resting = ~beyond.reshape(len(payoff), -1).any(axis=1)
    beyond[np.arange(len(payoff))[resting], *anchor[resting].T] = True
    values = np.minimum(payoff, level)
    values[np.arange(len(payoff)), *anchor.T] = level.reshape(-1)
    return Fit(values, beyond)


def _resting_level(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """V with w(p) (V - Q(p)) = Σ_{u ≠ p} w(u) (Q(u) - V)+, with axes of length 1 for the actions.

    The highest mean of the anchor and any set of others: adding what is above the mean raises it.
    """
    own, mass = at_anchor(payoff, anchor), at_anchor(weights, anchor)
    games = len(payoff)
    order = np.argsort(-payoff.reshape(games, -1), axis=1)
    ranked, importance = (
        np.take_along_axis(part.reshape(games, -1), order, axis=1) for part in (payoff.astype(np.float64), weights)
    )
    importance = np.where(ranked > own.reshape(games, 1), importance, 0)
    total = mass.reshape(games, 1) + importance.cumsum(axis=1)
    mean = (mass * own).reshape(games, 1) + (importance * ranked).cumsum(axis=1)
    level = np.maximum(own.reshape(games), (mean / total).max(axis=1))
    return level.reshape(own.shape)

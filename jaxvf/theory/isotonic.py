"""Best monotone tables of two agents, exactly: every order of actions, and for each the isotonic regression.

At each cell of a partial order the best table is the maximum over up-sets, of the minimum over down-sets, both holding
the cell, of what pools the cells that they share (Robertson, Wright and Dykstra 1988, section 1.4): their weighted mean
for squares, their weighted expectile where errors above the target weigh less than those below.
"""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

AT_ONCE = 48  # games whose pooled values are in memory together: as many as a CPU's cache holds


class MonotoneFit(NamedTuple):
    """Best monotone tables of a batch of games.

    Attributes:
        values: those of one order pair of least loss.
        greedy: joint actions on top of an order pair of least loss.
        loss: the least one.
    """

    values: Float[np.ndarray, "games A A"]
    greedy: Bool[np.ndarray, "games A A"]
    loss: Float[np.ndarray, " games"]


def monotone_fit(
    payoff: Float[np.ndarray, "games A A"],
    weights: Float[np.ndarray, "games A A"],
    tie: Float[np.ndarray, " games"],
    above: float = 1.0,
) -> MonotoneFit:
    """The weighted least-squares table that falls along no axis, over all pairs of action orders.

    Args:
        payoff: what to fit.
        weights: of the squares.
        tie: losses within this times the payoff's size of the least one count as the least.
        above: factor of the weight where the fit is above the payoff, in (0, 1]; 1 for plain squares.
    """
    rows, columns = _orders(payoff.shape[-1])
    cells = rows[:, :, None], columns[:, None, :]
    parts = []
    for first in range(0, len(payoff), AT_ONCE):
        here = slice(first, first + AT_ONCE)
        y, w = (part[here][:, *cells].reshape(-1, payoff[0].size) for part in (payoff, weights))
        fitted = isotonic(y, w, payoff.shape[-1], above)
        error = fitted - y
        loss = (np.where(error > 0, above * w, w) * error**2).sum(axis=1)
        parts.append((fitted.reshape(-1, len(rows), payoff[0].size), loss.reshape(-1, len(rows))))
    fitted, loss = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    # Of losses, which are squares, the tie is one against the loss of a constant error as large as the payoff.
    scale = np.abs(payoff).max(axis=(1, 2)) * weights.sum(axis=(1, 2))
    game, order = np.nonzero(loss <= (loss.min(axis=1) + tie * scale)[:, None])
    greedy, values = np.zeros(payoff.shape, bool), np.empty(payoff.shape)
    greedy[game, rows[order, -1], columns[order, -1]] = True
    first = np.unique(game, return_index=True)[1]
    winner, every = order[first], np.arange(len(payoff))
    at = every[:, None, None], rows[winner][:, :, None], columns[winner][:, None, :]
    values[at] = fitted[every, winner].reshape(payoff.shape)
    return MonotoneFit(values, greedy, loss.min(axis=1))


def isotonic(
    target: Float[np.ndarray, "batch cells"],
    weights: Float[np.ndarray, "batch cells"],
    n_actions: int,
    above: float = 1.0,
) -> Float[np.ndarray, "batch cells"]:
    """Best tables, rank by rank, that fall along no axis.

    Args:
        target: cells in the order of their ranks, worst first.
        weights: of the squares.
        n_actions: A; there are A * A cells.
        above: factor of the weight where the table is above its target.
    """
    pools, of_cell = _pools(n_actions)
    pooled = _mean(target, weights, pools)
    if above != 1:
        # The gradient of a pool's loss is the least of linear functions, one for each set of targets that lie below the
        # value; so its root is the greatest of theirs, and only sets of the lowest targets can be the greatest.
        ordered = np.sort(target, axis=1)
        for place in range(target.shape[1]):
            below = target <= ordered[:, place, None]
            pooled = np.maximum(pooled, _mean(target, np.where(below, above * weights, weights), pools))
    return np.stack([pooled[:, places].min(axis=2).max(axis=1) for places in of_cell], axis=1)


def _mean(target: np.ndarray, weights: np.ndarray, pools: np.ndarray) -> np.ndarray:
    """Weighted means of the targets of every pool, [batch, pools]."""
    return (weights * target) @ pools / (weights @ pools)


@cache
def _orders(n_actions: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of orders of two agents' actions, worst first, [pairs, A] each."""
    one = np.array(list(itertools.permutations(range(n_actions))))
    return np.repeat(one, len(one), axis=0), np.tile(one, (len(one), 1))


@cache
def _pools(n_actions: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """What an up-set and a down-set can share, as columns [A * A, pools], and which of them matter to each cell.

    Returns:
        The pools, each once; and per cell, of every up-set that holds it the pools with every down-set that does,
        [up-sets, pools of one], filled up with repetitions.
    """
    # An up-set is the first rank of agent 2 that belongs, for each rank of agent 1; it can only fall.
    starts = itertools.combinations_with_replacement(range(n_actions, -1, -1), n_actions)
    up = np.array([np.ravel(np.arange(n_actions) >= np.array(start)[:, None]) for start in starts])
    meets = up[:, None] & ~up
    pools, which = np.unique(meets.reshape(-1, n_actions**2), axis=0, return_inverse=True)
    which = which.reshape(len(up), len(up)) - 1  # the first pool is the empty one, which no cell is in
    of_cell = []
    for cell in range(n_actions**2):
        rows = [np.unique(row[~up[:, cell]]) for row in which[up[:, cell]]]
        longest = max(map(len, rows))
        of_cell.append(np.stack([np.resize(row, longest) for row in rows]))
    return np.ascontiguousarray(pools[1:].T.astype(np.float64)), of_cell

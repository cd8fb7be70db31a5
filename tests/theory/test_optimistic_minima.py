"""OW-QMIX in a one-step game is expectile regression, a fixed loss: where its minima are on game A."""

import itertools

import numpy as np
from scipy.optimize import minimize

from jaxvf.envs.matrix_game import PAYOFFS

ALPHA = 0.1  # weight of a value above its target; below it weighs 1 (Rashid et al. 2020, eq. 11)
PAYOFF = np.asarray(PAYOFFS["A"], float)


def expectile_loss(values: np.ndarray) -> tuple[float, np.ndarray]:
    """Σ w δ² over the nine joint actions, and its gradient."""
    error = values.reshape(3, 3) - PAYOFF
    weight = np.where(error >= 0, ALPHA, 1.0)
    return float((weight * error**2).sum()), (2 * weight * error).ravel()


def best_table(rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[float, np.ndarray]:
    """The least loss of tables that rise in both agents' given orders: a convex problem."""
    index = np.arange(9).reshape(3, 3)[np.ix_(rows, columns)]
    pairs = np.concatenate([
        np.stack([index[:-1].ravel(), index[1:].ravel()]), np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()])
    ], axis=1)  # fmt: skip
    rises = np.zeros((pairs.shape[1], 9))
    rises[np.arange(len(rises)), pairs[1]], rises[np.arange(len(rises)), pairs[0]] = 1, -1
    constraint = {"type": "ineq", "fun": lambda values: rises @ values, "jac": lambda values: rises}
    found = minimize(expectile_loss, np.full(9, 6.0), jac=True, constraints=constraint, method="SLSQP",
                     options={"maxiter": 500, "ftol": 1e-12})  # fmt: skip
    return found.fun, found.x.reshape(3, 3)


def test_the_lowest_monotone_tables_have_opposed_agents_on_top():
    """Both are flat over the two good corners and a corner of -12, which is the top of the agents' orders."""
    orders = list(itertools.permutations(range(3)))
    fits = {(rows, columns): best_table(rows, columns) for rows in orders for columns in orders}
    least = min(loss for loss, _ in fits.values())
    winners = {key: table for key, (loss, table) in fits.items() if loss < least + 1e-3}
    assert {(rows[-1], columns[-1]) for rows, columns in winners} == {(0, 2), (2, 0)}
    for (rows, columns), table in winners.items():
        assert PAYOFF[rows[-1], columns[-1]] == -12
        flat = [table[0, 0], table[2, 2], table[rows[-1], columns[-1]]]
        np.testing.assert_allclose(flat, 6.136, atol=0.01)

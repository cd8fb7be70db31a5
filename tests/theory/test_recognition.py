"""POW's exact recognizer: hand-computed cases, and a bounded least-squares solver on random tables."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory import recognize

GAME_A = np.array(PAYOFFS["A"])


def at(*joint):
    """Mask of these joint actions of game A, flattened."""
    mask = np.zeros((3, 3), bool)
    mask[tuple(zip(*joint, strict=True))] = True
    return mask.ravel()


@pytest.mark.parametrize(
    ("greedy", "value", "recognized"),
    [
        ((2, 2), 7.95, [(0, 0), (2, 2)]),
        ((1, 1), 5.3, [(0, 0), (1, 1), (2, 2)]),
        ((0, 1), 1.3, [(0, 1), (0, 0), (2, 2)]),
        ((0, 0), 8.0, [(0, 0), (2, 2)]),
    ],
)
def test_game_a(greedy, value, recognized):
    """Uniform sampling of 8 / -12 / 0 / 7.9; C just above 0.1 keeps 7.9 beside 8."""
    fit = recognize(GAME_A.ravel(), np.full(9, 1 / 9), at(greedy), 0.11)
    np.testing.assert_allclose(fit.value, value)
    np.testing.assert_array_equal(fit.recognized, at(*recognized))
    np.testing.assert_allclose(fit.table, np.where(at(greedy), value, np.minimum(GAME_A.ravel(), value)))


def test_a_small_tolerance_drops_the_second_best():
    """With the optimum greedy, 7.9 is recognized only if C > 0.1."""
    fit = recognize(GAME_A.ravel(), np.ones(9), at((0, 0)), 0.05)
    np.testing.assert_array_equal(fit.recognized, at((0, 0)))


def test_tied_greedy_actions_share_one_value():
    """B and C tied for both agents: four zeros-and-7.9 pooled with 8: (0 + 0 + 0 + 7.9 + 8) / 5."""
    fit = recognize(GAME_A.ravel(), np.ones(9), at((1, 1), (1, 2), (2, 1), (2, 2)), 0.1)
    np.testing.assert_allclose(fit.value, 15.9 / 5)


def test_value_is_the_bounded_least_squares_fit():
    """Random tables, sampling and ties: Q_R = V where greedy, V - s with s >= 0 elsewhere, solved as such."""
    rng = np.random.default_rng(0)
    target, probability = 3 * rng.normal(size=(40, 12)), rng.dirichlet(np.ones(12), size=40)
    greedy = rng.random((40, 12)) < 0.15
    greedy[np.arange(40), rng.integers(12, size=40)] = True
    fit = recognize(target, probability, greedy, 0.5)
    for game in range(40):
        columns = np.column_stack([np.ones(12), -np.eye(12)[:, ~greedy[game]]])
        root = np.sqrt(probability[game])
        low = np.array([-np.inf] + [0.0] * (columns.shape[1] - 1))
        # Both signs of V are allowed; the others' deficits are not negative.
        best = lsq_linear(root[:, None] * columns, root * target[game], (low, np.inf), "bvls", tol=1e-14)
        np.testing.assert_allclose(columns @ best.x, fit.table[game], atol=1e-7)
        np.testing.assert_allclose(best.x[0], fit.value[game], atol=1e-7)


def test_every_maximiser_is_recognized():
    """Theorem 1: V never exceeds the best target, so the best joint action is in A_r for any C > 0."""
    rng = np.random.default_rng(1)
    target = rng.normal(size=(200, 9))
    greedy = np.arange(9) == rng.integers(9, size=(200, 1))
    fit = recognize(target, rng.dirichlet(np.ones(9), size=200), greedy, 1e-9)
    assert fit.recognized[np.arange(200), target.argmax(axis=1)].all()
    assert (fit.value >= target[greedy] - 1e-12).all()

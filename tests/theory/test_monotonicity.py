"""Measures of non-monotonicity against hand computation, and the laws that make them measures."""

import numpy as np
import pytest

from jaxvf.envs import PAYOFFS
from jaxvf.theory import deviation_penalty, non_monotonicity


def one(measure, payoff):
    (value,) = measure(np.asarray(payoff)[None])
    return value


def test_additive_and_monotonic_tables_have_measure_0():
    """A sum, an increasing function of it, and a table with ties; renaming actions changes nothing."""
    values = np.array([[0.0, 2.0, 5.0], [1.0, -3.0, 4.0], [2.0, 0.5, 0.0]])
    total = values[0][:, None, None] + values[1][:, None] + values[2]
    assert one(non_monotonicity, total) == 0
    assert one(non_monotonicity, np.exp(total)) == 0
    assert one(non_monotonicity, np.maximum(total, 3.0)) == 0
    assert one(non_monotonicity, np.ones((2, 2))) == 0


def test_a_coordination_game_has_measure_1():
    """In [[1, 0], [0, 1]] every preference is balanced by its opposite."""
    assert one(non_monotonicity, [[1, 0], [0, 1]]) == 1


def test_game_e_by_hand():
    """Game E: each agent prefers 0 to 1, and 0 to 2, by 20 once, and the reverse by 12 twice; 1 and 2 are equal.

    Minority 20 of 44, doubled: 40/44.
    """
    np.testing.assert_allclose(one(non_monotonicity, PAYOFFS["E"]), 40 / 44)


def test_three_agents_by_hand():
    """One agent's choice decides what the two others want: agent 0 flips nothing, agents 1 and 2 flip evenly.

    Q = 10 u_0, plus 1 where the others agree. Agent 0's differences sum to 40, those of the two others to 4 each.
    """
    u = np.indices((2, 2, 2))
    payoff = 10.0 * u[0] + (u[1] == u[2])
    np.testing.assert_allclose(one(non_monotonicity, payoff), 8 / 48)


@pytest.mark.parametrize("measure", [non_monotonicity, deviation_penalty])
def test_measures_ignore_names_scale_and_shift(measure):
    payoff = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    expected = measure(payoff)
    renamed = payoff[:, [2, 0, 1]][:, :, [1, 0, 2]].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(measure(5 * renamed - 3), expected)
    assert (np.abs(expected) > 0).all()


def test_deviation_penalty_by_hand():
    """Game E: the mean is -40/9, leaving the optimum alone pays -12; the standard deviation is that of its cells."""
    spread = np.std(PAYOFFS["E"])
    np.testing.assert_allclose(one(deviation_penalty, PAYOFFS["E"]), (-40 / 9 + 12) / spread)


def test_a_sum_has_no_deviation_penalty():
    """Σ_i Δ_i (A / ((A - 1) N) - 1) <= 0, Δ_i being how far agent i's best value is above its mean."""
    values = np.random.default_rng(1).normal(size=(100, 3, 4))
    total = values[:, 0, :, None, None] + values[:, 1, None, :, None] + values[:, 2, None, None, :]
    gap = (values.max(axis=-1) - values.mean(axis=-1)).sum(axis=1)
    expected = gap * (4 / (3 * 3) - 1) / total.reshape(100, -1).std(axis=1)
    np.testing.assert_allclose(deviation_penalty(total), expected)
    assert one(deviation_penalty, np.ones((3, 3))) == 0

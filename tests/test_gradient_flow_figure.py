"""The experiment gradient_flow: points of both kinds, and the curvatures of a game that are known."""

import jax
import numpy as np
import pytest

from jaxvf import scripts
from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory.gradient_flow import joint_table, lagrange_mixer

GAME = np.array(PAYOFFS["B"], np.float64)
VIOLATING = np.array([[-1.6, 0.0, -0.7], [-1.4, 0.0, -0.7]])  # greedy (B, B), where the payoff is 0 and not 12


@pytest.fixture(scope="module")
def experiment():
    return scripts.load("experiments", "gradient_flow")


def test_half_of_the_points_have_the_optimum_on_top(experiment):
    """Every payoff stands once with a right and once with a wrong greedy action, at values that fit it exactly."""
    payoff, q = experiment.points(30)
    np.testing.assert_array_equal(payoff[:30], payoff[30:])
    np.testing.assert_array_equal(experiment.is_consistent(payoff, q), [True] * 30 + [False] * 30)
    np.testing.assert_array_equal(np.sort(q[:30], axis=2), np.sort(q[30:], axis=2))
    with jax.enable_x64(True):
        table = joint_table(lagrange_mixer(payoff[0], q[0]), jax.numpy.asarray(q[0]))
    np.testing.assert_allclose(table, payoff[0], atol=1e-9)


def test_curvatures_of_a_known_game_become_its_row(experiment):
    """At τ = 1 theorem 3 claims -24 and the loss has 204; none of the points curves down."""
    with jax.enable_x64(True):
        cell = experiment.curvature(GAME[None], VIOLATING[None], 1.0)
    assert cell["claimed"][0] == -24 and cell["along"][0] == pytest.approx(204.0, abs=0.06)
    assert cell["difference"][0] < 1e-9 and cell["normal"][0] > 0
    (_, row) = experiment.curvature_rows(
        {name: np.repeat(v, 2) for name, v in cell.items()}, np.array([True, False]), 1.0
    )
    assert (row["kind"], row["points"], row["claimed_negative"], row["found_negative"]) == ("violating", 1, 1, 0)

"""The experiment gradient_flow: points of both kinds, curvatures of a game that are known, and the portrait's zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import scripts
from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory.flow_stability import hessian
from jaxvf.theory.gradient_flow import joint_table, lagrange_mixer, loss, uniform

GAME = np.array(PAYOFFS["B"], np.float64)
VIOLATING = np.array([[-1.6, 0.0, -0.7], [-1.4, 0.0, -0.7]])  # greedy (B, B), where the payoff is 0 and not 12


@pytest.fixture(scope="module")
def experiment():
    return scripts.load("experiments", "gradient_flow")


def test_half_of_the_points_have_the_optimum_on_top(experiment):
    """Every payoff stands once with a right and once with a wrong greedy action, at values that fit it exactly."""
    payoff, q = experiment.points(30)
    assert len(payoff) == 60 + 2 * len(PAYOFFS)
    for first, count in ((0, 30), (60, len(PAYOFFS))):
        right, wrong = slice(first, first + count), slice(first + count, first + 2 * count)
        np.testing.assert_array_equal(payoff[right], payoff[wrong])
        assert experiment.is_consistent(payoff, q)[right].all() and not experiment.is_consistent(payoff, q)[wrong].any()
        np.testing.assert_array_equal(np.sort(q[right], axis=2), np.sort(q[wrong], axis=2))
    with jax.enable_x64(True):
        table = joint_table(lagrange_mixer(payoff[0], q[0]), jnp.asarray(q[0]))
    np.testing.assert_allclose(table, payoff[0], atol=1e-9)


def test_curvatures_of_a_known_game_become_its_row(experiment):
    """At τ = 1 theorem 3 claims -24 and the loss has 204; no point of any game curves down, and all attract."""
    payoff, q = experiment.points(2)
    payoff[3], q[3] = GAME, VIOLATING
    with jax.enable_x64(True):
        found = experiment.curvature(payoff, q, 1.0)
    assert found["claimed"][3] == -24 and found["along"][3] == pytest.approx(204.0, abs=0.06)
    rows = experiment.curvature_rows(found, payoff, q, 1.0)
    assert len(rows) == 2 + 2 * len(PAYOFFS) and {row.get("game") for row in rows} == {None, *PAYOFFS}
    (row,) = [row for row in rows if row["measure"] == "curvature" and row["kind"] == "violating"]
    assert (row["points"], row["claimed_negative"], row["found_negative"], row["repelling"]) == (2, 2, 0, 0)
    assert row["claimed"][1] == -24 and row["along"][1] == pytest.approx(204.0, abs=0.06)
    for row in rows:
        assert row["largest_difference_from_gauss_newton"] < 1e-9 > row["largest_difference_of_semi_gradient"]
        assert row["smallest_on_normal_space"] > 0 and row["repelling"] == 0
        assert row["kind"] == "consistent" or row["claimed_negative"] == row["points"] > row["found_negative"] == 0


def test_the_portraits_four_zeros_are_two_right_and_two_wrong_and_curve_up(experiment):
    """The loss is 0 at (±1, ±2), where A is greedy for a negative second value; every Hessian is positive definite."""
    pictures = experiment.pictures
    with jax.enable_x64(True):
        model, payoff = pictures.model(), jnp.asarray(pictures.PAYOFF)
        for zero in pictures.ZEROS:
            assert loss(model, payoff, jnp.asarray(zero), uniform) == pytest.approx(0, abs=1e-20)
            assert (np.argmax(zero) == 0) == (zero[1] < 0)
            assert np.linalg.eigvalsh(hessian(model, payoff, jnp.asarray(zero), uniform))[0] > 1
    assert pictures.PAYOFF.argmax() == 0

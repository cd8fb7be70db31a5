"""Advantages: numbers by hand for running, terminated and truncated steps, and who counts in a normalization."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.trust_region.advantages import generalized_advantages, masked_mean, normalize, td_errors

REWARD, VALUE, NEXT = (jnp.array(x) for x in ([1.0, 2.0, 3.0], [0.5, 1.0, 1.5], [1.0, 1.5, 10.0]))
NEVER = jnp.zeros(3, bool)
LAST, MIDDLE = NEVER.at[2].set(True), NEVER.at[1].set(True)


def advantages(terminated, truncated, trace=0.5, **fields):
    td = td_errors(REWARD, VALUE, NEXT, terminated, discount=0.5)
    return generalized_advantages(td, terminated, truncated, discount=0.5, trace=trace, **fields)


# δ = 1 + 0.5 - 0.5, 2 + 0.75 - 1, 3 + 5 - 1.5 = 1, 1.75, 6.5; factor γλ = 0.25.
@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        (NEVER, NEVER, [1.84375, 3.375, 6.5]),
        (LAST, NEVER, [1.53125, 2.125, 1.5]),  # nothing after the last step: its error is 3 - 1.5
        (NEVER, LAST, [1.84375, 3.375, 6.5]),  # a cut-off step still bootstraps from the 10 after it
        (MIDDLE, NEVER, [1.25, 1.0, 6.5]),  # 2 - 1 at the end of the episode; the next one does not leak in
        (NEVER, MIDDLE, [1.4375, 1.75, 6.5]),
    ],
)
def test_ends_of_episodes(terminated, truncated, expected):
    np.testing.assert_allclose(advantages(terminated, truncated), expected)


def test_a_truncated_step_may_have_no_advantage():
    """Le & Ta 2025: a mask sets the whole advantage of the cut-off step to 0."""
    np.testing.assert_allclose(advantages(NEVER, MIDDLE, truncation="zero"), [1.0, 0.0, 6.5])


def test_trace_zero_is_the_td_error_and_one_is_monte_carlo():
    np.testing.assert_allclose(advantages(NEVER, NEVER, trace=0.0), [1, 1.75, 6.5])
    # r0 + γ r1 + γ² r2 + γ³ V - V(s_0)
    np.testing.assert_allclose(advantages(NEVER, NEVER, trace=1.0)[0], 1 + 1 + 0.75 + 1.25 - 0.5)


def test_a_trace_per_step_weighs_later_errors():
    """A2PO: row t is the factor of step t in all earlier advantages; that of the first row is never used."""
    trace = jnp.array([99.0, 0.5, 0.1])
    np.testing.assert_allclose(advantages(NEVER, NEVER, trace=trace), [1 + 0.25 * 2.075, 1.75 + 0.05 * 6.5, 6.5])


def test_normalization_is_over_the_living():
    """Per agent: each agent's own mean and std; jointly: one of both over all living samples; divided by std + 1e-5."""
    advantage = jnp.array([[[1.0, 10.0]], [[3.0, 20.0]], [[100.0, 60.0]]])
    alive = jnp.array([[[True, True]], [[True, True]], [[False, True]]])
    own = normalize(advantage, alive, "per_agent")
    np.testing.assert_allclose(own[:2, 0, 0], [-1 / 1.00001, 1 / 1.00001], rtol=1e-6)
    np.testing.assert_allclose(own[:, 0, 1], (np.array([10, 20, 60]) - 30) / np.std([10, 20, 60]), rtol=1e-5)
    everyone = np.array([1, 3, 10, 20, 60.0])
    joint = normalize(advantage, alive, "joint")
    np.testing.assert_allclose(joint[0, 0], (np.array([1, 10]) - everyone.mean()) / everyone.std(), rtol=1e-5)
    np.testing.assert_array_equal(normalize(advantage, alive, "none"), advantage)
    assert np.isfinite(normalize(advantage, jnp.zeros_like(alive), "per_agent")).all()


def test_a_mask_of_size_one_stands_for_all():
    values = jnp.arange(6.0).reshape(2, 3)
    assert masked_mean(values, jnp.array([[True], [False]])) == 1.0
    assert masked_mean(values, jnp.zeros((2, 1), bool)) == 0.0
